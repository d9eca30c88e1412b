"""Split-conformal prediction: sets of classes that miss the truth at a chosen rate at most.

A class is in a patient's set if it is no stranger there than the true classes of validation
patients were: its score 1 - p is at most the ceil((n + 1) (1 - rate))-th smallest of theirs
(Sadinle, Lei & Wasserman 2019; Vovk, Gammerman & Shafer 2005 for the thresholds by class). Too few
validation patients for that rank let everything in. A set may be empty: every class is stranger
than the rate allows.

The guarantee is for validation and test patients that are exchangeable under one and the same
model. Validation patients were seen by an inner model each and test patients by the mean of
several, so here it holds as far as these behave alike, and the measured coverage has the last word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from cystgrid.cohort.classes import BETWEEN_CLASSES
from cystgrid.evaluation.metrics.answers import Codes
from cystgrid.evaluation.metrics.ranking import Probabilities
from cystgrid.evaluation.predictions import Predictions
from cystgrid.evaluation.validation import FoldKey, FoldValidation

VARIANTS = ("set", "set_by_class")
"""Columns of conformal.csv: one threshold a fold, and one a fold and class."""


def threshold(scores: NDArray[np.float64], error_rate: float) -> float:
    """The finite-sample quantile; infinite where there are too few scores."""
    exact = (scores.size + 1) * (1 - Fraction(str(error_rate)))  # 0.1 is meant as a tenth
    rank = math.ceil(exact)
    return float(np.sort(scores)[rank - 1]) if rank <= scores.size else math.inf


def thresholds(
    truth: Codes, probabilities: Probabilities, error_rate: float, *, by_class: bool
) -> NDArray[np.float64]:
    """The highest score that each class may have to be in a set, ``(classes,)``.

    Args:
        truth: of the validation patients, ``(patients,)``.
        probabilities: theirs, ``(patients, classes)``.
        error_rate: share of sets that may miss the truth.
        by_class: from the class's own patients, so that the rate holds for every true class.
    """
    scores = 1.0 - probabilities[np.arange(truth.size), truth]
    classes = probabilities.shape[1]
    if not by_class:
        return np.full(classes, threshold(scores, error_rate))
    return np.array([threshold(scores[truth == code], error_rate) for code in range(classes)])


def conformal_sets(
    predictions: Predictions, validation: Mapping[FoldKey, FoldValidation], error_rate: float
) -> pd.DataFrame:
    """The sets of every test patient whose fold has validation patients.

    Returns:
        ``model,inputs,patient,label,set,set_by_class,outer_fold,repeat``; a set is class names in
        the classes' order with ``|`` between, ``low|high``; empty if no class is in it.
    """
    parts = []
    for key, rows in predictions.frame.groupby(["model", "inputs", "outer_fold"], sort=False):
        model, inputs, fold = map(str, key)
        found = validation.get((model, inputs, fold))
        if found is None:
            continue
        scores = 1.0 - predictions.probabilities(rows)
        part = rows[["model", "inputs", "patient", "label"]].copy()
        for variant in VARIANTS:
            limits = thresholds(
                found.truth,
                found.probabilities,
                error_rate,
                by_class=variant == "set_by_class",
            )
            part[variant] = _names(scores <= limits, predictions.classes)
        parts.append(part.assign(outer_fold=rows["outer_fold"], repeat=rows["repeat"]))
    columns = ["model", "inputs", "patient", "label", *VARIANTS, "outer_fold", "repeat"]
    return pd.concat(parts).sort_index() if parts else pd.DataFrame(columns=columns)


def exact_interval(hits: float, patients: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper & Pearson's interval (1934) of a share.

    Args:
        hits: may be a fraction, where a patient was asked in several repeats and counts once.
        patients: of whom ``hits``.
        level: the least share of such intervals that hold the true share.
    """
    tail = (1.0 - level) / 2.0
    low = float(beta.ppf(tail, hits, patients - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1.0 - tail, hits + 1, patients - hits)) if hits < patients else 1.0
    return low, high


def _names(inside: NDArray[np.bool_], classes: tuple[str, ...]) -> list[str]:
    return [
        BETWEEN_CLASSES.join(name for name, chosen in zip(classes, row, strict=True) if chosen)
        for row in inside
    ]
