"""How often the prediction sets hold the truth, and how large they are."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cystgrid.cohort.classes import BETWEEN_CLASSES
from cystgrid.evaluation.conformal import VARIANTS, exact_interval
from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.rendering import (
    Column,
    TableFile,
    counts,
    plain,
    printed,
    with_limits,
)
from cystgrid.provenance import NOTICE

VARIANT_NAMES = dict(zip(VARIANTS, ("all", "by class"), strict=True))
EVERYBODY = "all"


def conformal_table(evaluation: Evaluation, sets: pd.DataFrame) -> TableFile:
    """One row a method, kind of threshold and true class (``all`` first).

    Args:
        evaluation: of the predictions that the sets are of.
        sets: as ``conformal.conformal_sets`` gives them.
    """
    data = pd.DataFrame(
        [
            line
            for method in evaluation.methods
            for m, i in [(method.model, method.inputs)]
            if len(rows := sets.query("model == @m and inputs == @i"))
            for line in _lines(evaluation, method.name, rows)
        ]
    )
    rate = evaluation.settings.error_rate
    columns: dict[str, Column] = {
        "Patients": counts(data["patients"]),
        "Coverage": with_limits(
            data["coverage"], data["coverage_low"], data["coverage_high"], best=None
        ),
        "Mean size": plain(data["mean_size"]),
        "Single": plain(data["single"]),
        "Empty": plain(data["empty"]),
    }
    caption = [
        f"Prediction sets at error rate {rate:g}: thresholds from each outer fold's inner "
        "validation patients, one for all classes or one for each",
        "Coverage: share of patients whose set holds the truth, with the exact binomial 95 % "
        f"interval; to be at least {1 - rate:g}. Single, empty: shares of sets of one class and of "
        "none",
        "Guaranteed, if validation and test patients are exchangeable under one model, is the mean "
        "coverage over patients (by class: of each true class); not that of a centre, of an "
        "answer, or of one patient. Validation patients were seen by one inner model each, test "
        "patients by the mean of several: the measured coverage has the last word",
        "Nothing is bold",
        NOTICE,
    ]
    stub = {
        "Method": data["method"], "Thresholds": data["thresholds"], "True class": data["class"],
    }  # fmt: skip
    return TableFile("conformal_coverage", data, printed(stub, columns, caption))


def _lines(evaluation: Evaluation, method: str, rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    for variant, thresholds in VARIANT_NAMES.items():
        for name in (EVERYBODY, *evaluation.classes):
            own = rows if name == EVERYBODY else rows[rows["label"] == name]
            if not own.empty:
                yield {
                    "method": method,
                    "thresholds": thresholds,
                    "class": name,
                    **_measured(own, variant),
                }


def _measured(rows: pd.DataFrame, variant: str) -> dict[str, object]:
    """Patients of several repeats count once: their mean over repeats, in the interval too."""
    chosen = [cell.split(BETWEEN_CLASSES) if cell else [] for cell in rows[variant]]
    per_row = pd.DataFrame(
        {
            "patient": rows["patient"].to_numpy(),
            "coverage": [float(t in names) for t, names in zip(rows["label"], chosen, strict=True)],
            "mean_size": [float(len(names)) for names in chosen],
            "single": [float(len(names) == 1) for names in chosen],
            "empty": [float(not names) for names in chosen],
        }
    )
    by_patient = per_row.groupby("patient").mean()
    means = by_patient.mean()
    low, high = exact_interval(float(by_patient["coverage"].sum()), len(by_patient))
    return {
        "patients": len(by_patient),
        "coverage": float(means["coverage"]),
        "coverage_low": low,
        "coverage_high": high,
        "mean_size": float(means["mean_size"]),
        "single": float(means["single"]),
        "empty": float(means["empty"]),
    }
