"""A method's out-of-fold predictions of all folds together, and its scores under weights.

A weight says how often a patient was drawn, so one matrix of weights is thousands of bootstrap
samples, or the jackknife's, and a score of all of them is a few sums and products. Where the
cross-validation was repeated, each repeat is scored alone and the mean is taken: a patient's
answers of all repeats go together, and nobody counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cystgrid.evaluation.predictions import Method, Predictions

Weights = NDArray[np.float64]
Values = NDArray[np.float64]

CELLS_AT_ONCE = 1 << 20
"""8 MB of weights: what a score makes of them stays in a processor's cache and in any memory."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """The predictions of some patients by one method.

    Attributes:
        patients: names, ``(patients,)``.
        truth: class positions, ``(patients,)``.
        predicted: class positions, -1 where a repeat has no answer, ``(repeats, patients)``.
        probabilities: NaN where a repeat has none, ``(repeats, patients, classes)``.
    """

    patients: NDArray[np.str_]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.probabilities.shape[-1])

    def take(self, chosen: NDArray[np.int64]) -> Pooled:
        """Some of the patients, by position, in that order."""
        return Pooled(
            self.patients[chosen],
            self.truth[chosen],
            self.predicted[:, chosen],
            self.probabilities[:, chosen],
        )

    def content(self) -> list[NDArray[np.float64]]:
        """Columns that say all of a patient but the name, least weighty first (``np.lexsort``)."""
        values = self.probabilities.transpose(0, 2, 1).reshape(-1, self.truth.size)
        return [*np.nan_to_num(values, nan=-1.0), *self.predicted.astype(np.float64), self.truth]

    def mean_answer(self) -> NDArray[np.int64]:
        """One answer a patient: the given one, or the most probable by the mean over repeats."""
        if len(self.predicted) == 1:
            return np.asarray(self.predicted[0])
        return np.asarray(np.nanmean(self.probabilities, axis=0).argmax(axis=1), dtype=np.int64)


def pooled(predictions: Predictions, method: Method) -> Pooled:
    """A method's predictions, patients sorted by what was predicted for them.

    The order is that of the content and not of the names, so that neither names nor order of
    patients can change which of them a seed draws: patients alike in all are exchangeable.
    """
    rows = method.rows
    patients, position = np.unique(rows["patient"].to_numpy(dtype=np.str_), return_inverse=True)
    repeats, repeat = np.unique(rows["repeat"].to_numpy(), return_inverse=True)
    classes = len(predictions.classes)
    truth = np.zeros(len(patients), dtype=np.int64)
    truth[position] = predictions.codes(rows["label"])
    predicted = np.full((len(repeats), len(patients)), -1, dtype=np.int64)
    predicted[repeat, position] = predictions.codes(rows["predicted"])
    probabilities = np.full((len(repeats), len(patients), classes), np.nan)
    probabilities[repeat, position] = predictions.probabilities(rows)
    found = Pooled(patients, truth, predicted, probabilities)
    return found.take(np.lexsort(found.content()))


Score = Callable[[Pooled, int, Weights], Values]
"""A score of one repeat: ``(pooled, repeat, weights (draws, patients)) -> (draws,)``."""


def under_weights(found: Pooled, score: Score, weights: Weights) -> Values:
    """A score of the pooled predictions under each row of weights, mean over repeats.

    A repeat that leaves a score undefined leaves it undefined altogether.

    Args:
        found: the predictions.
        score: of one repeat.
        weights: ``(draws, patients)``.

    Returns:
        ``(draws,)``.
    """
    total = np.zeros(len(weights))
    for repeat in range(len(found.predicted)):
        total += score(found, repeat, weights)
    return np.asarray(total / len(found.predicted))


def estimate(found: Pooled, score: Score) -> float:
    """The score of the patients as they are."""
    return float(under_weights(found, score, np.ones((1, found.truth.size)))[0])


def accuracy(found: Pooled, repeat: int, weights: Weights) -> Values:
    """Share of patients whose predicted class is the true one."""
    there = found.predicted[repeat] >= 0
    right = found.predicted[repeat] == found.truth
    return _ratio(weights @ right, weights @ there)


def balanced_accuracy(found: Pooled, repeat: int, weights: Weights) -> Values:
    """Mean recall over the classes that anybody with weight is of."""
    recalls = [recall_of(code)(found, repeat, weights) for code in range(found.classes)]
    with np.errstate(invalid="ignore"):
        defined = ~np.isnan(recalls)
        return _ratio(np.nansum(recalls, axis=0), defined.sum(axis=0))


def macro_auc(found: Pooled, repeat: int, weights: Weights) -> Values:
    """Mean one-vs-rest area over the classes with both positives and negatives; ties count half."""
    areas = np.array([auc_of(code)(found, repeat, weights) for code in range(found.classes)])
    return _ratio(np.nansum(areas, axis=0), (~np.isnan(areas)).sum(axis=0))


def recall_of(code: int) -> Score:
    """Sensitivity of a class."""
    return _rate(lambda truth, said: (truth == code, said == code))


def specificity_of(code: int) -> Score:
    """Specificity of a class."""
    return _rate(lambda truth, said: (truth != code, said != code))


def precision_of(code: int) -> Score:
    """Precision of a class."""
    return _rate(lambda truth, said: (said == code, truth == code))


def f1_of(code: int) -> Score:
    """F1 of a class: twice the hits over all that are or were said to be of it."""

    def score(found: Pooled, repeat: int, weights: Weights) -> Values:
        said = found.predicted[repeat]
        true = (found.truth == code) & (said >= 0)
        both = weights @ (true & (said == code))
        return _ratio(2.0 * both, weights @ true + weights @ (said == code))

    return score


def auc_of(code: int) -> Score:
    """Area under the ROC curve of a class against all others; ties count half."""

    def score(found: Pooled, repeat: int, weights: Weights) -> Values:
        order, last = _descending(found, repeat, code)
        positive = found.truth[order] == code
        drawn = weights[:, order]
        above = np.cumsum(drawn * positive, axis=1)  # positives with at least as high a value
        through = above[:, last]
        before = np.diff(through, axis=1, prepend=0.0)
        negative = np.diff(np.cumsum(drawn * ~positive, axis=1)[:, last], axis=1, prepend=0.0)
        wins = ((through - before / 2.0) * negative).sum(axis=1)
        return _ratio(wins, through[:, -1] * negative.sum(axis=1))

    return score


def average_precision_of(code: int) -> Score:
    """Average precision of a class, tied values passing a threshold together."""

    def score(found: Pooled, repeat: int, weights: Weights) -> Values:
        order, last = _descending(found, repeat, code)
        drawn = weights[:, order]
        hits = np.cumsum(drawn * (found.truth[order] == code), axis=1)[:, last]
        called = np.cumsum(drawn, axis=1)[:, last]
        precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        steps = np.diff(hits, axis=1, prepend=0.0)
        judged = np.where(called[:, -1] > hits[:, -1], hits[:, -1], 0.0)  # needs negatives too
        return _ratio((steps * precision).sum(axis=1), judged)

    return score


def chunks(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a matrix in pieces of moderate size."""
    step = max(1, CELLS_AT_ONCE // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _descending(
    found: Pooled, repeat: int, code: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Patients by falling probability, and the last position of each run of equal ones."""
    values = found.probabilities[repeat, :, code]
    there = np.flatnonzero(found.predicted[repeat] >= 0)
    order = there[np.argsort(-values[there], kind="stable")]
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    return order, last


def _rate(flags: Callable[..., tuple[NDArray[np.bool_], NDArray[np.bool_]]]) -> Score:
    """Share of those with the first flag who have the second too."""

    def score(found: Pooled, repeat: int, weights: Weights) -> Values:
        said = found.predicted[repeat]
        of, hit = flags(found.truth, said)
        of = of & (said >= 0)
        return _ratio(weights @ (of & hit), weights @ of)

    return score


def _ratio(over: Values, under: Values) -> Values:
    """NaN where it would divide by 0."""
    undefined = np.full(np.shape(over), np.nan)
    return np.asarray(np.divide(over, under, out=undefined, where=under > 0))


SUMMARY: dict[str, Score] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auc": macro_auc,
}
"""The scores that are told with intervals, and compared between methods."""
