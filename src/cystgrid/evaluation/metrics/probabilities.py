"""Scores of the probabilities as probabilities: how near to the truth, and how honest.

All are defined for any patients, one or more, of any classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cystgrid.evaluation.metrics.answers import Codes
from cystgrid.evaluation.metrics.ranking import Flags, Probabilities

SMALLEST = float(np.finfo(np.float64).eps)
"""A probability counts at least so much in a logarithm, as in scikit-learn: a certain answer that
is wrong costs 36 nats, not infinitely many."""

MOST_BINS, PATIENTS_A_BIN = 10, 10
"""Bins of equal numbers of patients: ten, or fewer where they would hold fewer than ten."""


def brier(truth: Codes, probabilities: Probabilities) -> float:
    """Squared distance from the truth, summed over classes, mean over patients: 0 to 2.

    Brier (1950) in its own form; with two classes twice the form of one probability.
    """
    distance = probabilities - np.eye(probabilities.shape[1])[truth]
    return float((distance**2).sum(axis=1).mean())


def log_loss(truth: Codes, probabilities: Probabilities) -> float:
    """Mean negative natural logarithm of the true class's probability, at least ``SMALLEST``."""
    chosen = probabilities[np.arange(truth.size), truth]
    return float(-np.log(np.clip(chosen, SMALLEST, 1.0)).mean())


def classwise_calibration_error(truth: Codes, probabilities: Probabilities) -> float:
    """Mean over classes of ``class_calibration_error`` (Kull et al. 2019)."""
    errors = [
        class_calibration_error(truth == code, probabilities[:, code])
        for code in range(probabilities.shape[1])
    ]
    return float(np.mean(errors))


def confidence_calibration_error(truth: Codes, probabilities: Probabilities) -> float:
    """The same error of the highest probability as the chance that its class is right.

    Of several highest the first is taken (Guo et al. 2017, with bins of equal numbers).
    """
    right = probabilities.argmax(axis=1) == truth
    return class_calibration_error(right, probabilities.max(axis=1))


def class_calibration_error(positive: Flags, values: Probabilities) -> float:
    """How far a probability lies from the share it foretells: mean over bins, by their patients.

    Args:
        positive: what came true, ``(patients,)``.
        values: the probability that it would, ``(patients,)``.
    """
    inside = bins(values)
    gaps = np.bincount(inside, values) - np.bincount(inside, positive.astype(np.float64))
    # the number of a bin's patients cancels: (in bin / all) * |sum of gaps / in bin|
    return float(np.abs(gaps).sum() / values.size)


def bins(values: Probabilities, patients: int = PATIENTS_A_BIN) -> NDArray[np.int64]:
    """The bin of each value, ``(patients,)``: equal numbers of patients, equal values together.

    A value's bin follows from its mean rank among all, so that ties are never torn apart and the
    order of patients changes nothing.

    Args:
        values: ``(patients,)``.
        patients: the fewest that a bin is to hold.
    """
    count = max(1, min(MOST_BINS, values.size // patients))
    share = (rankdata(values, "average") - 0.5) / values.size
    return np.asarray(np.minimum(share * count, count - 1), dtype=np.int64)
