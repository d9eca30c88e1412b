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
from cystgrid.training.step import Step


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


@dataclass(frozen=True)
class Fit:
    """What a training ends with.

    Attributes:
        state: the network's tensors after the selected epoch.
        selected: number of the selected epoch, from 1.
        curve: every epoch at which the validation fold was looked at.
        validation: ``(patient, class)`` probabilities of the validation fold after that epoch.
    """

    state: dict[str, Tensor]
    selected: int
    curve: tuple[Epoch, ...]
    validation: NDArray[np.float64]

    @property
    def look(self) -> Epoch:
        """The curve's row of the selected epoch."""
        return next(row for row in self.curve if row.epoch == self.selected)


def epochs(
    network: Network,
    train: Examples,
    validation: Examples,
    grid: GridSettings,
    settings: TrainingSettings,
    precision: Precision,
    *,
    seed: int,
) -> Iterator[Fit | None]:
    """Train on ``train``, keep the epoch that does best on ``validation``.

    It ends before ``settings.epochs`` where no look can be better than the best so far, and where
    ``settings.patience`` is at its end.

    Args:
        network: started, on the examples' device; its weights are changed.
        train: training patients.
        validation: other patients; both are standardised with landmarks of ``train`` alone.
        grid: windows and augmentation.
        settings: the recipe.
        precision: arithmetic of the passes; weights stay float32.
        seed: of order, windows and augmentation.

    Yields:
        After every epoch, the best so far; None before the first look at the validation fold.

    Raises:
        SettingsError: the loss became infinite or not a number, class weights of other classes, or
            weights that this batch normalisation cannot train.
    """
    refuse_folded(network, settings)
    generator = torch.Generator().manual_seed(seed)
    batches = math.ceil(len(train.crops) / settings.batch)
    step = Step(network, settings, precision, class_weights(settings, train), batches)
    targets = validation.targets.cpu().numpy()
    flawless = perfect_look(targets, validation.classes)
    curve: list[Epoch] = []
    best: Fit | None = None
    for number in range(1, settings.epochs + 1):
        train_mode(step.working, settings)
        losses = []
        order = torch.randperm(len(train.crops), generator=generator)
        for patients in order.tensor_split(batches):  # equal parts: no batch of one for batch norm
            chosen = patients.to(train.targets.device)
            grids = training_batch(train.crops, chosen, grid, generator, network.form)
            losses.append(step(grids, train.targets[chosen]) * len(chosen))
        train_loss = float(torch.stack(losses).sum()) / len(train.crops)
        _refuse_divergence(train_loss, number, settings)
        if number % settings.evaluate_every == 0 or number == settings.epochs:
            found = class_probabilities(step.working, validation.crops, grid.cells, precision)
            curve.append(look(targets, found, number, train_loss))
            if best is None or better(curve[-1], best.look, settings.select):
                best = Fit(_copy(network), number, tuple(curve), found)
            best = replace(best, curve=tuple(curve))
        yield best
        if best is not None and _settled(number, best, flawless, settings):
            return


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
