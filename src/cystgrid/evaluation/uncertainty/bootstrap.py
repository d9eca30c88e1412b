"""The BCa bootstrap over patients, stratified by true class (Efron 1987; Efron & Tibshirani 1993).

A resample draws, within each true class, as many patients as the class has, with replacement, each
with all that was predicted for them. The interval tells how much the score would move with other
patients of the same kind. It does not contain what another training run would change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cystgrid.evaluation.uncertainty.pooled import (
    Pooled,
    Score,
    Values,
    Weights,
    balanced_accuracy,
    chunks,
    estimate,
    under_weights,
)

RESAMPLES = 2000
"""Enough for the 2.5 % tails of a 95 % interval (Efron & Tibshirani 1993, section 14.3)."""

SEED = 0
LEVEL = 0.95
MOST_UNDEFINED = 0.5
"""Share of resamples that may leave a score undefined before its interval is undefined too."""


@dataclass(frozen=True)
class Interval:
    """A score with its confidence interval; NaN limits where there is none."""

    estimate: float
    low: float
    high: float


def bootstrap_interval(
    found: Pooled,
    score: Score = balanced_accuracy,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """The interval of one score of the pooled out-of-fold predictions.

    Where every patient of every class is right (or wrong), no resample differs and the interval
    is a point: read it as "no error seen", not as certainty.

    Args:
        found: the predictions.
        score: of one repeat.
        level: share of such intervals that would hold the true value.
        resamples: number of bootstrap samples.
        seed: the same seed gives the same interval.
    """
    return bootstrap_intervals(found, [score], level=level, resamples=resamples, seed=seed)[0]


def bootstrap_intervals(
    found: Pooled,
    scores: Iterable[Score],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Interval]:
    """The intervals of several scores, all from the same resamples; see ``bootstrap_interval``."""
    scores = list(scores)
    draws = replicates(found, scores, resamples=resamples, seed=seed)
    left_out = jackknife(found, scores)
    intervals = []
    for score, drawn, left in zip(scores, draws, left_out, strict=True):
        value = estimate(found, score)
        limits = bca_limits(value, drawn, left, found.truth, level=level)
        intervals.append(Interval(value, *limits))
    return intervals


def replicates(
    found: Pooled, scores: Sequence[Score], *, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Values]:
    """Every score of every bootstrap sample, ``(resamples,)`` each."""
    generator = np.random.default_rng(seed)
    out = [np.empty(resamples) for _ in scores]
    for piece in chunks(resamples, found.truth.size):
        weights = resample(found.truth, piece.stop - piece.start, generator)
        for values, score in zip(out, scores, strict=True):
            values[piece] = under_weights(found, score, weights)
    return out


def resample(truth: NDArray[np.int64], resamples: int, generator: np.random.Generator) -> Weights:
    """How often each patient is drawn, ``(resamples, patients)``; each class keeps its number."""
    weights = np.zeros((resamples, truth.size))
    for code in np.unique(truth):
        members = np.flatnonzero(truth == code)
        share = np.full(members.size, 1.0 / members.size)
        weights[:, members] = generator.multinomial(members.size, share, size=resamples)
    return weights


def jackknife(found: Pooled, scores: Sequence[Score]) -> list[Values]:
    """Every score with each patient left out in turn, ``(patients,)`` each."""
    patients = found.truth.size
    out = [np.empty(patients) for _ in scores]
    for piece in chunks(patients, patients):
        weights = np.ones((piece.stop - piece.start, patients))
        weights[np.arange(len(weights)), np.arange(piece.start, piece.stop)] = 0.0
        for values, score in zip(out, scores, strict=True):
            values[piece] = under_weights(found, score, weights)
    return out


def bca_limits(
    value: float,
    draws: Values,
    left_out: Values,
    strata: NDArray[np.int64],
    *,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Bias-corrected and accelerated limits for several samples.

    The bias is the share of resamples below the estimate, half of those equal to it included; the
    acceleration follows from the jackknife within strata (Davison & Hinkley 1997, section 5.4).
    Where no resample lies on one side of the estimate, so that the bias has no finite value, the
    plain percentiles are taken.

    Args:
        value: the estimate.
        draws: of the resamples; undefined ones (NaN) are left out, up to half of them.
        left_out: of the jackknife, ``(patients,)``.
        strata: of each patient, ``(patients,)``.
        level: share of such intervals that would hold the true value.
    """
    defined = draws[~np.isnan(draws)]
    if np.isnan(value) or defined.size <= MOST_UNDEFINED * draws.size:
        return float("nan"), float("nan")
    tails = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    # a sum's last digits depend on its order: equal to within them is equal
    near = np.isclose(defined, value, rtol=1e-12, atol=1e-12)
    below = float(np.mean((defined < value) & ~near) + np.mean(near) / 2.0)
    if 0.0 < below < 1.0:
        bias = norm.ppf(below)
        shifted = bias + norm.ppf(tails)
        tails = norm.cdf(bias + shifted / (1.0 - acceleration(left_out, strata) * shifted))
    low, high = np.quantile(defined, tails)
    return float(low), float(high)


def acceleration(left_out: Values, strata: NDArray[np.int64]) -> float:
    """A sixth of the skewness of the estimate, from its jackknife values; 0 where none varies."""
    cubes = squares = 0.0
    for stratum in np.unique(strata):
        values = left_out[strata == stratum]
        values = values[~np.isnan(values)]
        if values.size > 1:
            influence = (values.size - 1) * (values.mean() - values) / values.size
            cubes += float((influence**3).sum())
            squares += float((influence**2).sum())
    return cubes / (6.0 * squares**1.5) if squares > 0 else 0.0
