"""All scores of one set of patients, over classes and class by class, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sklearn

from cystgrid.evaluation.metrics import answers, decisions, probabilities, ranking
from cystgrid.evaluation.metrics.answers import Codes, Costs
from cystgrid.evaluation.metrics.ranking import SPECIFICITY, Probabilities

METRICS = ("accuracy", "precision", "recall", "balanced_accuracy", "auc", "kappa")
"""Of Table I, in its order; the first three are the paper's."""

ALL_METRICS = (
    *METRICS, "specificity", "f1", "average_precision", "mcc", "expected_cost", "brier",
    "log_loss", "classwise_calibration_error", "confidence_calibration_error",
    "sensitivity_at_specificity",
)  # fmt: skip

CLASS_METRICS = (
    "recall", "precision", "specificity", "f1", "auc", "average_precision", "calibration_error",
    "sensitivity_at_specificity", "positive_likelihood_ratio", "negative_likelihood_ratio",
    *(f"net_benefit_at_{threshold}" for threshold in decisions.TOLD_THRESHOLDS),
)  # fmt: skip

MEANS_OVER_CLASSES = ("auc", "average_precision", "specificity", "sensitivity_at_specificity")
"""Of the classes of which they are defined; precision, recall and F1 follow scikit-learn's rule."""

LOWER_IS_BETTER = frozenset(
    (
        "expected_cost", "brier", "log_loss", "classwise_calibration_error",
        "confidence_calibration_error", "calibration_error", "negative_likelihood_ratio",
    )
)  # fmt: skip


def ordinal_costs(classes: int) -> Costs:
    """Costs where a user gives none: how many grades an answer is off, ``(classes, classes)``."""
    grades = np.arange(classes, dtype=np.float64)
    return np.abs(grades[:, None] - grades)


@dataclass(frozen=True)
class Scores:
    """What some patients' predictions are worth.

    Attributes:
        overall: each of ``ALL_METRICS``.
        by_class: for each class in order, each of ``CLASS_METRICS``, against all others.
    """

    overall: dict[str, float]
    by_class: tuple[dict[str, float], ...]


def score(
    truth: Codes,
    predicted: Codes,
    values: Probabilities,
    *,
    costs: Costs | None = None,
    specificity: float = SPECIFICITY,
) -> Scores:
    """All of ``ALL_METRICS``, and of ``CLASS_METRICS`` for every class.

    Args:
        truth: ``(patients,)``.
        predicted: ``(patients,)``.
        values: probabilities, ``(patients, classes)``.
        costs: of answering a column for a row; None for how many grades it is off.
        specificity: at which sensitivity is told.

    Raises:
        ValueError: if there are no patients, or the shapes differ.
    """
    _check_shapes(truth, predicted, values)
    classes = values.shape[1]
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        by_class = tuple(
            _class_score(truth, predicted, values[:, code], code, specificity)
            for code in range(classes)
        )
        overall = _overall(truth, predicted, values, by_class)
    overall["expected_cost"] = answers.expected_cost(
        truth, predicted, ordinal_costs(classes) if costs is None else costs
    )
    return Scores({name: overall[name] for name in ALL_METRICS}, by_class)


def _overall(
    truth: Codes,
    predicted: Codes,
    values: Probabilities,
    by_class: Sequence[dict[str, float]],
) -> dict[str, float]:
    """All but the cost; means over classes are taken of the classes' own scores."""
    precision, recall, f1 = answers.precision_recall_f1(truth, predicted)
    return {
        "accuracy": answers.accuracy(truth, predicted),
        "precision": precision,
        "recall": recall,
        "balanced_accuracy": answers.balanced_accuracy(truth, predicted),
        "kappa": answers.kappa(truth, predicted, values.shape[1]),
        "f1": f1,
        "mcc": answers.mcc(truth, predicted),
        "brier": probabilities.brier(truth, values),
        "log_loss": probabilities.log_loss(truth, values),
        "confidence_calibration_error": probabilities.confidence_calibration_error(truth, values),
        "classwise_calibration_error": _mean_over_classes(by_class, "calibration_error"),
        **{name: _mean_over_classes(by_class, name) for name in MEANS_OVER_CLASSES},
    }


def _mean_over_classes(by_class: Sequence[dict[str, float]], name: str) -> float:
    """Over the classes of which the score is defined; NaN if it is of none."""
    defined = [scores[name] for scores in by_class if not math.isnan(scores[name])]
    return float(np.mean(defined)) if defined else math.nan


def _class_score(
    truth: Codes, predicted: Codes, own: Probabilities, code: int, specificity: float
) -> dict[str, float]:
    positive = truth == code
    thresholds = np.array(decisions.TOLD_THRESHOLDS)
    benefits = decisions.net_benefit(positive, own, thresholds)
    curve = ranking.roc(positive, own)
    return {
        "recall": answers.class_recall(truth, predicted, code),
        "precision": answers.class_precision(truth, predicted, code),
        "specificity": answers.class_specificity(truth, predicted, code),
        "f1": answers.class_f1(truth, predicted, code),
        "auc": ranking.class_auc(curve),
        "average_precision": ranking.class_average_precision(positive, own),
        "calibration_error": probabilities.class_calibration_error(positive, own),
        "sensitivity_at_specificity": ranking.class_sensitivity_at_specificity(curve, specificity),
        "positive_likelihood_ratio": answers.positive_likelihood_ratio(truth, predicted, code),
        "negative_likelihood_ratio": answers.negative_likelihood_ratio(truth, predicted, code),
        **{
            f"net_benefit_at_{threshold}": float(benefit)
            for threshold, benefit in zip(decisions.TOLD_THRESHOLDS, benefits, strict=True)
        },
    }


def _check_shapes(truth: Codes, predicted: Codes, values: Probabilities) -> None:
    patients = values.shape[0]
    if not patients or truth.shape != (patients,) or predicted.shape != (patients,):
        raise ValueError(
            f"truth {truth.shape}, predicted {predicted.shape}, probabilities "
            f"{values.shape}; expected (patients,), (patients,), (patients, classes)"
        )
