"""Whether two methods differ, on the same patients and the same folds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from scipy.stats import t as student

from cystgrid.evaluation.uncertainty.bootstrap import LEVEL, Interval, bca_limits
from cystgrid.evaluation.uncertainty.pooled import Values

SAME = 1e-12
"""Differences nearer than this are rounding."""


def corrected_t_test(differences: Sequence[float] | Values, test_to_train: float) -> float:
    """Two-sided p-value of the corrected resampled t-test (Nadeau & Bengio 2003).

    The trainings of cross-validation share patients, so the folds' differences vary less than
    those of independent trainings: the variance of their mean is (1/k + test/train) times the
    sample variance instead of 1/k times. Repeated k-fold gives k times the repeats differences
    (Bouckaert & Frank 2004).

    Args:
        differences: of the two methods' scores, one a fold, all repeats together.
        test_to_train: patients of a test fold over those that its models trained on; 0 gives the
            naive paired t-test.

    Returns:
        NaN for fewer than two differences, and where all are the same but not 0, so that there is
        no variance to judge by; 1 where all are 0.
    """
    values = np.sort(np.asarray(differences, dtype=np.float64))  # no order changes a digit
    count = values.size
    if count < 2 or np.isnan(values).any():
        return math.nan
    if np.ptp(values) <= SAME * max(1.0, float(np.abs(values).max())):
        return 1.0 if abs(values[0]) <= SAME else math.nan
    error = math.sqrt((1.0 / count + test_to_train) * float(values.var(ddof=1)))
    return float(2.0 * student.sf(abs(values.mean()) / error, count - 1))


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """Two-sided mid-p value of McNemar's test (Fagerland, Lydersen & Laake 2013).

    The exact binomial p-value less half the chance of what was seen: the exact one is too careful,
    the mid-p one keeps its size in nearly all tables. 1 where the two are right and wrong alike.

    Args:
        first_right: whether the first method's answer is right, ``(patients,)``.
        second_right: the same of the second's, same patients.
    """
    first = int(np.count_nonzero(first_right & ~second_right))
    second = int(np.count_nonzero(second_right & ~first_right))
    if first == second:
        return 1.0  # the formula below would count the middle twice
    fewer, both = min(first, second), first + second
    return float(2.0 * binom.cdf(fewer, both, 0.5) - binom.pmf(fewer, both, 0.5))


def difference_interval(
    estimates: tuple[float, float],
    draws: tuple[Values, Values],
    left_out: tuple[Values, Values],
    strata: NDArray[np.int64],
    *,
    level: float = LEVEL,
) -> Interval:
    """The BCa interval of a difference, from resamples that drew the same patients for both.

    Args:
        estimates: of the two methods.
        draws: of their bootstrap samples, paired, ``(resamples,)`` each.
        left_out: of their jackknives, paired, ``(patients,)`` each.
        strata: of each patient.
        level: share of such intervals that would hold the true difference.
    """
    value = estimates[0] - estimates[1]
    limits = bca_limits(value, draws[0] - draws[1], left_out[0] - left_out[1], strata, level=level)
    return Interval(value, *limits)


def holm(p_values: Sequence[float] | Values) -> Values:
    """Holm's correction (1979): p-values that hold for all comparisons of a table together.

    Undefined ones (NaN) stay so and are not counted as comparisons.
    """
    values = np.asarray(p_values, dtype=np.float64)
    out = np.full(values.shape, math.nan)
    defined = np.flatnonzero(~np.isnan(values))
    order = defined[np.argsort(values[defined], kind="stable")]
    raised = values[order] * np.arange(order.size, 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return out
