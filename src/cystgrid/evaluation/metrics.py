"""The scores of one set of patients, on scikit-learn; what is undefined is NaN, never a guess.

Classes are given as positions ``0 .. classes-1`` in the predictions' class order. What happens
when a class is absent, as small folds have it:

- *precision*, *recall*: mean over the classes present in truth or prediction, a class never
  predicted (or never true) counting 0, as scikit-learn's ``average="macro"``;
- *balanced accuracy*: mean recall over the classes present in truth only;
- *AUC*: mean over the classes with both positives and negatives; NaN if there is none;
- *kappa*: NaN if truth and prediction are one and the same class throughout (0 / 0).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

Codes = NDArray[np.int64]
Probabilities = NDArray[np.float64]

METRICS = ("accuracy", "precision", "recall", "balanced_accuracy", "auc", "kappa")
"""In the order of the table; the first three are the paper's."""


def score(truth: Codes, predicted: Codes, probabilities: Probabilities) -> dict[str, float]:
    """All of ``METRICS``.

    Args:
        truth: ``(patients,)``.
        predicted: ``(patients,)``.
        probabilities: ``(patients, classes)``.

    Raises:
        ValueError: if there are no patients, or the shapes differ.
    """
    patients, classes = probabilities.shape
    if not patients or truth.shape != (patients,) or predicted.shape != (patients,):
        raise ValueError(
            f"truth {truth.shape}, predicted {predicted.shape}, probabilities "
            f"{probabilities.shape}; expected (patients,), (patients,), (patients, classes)"
        )
    return {
        "accuracy": accuracy(truth, predicted),
        "precision": precision(truth, predicted),
        "recall": recall(truth, predicted),
        "balanced_accuracy": balanced_accuracy(truth, predicted),
        "auc": auc(truth, probabilities),
        "kappa": kappa(truth, predicted, classes),
    }


def accuracy(truth: Codes, predicted: Codes) -> float:
    """Share of patients whose predicted class is the true one."""
    return float(sklearn_metrics.accuracy_score(truth, predicted))


def precision(truth: Codes, predicted: Codes) -> float:
    """Macro precision, over the classes present in truth or prediction."""
    return float(
        sklearn_metrics.precision_score(truth, predicted, average="macro", zero_division=0.0)
    )


def recall(truth: Codes, predicted: Codes) -> float:
    """Macro recall, over the classes present in truth or prediction."""
    return float(sklearn_metrics.recall_score(truth, predicted, average="macro", zero_division=0.0))


def balanced_accuracy(truth: Codes, predicted: Codes) -> float:
    """Mean recall over the classes present in truth (Brodersen et al. 2010)."""
    present = np.unique(truth)
    return float(
        sklearn_metrics.recall_score(
            truth, predicted, labels=present, average="macro", zero_division=0.0
        )
    )


def auc(truth: Codes, probabilities: Probabilities) -> float:
    """Macro one-vs-rest area under the ROC curve; ties count half.

    Each class against all others, by its own probability (Provost & Domingos 2000, unweighted);
    over the classes that have both positives and negatives here, NaN if none has.
    """
    areas = [
        sklearn_metrics.roc_auc_score(truth == code, probabilities[:, code])
        for code in range(probabilities.shape[1])
        if 0 < np.count_nonzero(truth == code) < truth.size
    ]
    return float(np.mean(areas)) if areas else math.nan


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


def confusion_matrix(truth: Codes, predicted: Codes, classes: int) -> NDArray[np.int64]:
    """Patients by true class (rows) and predicted class (columns), ``(classes, classes)``."""
    matrix = sklearn_metrics.confusion_matrix(truth, predicted, labels=np.arange(classes))
    return np.asarray(matrix, dtype=np.int64)
