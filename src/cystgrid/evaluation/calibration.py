"""Temperature scaling (Guo et al. 2017): one number a fold that makes probabilities honest.

Fitted on an outer fold's validation patients alone and applied to its test patients. It changes no
order of classes, so no answer. What it corrects is the inner models one by one; the answers for
test patients are means of several, which are less sure, so that a remainder may be left.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from cystgrid.evaluation.metrics.answers import Codes
from cystgrid.evaluation.metrics.probabilities import SMALLEST, log_loss
from cystgrid.evaluation.metrics.ranking import Probabilities
from cystgrid.evaluation.predictions import Predictions, probability_columns
from cystgrid.evaluation.validation import FoldKey, FoldValidation

HOTTEST = 20.0
"""Temperatures lie between its inverse and it: beyond, everything is a guess or a certainty."""


def scaled(probabilities: Probabilities, temperature: float) -> Probabilities:
    """``softmax(log p / T)``, ``(patients, classes)``."""
    scores = np.log(np.clip(probabilities, SMALLEST, 1.0)) / temperature
    scores -= scores.max(axis=1, keepdims=True)
    raised = np.exp(scores)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def fit_temperature(truth: Codes, probabilities: Probabilities) -> float:
    """The temperature of the least log loss; the loss has one minimum, since 1/T is convex in it.

    Args:
        truth: ``(patients,)``.
        probabilities: ``(patients, classes)``.
    """
    bound = float(np.log(HOTTEST))
    found = minimize_scalar(
        lambda log: log_loss(truth, scaled(probabilities, float(np.exp(log)))),
        bounds=(-bound, bound),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def calibrated(
    predictions: Predictions, validation: Mapping[FoldKey, FoldValidation]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predictions with every fold's temperature applied.

    Returns:
        ``(rows, temperatures)``: the rows of the predictions whose fold has validation patients,
        with the probabilities that follow (answers stay as they are); and one row a model, inputs
        and outer fold with its ``temperature`` and number of validation ``patients``.
    """
    columns = list(probability_columns(predictions.classes))
    parts, lines = [], []
    for key, rows in predictions.frame.groupby(["model", "inputs", "outer_fold"], sort=False):
        model, inputs, fold = map(str, key)
        found = validation.get((model, inputs, fold))
        if found is None:
            continue
        temperature = fit_temperature(found.truth, found.probabilities)
        rows = rows.copy()
        rows[columns] = scaled(predictions.probabilities(rows), temperature)
        parts.append(rows)
        lines.append(
            {
                "model": model,
                "inputs": inputs,
                "outer_fold": fold,
                "patients": found.truth.size,
                "temperature": temperature,
            }
        )
    frame = pd.concat(parts) if parts else predictions.frame[:0]
    return frame.sort_index(), pd.DataFrame(lines)
