"""One model on one split: one straight loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss, recall_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from cystgrid.errors import SettingsError
from cystgrid.grids.batches import Crops, training_batch
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.network import Network
from cystgrid.training.device import Precision, arithmetic
from cystgrid.training.optimise import make_optimizer, make_schedule
from cystgrid.training.predict import class_probabilities
from cystgrid.training.settings import TrainingSettings

SMALLEST_PROBABILITY = 1e-12
"""Keeps one confident mistake from making a validation loss infinite."""


@dataclass(frozen=True)
class Examples:
    """Patients with their class numbers.

    Attributes:
        crops: standardised crops on the training device.
        targets: ``(patient,)`` int64, positions in the study's classes.
    """

    crops: Crops
    targets: Tensor


@dataclass(frozen=True)
class Epoch:
    """One row of a training curve; losses are mean cross-entropies in nats."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_balanced_accuracy: float


@dataclass(frozen=True)
class Fit:
    """What a training ends with.

    Attributes:
        state: the network's tensors after the selected epoch.
        selected: number of the selected epoch, from 1.
        curve: every epoch at which the validation fold was looked at.
    """

    state: dict[str, Tensor]
    selected: int
    curve: tuple[Epoch, ...]


def fit(
    network: Network,
    train: Examples,
    validation: Examples,
    grid: GridSettings,
    settings: TrainingSettings,
    precision: Precision,
    *,
    seed: int,
    after_epoch: Callable[[], None] = lambda: None,
) -> Fit:
    """Train on ``train``, keep the epoch that does best on ``validation``.

    Args:
        network: started, on the examples' device; its weights are changed.
        train: training patients.
        validation: other patients; both are standardised with landmarks of ``train`` alone.
        grid: windows and augmentation.
        settings: the recipe.
        precision: arithmetic of the passes; weights stay float32.
        seed: of order, windows and augmentation.
        after_epoch: called once an epoch, for progress.

    Raises:
        SettingsError: the loss became infinite or not a number.
    """
    generator = torch.Generator().manual_seed(seed)
    batches = math.ceil(len(train.crops) / settings.batch)
    optimizer = make_optimizer(network, settings)
    schedule = make_schedule(optimizer, settings, batches)
    curve: list[Epoch] = []
    best: Fit | None = None
    for number in range(1, settings.epochs + 1):
        network.train()
        losses = []
        order = torch.randperm(len(train.crops), generator=generator)
        for patients in order.tensor_split(batches):  # equal parts: no batch of one for batch norm
            chosen = patients.to(train.targets.device)
            grids = training_batch(train.crops, chosen, grid, generator, network.form)
            with arithmetic(precision, grids.device):
                scores = network(grids)
            loss = cross_entropy(scores.float(), train.targets[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach() * len(chosen))
        train_loss = float(torch.stack(losses).sum()) / len(train.crops)
        _refuse_divergence(train_loss, number, settings)
        if number % settings.evaluate_every == 0 or number == settings.epochs:
            curve.append(_look(network, validation, grid, precision, number, train_loss))
            if best is None or _better(curve[-1], best.curve[-1], settings.select):
                best = Fit(_copy(network), number, tuple(curve))
        after_epoch()
    assert best is not None  # the last epoch is always looked at
    return Fit(best.state, best.selected, tuple(curve))


def _look(
    network: Network, validation: Examples, grid: GridSettings, precision: Precision,
    number: int, train_loss: float,
) -> Epoch:  # fmt: skip
    """How the network does on the validation fold now."""
    found = class_probabilities(network, validation.crops, grid.cells, precision)
    targets = validation.targets.cpu().numpy()
    return Epoch(number, train_loss, _loss(targets, found), _balanced_accuracy(targets, found))


def _loss(targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    kept = np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)
    kept /= kept.sum(axis=1, keepdims=True)
    return float(log_loss(targets, kept, labels=range(kept.shape[1])))


def _balanced_accuracy(targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Mean recall over the classes that the fold holds."""
    chosen = probabilities.argmax(axis=1)
    return float(recall_score(targets, chosen, labels=np.unique(targets), average="macro"))


def _better(new: Epoch, old: Epoch, select: str) -> bool:
    """Whether ``new`` is strictly preferred; equal ones leave the earlier epoch."""
    if select == "loss":
        return new.validation_loss < old.validation_loss
    return (-new.validation_balanced_accuracy, new.validation_loss) < (
        -old.validation_balanced_accuracy,
        old.validation_loss,
    )


def _refuse_divergence(loss: float, epoch: int, settings: TrainingSettings) -> None:
    if not math.isfinite(loss):
        raise SettingsError(
            "training.learning_rate",
            got=f"{settings.learning_rate} and a loss of {loss} in epoch {epoch}",
            expected="a finite loss",
            do="lower the learning rate or lengthen the warm-up",
        )


def _copy(network: Network) -> dict[str, Tensor]:
    return {name: t.detach().cpu().clone() for name, t in network.state().items()}
