"""Scores of how the probabilities order the patients: one class against all others.

Equal probabilities are equal: a tie between a patient of the class and another counts half in the
area under the ROC curve, and all that are tied pass a threshold together in the other scores. A
class that nobody, or everybody, is of has no order to judge: NaN, and it is left out of the mean
over classes (one-vs-rest, unweighted; Provost & Domingos 2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

Probabilities = NDArray[np.float64]
Flags = NDArray[np.bool_]

SPECIFICITY = 0.9
"""At which sensitivity is told, unless the user says otherwise."""


@dataclass(frozen=True)
class Roc:
    """The points of a ROC curve, one a threshold, none left out.

    Attributes:
        false_alarms: share of the others that pass, ``(thresholds,)``.
        sensitivity: share of the class's patients that pass, ``(thresholds,)``.
        negatives: how many are not of the class.
    """

    false_alarms: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    negatives: int


def roc(positive: Flags, values: Probabilities) -> Roc | None:
    """The curve of a class; None if nobody, or everybody, is of it.

    Args:
        positive: who is of the class, ``(patients,)``.
        values: the class's probability, ``(patients,)``.
    """
    if not _judgeable(positive):
        return None
    false_alarms, sensitivity, _ = sklearn_metrics.roc_curve(
        positive, values, drop_intermediate=False
    )
    return Roc(false_alarms, sensitivity, int(np.count_nonzero(~positive)))


def class_auc(curve: Roc | None) -> float:
    """Chance that a patient of the class has a higher probability than another (ties half)."""
    if curve is None:
        return math.nan
    return float(sklearn_metrics.auc(curve.false_alarms, curve.sensitivity))


def class_average_precision(positive: Flags, values: Probabilities) -> float:
    """Mean of the precision over the steps of recall, without interpolation."""
    if not _judgeable(positive):
        return math.nan
    return float(sklearn_metrics.average_precision_score(positive, values))


def class_sensitivity_at_specificity(curve: Roc | None, specificity: float = SPECIFICITY) -> float:
    """The highest sensitivity of any threshold whose specificity is at least the given one.

    Thresholds are the probabilities that occur, and one above them all: "at least the threshold"
    is positive. Nothing is interpolated between two thresholds, since no threshold would give it.
    """
    if curve is None:
        return math.nan
    alarms = np.rint(curve.false_alarms * curve.negatives)
    return float(curve.sensitivity[alarms <= _allowed(curve.negatives, specificity)].max())


def _allowed(negatives: int, specificity: float) -> int:
    """False alarms that leave the specificity: 1 of 10 at 0.9, which 1 - 0.9 falls short of."""
    return math.floor(round(negatives * (1.0 - specificity), 9))


def _judgeable(positive: Flags) -> bool:
    return bool(0 < np.count_nonzero(positive) < positive.size)
