"""One model on one split: one straight loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cystgrid.errors import SettingsError
from cystgrid.grids.batches import training_batch
from cystgrid.grids.crops import Crops
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.network import Network
from cystgrid.training.batch_norm import refuse_folded, train_mode
from cystgrid.training.device import Precision
from cystgrid.training.predict import class_probabilities
from cystgrid.training.selection import Epoch, better, look, perfect_look
from cystgrid.training.settings import TrainingSettings
from cystgrid.training.state_file import Saved
from cystgrid.training.step import Step
from cystgrid.training.underway import WEIGHT, Fit, Underway, under


@dataclass(frozen=True)
class Examples:
    """Patients with their class numbers.

    Attributes:
        crops: standardised crops on the training device.
        targets: ``(patient,)`` int64, positions in the study's classes.
        classes: how many there are.
    """

    crops: Crops
    targets: Tensor
    classes: int


def begin(
    network: Network,
    train: Examples,
    settings: TrainingSettings,
    precision: Precision,
    *,
    seed: int,
    saved: Saved | None = None,
) -> Underway:
    """A training before its first step, or where a stopped one goes on.

    Args:
        network: started, on the examples' device; its weights are changed.
        train: training patients.
        settings: the recipe.
        precision: arithmetic of the passes; weights stay float32.
        seed: of order, windows and augmentation.
        saved: what a stopped one left.

    Raises:
        SettingsError: class weights of other classes, or weights that this batch normalisation
            cannot train.
    """
    refuse_folded(network, settings)
    batches = math.ceil(len(train.crops) / settings.batch)
    if saved is not None:  # before its rounded copy is made
        network.load_state(under(WEIGHT, saved.tensors))
    step = Step(network, settings, precision, class_weights(settings, train), batches)
    begun = Underway(network, step, torch.Generator().manual_seed(seed), batches)
    if saved is not None:
        begun.take_up(saved.told, saved.tensors)
    return begun


def steps(
    training: Underway,
    train: Examples,
    validation: Examples,
    grid: GridSettings,
    settings: TrainingSettings,
    precision: Precision,
) -> Iterator[bool]:
    """Train on ``train``, keep the epoch that does best on ``validation``.

    It ends before ``settings.epochs`` where no look can be better than the best so far, and where
    ``settings.patience`` is at its end.

    Args:
        training: as ``begin`` gave it; always up to date when a step is yielded.
        train: training patients.
        validation: other patients; both are standardised with landmarks of ``train`` alone.
        grid: windows and augmentation.
        settings: the recipe.
        precision: arithmetic of the passes.

    Yields:
        After every step: False. After every epoch, its look included: True.

    Raises:
        SettingsError: the loss became infinite or not a number.
    """
    working, form = training.step.working, training.network.form
    targets = validation.targets.cpu().numpy()
    flawless = perfect_look(targets, validation.classes)
    while not training.ended:
        train_mode(working, settings)
        for patients in training.batches_left(len(train.crops)):
            chosen = patients.to(train.targets.device)
            grids = training_batch(train.crops, chosen, grid, training.generator, form)
            training.losses.append(training.step(grids, train.targets[chosen]) * len(chosen))
            yield False
        number = training.epoch
        train_loss = float(torch.stack(training.losses).sum()) / len(train.crops)
        _refuse_divergence(train_loss, number, settings)
        if number % settings.evaluate_every == 0 or number == settings.epochs:
            found = class_probabilities(working, validation.crops, grid.cells, precision)
            row = look(targets, found, number, train_loss)
            training.best = _better(training, row, found, settings)
        training.end_epoch(ended=_ended(number, training.best, flawless, settings))
        yield True


def _better(
    training: Underway, row: Epoch, found: NDArray[np.float64], settings: TrainingSettings
) -> Fit:
    """The best so far, after one look more."""
    best = training.best
    if best is None:
        return Fit(_copy(training.network), row.epoch, (row,), found)
    curve = (*best.curve, row)
    if better(row, best.look, settings.select):
        return Fit(_copy(training.network), row.epoch, curve, found)
    return replace(best, curve=curve)


def _ended(number: int, best: Fit | None, flawless: Epoch, settings: TrainingSettings) -> bool:
    """Whether no epoch is left, no look can be better, or patience is at its end."""
    if number == settings.epochs:
        return True
    return best is not None and _settled(number, best, flawless, settings)


def _settled(number: int, best: Fit, flawless: Epoch, settings: TrainingSettings) -> bool:
    """Whether no look can be better than the best so far, or patience is at its end."""
    patient = settings.patience is None or number - best.selected < settings.patience
    return not patient or not better(flawless, best.look, settings.select)


def class_weights(settings: TrainingSettings, train: Examples) -> Tensor | None:
    """Weights of the classes in the loss ``(class,)``; None counts every patient alike.

    ``balanced`` is patients / (classes x patients of the class), over the classes that are there
    (King & Zeng 2001; scikit-learn's rule); a class without a training patient never counts.

    Raises:
        SettingsError: numbers for another number of classes.
    """
    given = settings.class_weights
    if given == "none":
        return None
    device = train.targets.device
    if given == "balanced":
        counts = torch.bincount(train.targets.cpu(), minlength=train.classes).double()
        present = int((counts > 0).sum())
        weights = torch.where(counts > 0, counts.sum() / (present * counts.clamp(min=1)), 0.0)
        return weights.float().to(device)
    if len(given) != train.classes:
        raise SettingsError(
            "training.class_weights",
            got=f"{len(given)} numbers",
            expected=f"one for each of the {train.classes} classes",
            do="give them in the order of cohort.classes",
        )
    return torch.tensor(given, dtype=torch.float32, device=device)


def _refuse_divergence(loss: float, epoch: int, settings: TrainingSettings) -> None:
    if not math.isfinite(loss):
        raise SettingsError(
            "training.learning_rate",
            got=f"{settings.learning_rate} and a loss of {loss} in epoch {epoch}",
            expected="a finite loss",
            do="lower the learning rate or lengthen the warm-up",
        )


def _copy(network: Network) -> dict[str, Tensor]:
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state().items()
    }
