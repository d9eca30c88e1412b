"""What an inner training is chosen by: how it does on its own validation fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def perfect_look(targets: NDArray[np.int64], classes: int) -> Epoch:
    """Every patient right, and all probability on the right class: no look is better than this.

    Balanced accuracy is at most 1. The loss is at least what these probabilities give after they
    are kept from 0, since that, a sum and a logarithm are monotone in floating point too. So once a
    look is as good, the selection of its training cannot change.
    """
    return look(targets, np.eye(classes)[targets], 0, float("nan"))


def better(new: Epoch, old: Epoch, select: str) -> bool:
    """Whether ``new`` is strictly preferred; of equals the earlier stays."""
    if select == "loss":
        return new.validation_loss < old.validation_loss
    return (-new.validation_balanced_accuracy, new.validation_loss) < (
        -old.validation_balanced_accuracy,
        old.validation_loss,
    )


def _mean_loss(targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    from sklearn.metrics import log_loss  # a second to import, and an answer needs none of it

    kept = np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)
    kept /= kept.sum(axis=1, keepdims=True)
    return float(log_loss(targets, kept, labels=range(kept.shape[1])))


def _mean_recall(targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Over the classes that the fold holds."""
    from sklearn.metrics import recall_score

    chosen = probabilities.argmax(axis=1)
    return float(recall_score(targets, chosen, labels=np.unique(targets), average="macro"))
