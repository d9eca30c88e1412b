"""How sure a pooled score is: the stratified bootstrap over patients (Efron & Tibshirani 1993).

A resample draws, within each true class, as many patients as the class has, with replacement. For
a score that depends on the confusion matrix alone, that is one multinomial draw from each of its
rows, so thousands of resamples take milliseconds, and neither the order of the patients nor their
names can change a number.

The interval tells how much the score would move with other patients of the same kind. It does not
contain what another training run would change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""Enough for the 2.5 % tails of a 95 % interval (Efron & Tibshirani 1993, section 13.3: 1000+)."""

SEED = 0
LEVEL = 0.95

Counts = NDArray[np.int64]
Statistic = Callable[[Counts], NDArray[np.float64]]
"""From confusion matrices ``(..., classes, classes)``, rows true, to one value each ``(...)``."""


@dataclass(frozen=True)
class Interval:
    """A score with its confidence interval."""

    estimate: float
    low: float
    high: float
    level: float
    resamples: int


def accuracy(confusion: Counts) -> NDArray[np.float64]:
    """Share of patients on the diagonal, ``(...)``."""
    right = np.trace(confusion, axis1=-2, axis2=-1)
    return np.asarray(right / confusion.sum(axis=(-2, -1)), dtype=np.float64)


def balanced_accuracy(confusion: Counts) -> NDArray[np.float64]:
    """Mean share on the diagonal over the rows that hold patients, ``(...)``."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    patients = confusion.sum(axis=-1)
    recalls = np.divide(right, patients, out=np.zeros(right.shape), where=patients > 0)
    return np.asarray(recalls.sum(axis=-1) / (patients > 0).sum(axis=-1), dtype=np.float64)


def resample(confusion: Counts, resamples: int = RESAMPLES, seed: int = SEED) -> Counts:
    """Confusion matrices of ``resamples`` bootstrap samples, stratified by true class.

    Args:
        confusion: ``(classes, classes)``, rows true.
        resamples: how many.
        seed: the same seed gives the same resamples.

    Returns:
        ``(resamples, classes, classes)``; each row sums to what it sums to in ``confusion``.
    """
    generator = np.random.default_rng(seed)
    drawn = np.zeros((resamples, *confusion.shape), dtype=np.int64)
    for code, row in enumerate(confusion):
        if patients := int(row.sum()):
            drawn[:, code] = generator.multinomial(patients, row / patients, size=resamples)
    return drawn


def bootstrap_interval(
    confusion: Counts,
    statistic: Statistic = balanced_accuracy,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """The bootstrap interval of a score of the pooled out-of-fold predictions.

    Where every patient of every class is right (or wrong), no resample differs and the interval
    is a point: read it as "no error seen", not as certainty.

    Args:
        confusion: ``(classes, classes)``, rows true; at least one patient.
        statistic: the score.
        level: share of such intervals that would hold the true value.
        resamples: number of bootstrap samples.
        seed: the same seed gives the same interval.
    """
    values = statistic(resample(confusion, resamples, seed))
    low, high = percentile_limits(values, level)
    return Interval(float(statistic(confusion)), low, high, level, resamples)


def percentile_limits(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """The percentile interval (Efron & Tibshirani 1993, section 13.3).

    Another interval from the same resamples, such as BCa (chapter 14), would take the place of
    this function.

    Args:
        values: the score of each resample, ``(resamples,)``.
        level: share of the values between the limits.
    """
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
