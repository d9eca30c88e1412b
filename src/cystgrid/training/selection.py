"""What an inner training is chosen by: how it does on its own validation fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, recall_score

SMALLEST_PROBABILITY = 1e-12
"""Keeps one confident mistake from making a validation loss infinite."""


@dataclass(frozen=True)
class Epoch:
    """One row of a training curve; losses are mean cross-entropies in nats.

    A model that is not trained in epochs has one row, without a training loss (NaN).
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_balanced_accuracy: float


def look(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64], epoch: int, train_loss: float
) -> Epoch:
    """How well ``probabilities`` ``(patient, class)`` fit the validation fold's ``targets``."""
    return Epoch(
        epoch, train_loss, _mean_loss(targets, probabilities), _mean_recall(targets, probabilities)
    )


def better(new: Epoch, old: Epoch, select: str) -> bool:
    """Whether ``new`` is strictly preferred; of equals the earlier stays."""
    if select == "loss":
        return new.validation_loss < old.validation_loss
    return (-new.validation_balanced_accuracy, new.validation_loss) < (
        -old.validation_balanced_accuracy,
        old.validation_loss,
    )


def _mean_loss(targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    kept = np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)
    kept /= kept.sum(axis=1, keepdims=True)
    return float(log_loss(targets, kept, labels=range(kept.shape[1])))


def _mean_recall(targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Over the classes that the fold holds."""
    chosen = probabilities.argmax(axis=1)
    return float(recall_score(targets, chosen, labels=np.unique(targets), average="macro"))
