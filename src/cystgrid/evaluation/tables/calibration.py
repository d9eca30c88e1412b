"""How honest the probabilities are before and after temperature scaling."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.probabilities import (
    brier,
    classwise_calibration_error,
    confidence_calibration_error,
    log_loss,
)
from cystgrid.evaluation.rendering import Cell, Column, TableFile, figure, printed
from cystgrid.provenance import NOTICE

SCORES = {
    "log_loss": ("Log loss", log_loss),
    "brier": ("Brier", brier),
    "classwise_calibration_error": ("Class-wise error", classwise_calibration_error),
    "confidence_calibration_error": ("Confidence error", confidence_calibration_error),
}

TEMPERATURES = ["temperature_mean", "temperature_low", "temperature_high"]


def calibration_table(
    evaluation: Evaluation, after: pd.DataFrame, temperatures: pd.DataFrame
) -> TableFile:
    """One row a method that has validation predictions.

    Args:
        evaluation: of the predictions as they are.
        after: the calibrated rows, as ``calibration.calibrated`` gives them.
        temperatures: of every fold, from there too.
    """
    data = pd.DataFrame(
        [
            _line(evaluation, method.name, rows, temperatures.query("model == @m and inputs == @i"))
            for method in evaluation.methods
            for m, i in [(method.model, method.inputs)]
            if len(rows := after.query("model == @m and inputs == @i"))
        ]
    )
    columns: dict[str, Column] = {
        "Temperature": [
            Cell(figure(mean), f"[{figure(low)}, {figure(high)}]")
            for mean, low, high in data[TEMPERATURES].itertuples(index=False, name=None)
        ]
    }
    for score, (heading, _) in SCORES.items():
        before, later = data[f"{score}_before"], data[f"{score}_after"]
        columns[f"{heading} before"] = _lower(before, later)
        columns[f"{heading} after"] = _lower(later, before)
    caption = [
        "Temperature scaling: one temperature for each outer fold, the one of least log loss on "
        "that fold's inner validation patients, applied to its test patients; mean [lowest, "
        "highest] over folds; above 1, the model was too sure",
        "Scores of all out-of-fold predictions together, before and after; lower is better, the "
        "lower of each two in bold",
        "No answer changes. Validation patients were seen by one inner model each, test patients "
        "by the mean of several, so some miscalibration may be left",
        NOTICE,
    ]
    return TableFile("calibration", data, printed({"Method": data["method"]}, columns, caption))


def _lower(own: pd.Series[float], other: pd.Series[float]) -> Column:
    return [
        Cell(figure(a), best=float(figure(a)) < float(figure(b)))
        for a, b in zip(own, other, strict=True)
    ]


def _line(
    evaluation: Evaluation, method: str, after: pd.DataFrame, temperatures: pd.DataFrame
) -> dict[str, object]:
    values = temperatures["temperature"].to_numpy(dtype=np.float64)
    before = evaluation.predictions.frame.loc[after.index]
    line: dict[str, object] = {
        "method": method,
        "patients": after["patient"].nunique(),
        "folds": len(values),
        "temperature_mean": float(values.mean()),
        "temperature_low": float(values.min()),
        "temperature_high": float(values.max()),
    }
    for score, (_, function) in SCORES.items():
        for name, rows in (("before", before), ("after", after)):
            repeats = [evaluation.arrays(part) for _, part in rows.groupby("repeat", sort=True)]
            line[f"{score}_{name}"] = float(np.mean([function(t, p) for t, _, p in repeats]))
    return line


def without_validation(evaluation: Evaluation, after: pd.DataFrame) -> list[str]:
    """Names the methods that cannot be calibrated."""
    known = set(zip(after["model"], after["inputs"], strict=True))
    missing = [m.name for m in evaluation.methods if (m.model, m.inputs) not in known]
    return [
        f"{name} has no validation predictions: not calibrated, no prediction sets."
        for name in missing
    ]
