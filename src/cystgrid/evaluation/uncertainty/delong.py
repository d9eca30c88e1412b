"""DeLong's test of two areas under ROC curves on the same patients, macro one-vs-rest.

The area of a class is a mean over pairs of patients, so its error is a sum over patients (DeLong,
DeLong & Clarke-Pearson 1988). So is that of the mean over classes: a patient is a positive of its
own class and a negative of every other, and its parts are added before they are squared, which
takes in the covariance of the classes' areas. Patients count as drawn within their true class, as
in the bootstrap; with two classes this is DeLong's own variance.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from cystgrid.evaluation.uncertainty.paired import SAME
from cystgrid.evaluation.uncertainty.pooled import Pooled, Values


def delong(first: Pooled, second: Pooled) -> tuple[float, float]:
    """Two-sided p-value of equal macro AUC, and the standard error of the difference.

    Args:
        first: one method's predictions.
        second: the other's, of the same patients in the same order.

    Returns:
        ``(p, error)``; NaN where an area is undefined, where a class has one patient, and where
        there is no variance to judge by though the areas differ; 1 where they are the same.
    """
    area_first, parts_first = influences(first)
    area_second, parts_second = influences(second)
    difference = area_first - area_second
    variance = stratified_variance(parts_first - parts_second, first)
    if math.isnan(difference) or math.isnan(variance):
        return math.nan, math.nan
    if variance <= SAME**2:
        return (1.0 if abs(difference) <= SAME else math.nan), 0.0
    error = math.sqrt(variance)
    return float(2.0 * norm.sf(abs(difference) / error)), error


def influences(found: Pooled) -> tuple[float, Values]:
    """The macro AUC, mean over repeats, and each patient's part in its error, ``(patients,)``."""
    areas, parts = [], np.zeros(found.truth.size)
    for repeat in range(len(found.predicted)):
        there = np.flatnonzero(found.predicted[repeat] >= 0)
        area, own = _influences(found.truth[there], found.probabilities[repeat, there])
        areas.append(area)
        parts[there] += own / len(found.predicted)
    return float(np.mean(areas)), parts


def stratified_variance(parts: Values, found: Pooled) -> float:
    """The variance of a sum of parts of patients drawn within each true class."""
    variance = 0.0
    for code in np.unique(found.truth):
        own = parts[found.truth == code]
        if own.size < 2:
            return math.nan
        variance += own.size * float(own.var(ddof=1))
    return variance


def _influences(truth: NDArray[np.int64], probabilities: Values) -> tuple[float, Values]:
    areas, total = [], np.zeros(truth.size)
    for code in range(probabilities.shape[1]):
        positive = truth == code
        many, others = int(positive.sum()), int((~positive).sum())
        if not many or not others:
            continue
        placements = _placements(positive, probabilities[:, code])
        area = float(placements[positive].mean())
        total += (placements - area) / np.where(positive, many, others)
        areas.append(area)
    if not areas:
        return math.nan, np.full(truth.size, math.nan)
    return float(np.mean(areas)), total / len(areas)


def _placements(positive: NDArray[np.bool_], values: Values) -> Values:
    """Of each positive the share of negatives below it, of each negative that of positives above.

    Ties count half; both follow from ranks among all and among one's own kind.
    """
    among_all = rankdata(values)
    out = np.empty(values.size)
    many, others = int(positive.sum()), int((~positive).sum())
    out[positive] = (among_all[positive] - rankdata(values[positive])) / others
    out[~positive] = 1.0 - (among_all[~positive] - rankdata(values[~positive])) / many
    return out
