"""Scores of the answers alone: which class was said for which, whatever the probabilities.

Classes are positions ``0 .. classes-1`` in the predictions' class order. What is undefined is NaN:

- of one class: *recall* where nobody is of it, *specificity* where everybody is, *precision* where
  nobody was said to be, *F1* where neither;
- *precision*, *recall*, *F1* over classes: mean over the classes present in truth or prediction, a
  class never predicted (or never true) counting 0, as scikit-learn's ``average="macro"`` and the
  paper have it; *specificity*: mean over the classes that somebody is not of;
- *balanced accuracy*: mean recall over the classes present in truth only;
- *MCC* and *kappa*: NaN where they are 0 / 0, that is where the truth or the answers are all of
  one class (MCC), or both are of one and the same (kappa);
- *likelihood ratios*: NaN where their parts are, and where they divide by 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

Codes = NDArray[np.int64]
Costs = NDArray[np.float64]
"""``(classes, classes)``: what it costs to answer a column for a patient of a row."""


def accuracy(truth: Codes, predicted: Codes) -> float:
    """Share of patients whose predicted class is the true one."""
    return float(sklearn_metrics.accuracy_score(truth, predicted))


def precision_recall_f1(truth: Codes, predicted: Codes) -> tuple[float, float, float]:
    """Macro precision, recall and F1, over the classes present in truth or prediction."""
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        truth, predicted, average="macro", zero_division=0.0
    )
    return float(precision), float(recall), float(f1)


def balanced_accuracy(truth: Codes, predicted: Codes) -> float:
    """Mean recall over the classes present in truth (Brodersen et al. 2010)."""
    present = np.unique(truth)
    return float(
        sklearn_metrics.recall_score(
            truth, predicted, labels=present, average="macro", zero_division=0.0
        )
    )


def mcc(truth: Codes, predicted: Codes) -> float:
    """Matthews' correlation of truth and answers for any number of classes (Gorodkin 2004)."""
    if np.unique(truth).size < 2 or np.unique(predicted).size < 2:
        return math.nan  # a constant correlates with nothing; scikit-learn would say 0
    return float(sklearn_metrics.matthews_corrcoef(truth, predicted))


def kappa(truth: Codes, predicted: Codes, classes: int) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968): far misses weigh more than near ones.

    The classes are taken as equally spaced grades in their order, those absent here included.
    """
    if truth.min() == truth.max() == predicted.min() == predicted.max():
        return math.nan  # agreement by chance is already complete
    return float(
        sklearn_metrics.cohen_kappa_score(
            truth, predicted, labels=np.arange(classes), weights="quadratic"
        )
    )


def expected_cost(truth: Codes, predicted: Codes, costs: Costs) -> float:
    """Mean over patients of what their answer costs."""
    return float(costs[truth, predicted].mean())


def class_recall(truth: Codes, predicted: Codes, code: int) -> float:
    """Sensitivity: share of the class's patients that were said to be of it."""
    return _share(predicted[truth == code] == code)


def class_precision(truth: Codes, predicted: Codes, code: int) -> float:
    """Share of those said to be of the class who are."""
    return _share(truth[predicted == code] == code)


def class_specificity(truth: Codes, predicted: Codes, code: int) -> float:
    """Share of the other classes' patients that were not said to be of the class."""
    return _share(predicted[truth != code] != code)


def class_f1(truth: Codes, predicted: Codes, code: int) -> float:
    """Harmonic mean of precision and recall of the class; 0 where nobody was found."""
    true, said = truth == code, predicted == code
    return _ratio(2.0 * float((true & said).sum()), float(true.sum() + said.sum()))


def positive_likelihood_ratio(truth: Codes, predicted: Codes, code: int) -> float:
    """How much oftener the answer is given to patients of the class than to others."""
    return _ratio(
        class_recall(truth, predicted, code), 1.0 - class_specificity(truth, predicted, code)
    )


def negative_likelihood_ratio(truth: Codes, predicted: Codes, code: int) -> float:
    """How much oftener another answer is given to patients of the class than to others."""
    return _ratio(
        1.0 - class_recall(truth, predicted, code), class_specificity(truth, predicted, code)
    )


def confusion_matrix(truth: Codes, predicted: Codes, classes: int) -> NDArray[np.int64]:
    """Patients by true class (rows) and predicted class (columns), ``(classes, classes)``."""
    matrix = sklearn_metrics.confusion_matrix(truth, predicted, labels=np.arange(classes))
    return np.asarray(matrix, dtype=np.int64)


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if hits.size else math.nan


def _ratio(over: float, under: float) -> float:
    return over / under if under > 0 else math.nan  # NaN is not above 0 either
