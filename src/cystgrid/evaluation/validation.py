"""validation.csv: what inner models said of their own validation patients; the stuff of fits.

Temperatures and conformal thresholds of an outer fold are fitted on these rows of that fold alone,
so that nothing about a test patient touches them. A patient whom several inner models validated
counts once, with the mean of their probabilities, as the models' answers for test patients are
averaged too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.evaluation.checking import (
    Faults,
    NumberedRow,
    PredictionsError,
    check_probabilities,
)
from cystgrid.evaluation.predictions import Predictions, probability_columns
from cystgrid.evaluation.rows import read_rows

VALIDATION_COLUMNS = ("model", "inputs", "outer_fold", "inner_fold", "patient", "label")
FoldKey = tuple[str, str, str]
"""Model, inputs and outer fold."""


@dataclass(frozen=True, eq=False)
class FoldValidation:
    """The validation patients of one outer fold.

    Attributes:
        truth: class positions, ``(patients,)``.
        probabilities: mean over the inner models that validated a patient, ``(patients, classes)``.
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def read_validation(path: Path, predictions: Predictions) -> dict[FoldKey, FoldValidation]:
    """Read and check validation predictions, by model, inputs and outer fold (as text).

    Args:
        path: a CSV file with ``VALIDATION_COLUMNS`` and the ``p_<class>`` of the predictions.
        predictions: what they will calibrate.

    Raises:
        PredictionsError: with all faults of the file; a patient of an outer fold's test part among
            its validation patients is one.
    """
    header, rows = read_rows(path, "inner validation predictions")
    columns = probability_columns(predictions.classes)
    missing = [name for name in (*VALIDATION_COLUMNS, *columns) if name not in header]
    if missing or not rows:
        raise PredictionsError(
            f"{path}: header",
            got=f"no column {missing[0]!r}" if missing else "no rows",
            expected=f"rows of {', '.join((*VALIDATION_COLUMNS, *columns))}",
            do="give the validation predictions of the same run",
        )
    faults = Faults(path)
    _check(rows, predictions, faults)
    faults.raise_if_any()
    frame = pd.DataFrame([row for _, row in rows])
    frame[list(columns)] = frame[list(columns)].astype(np.float64)
    return {
        (str(model), str(inputs), str(fold)): _averaged(part, predictions, columns)
        for (model, inputs, fold), part in frame.groupby(["model", "inputs", "outer_fold"])
    }


def _averaged(
    part: pd.DataFrame, predictions: Predictions, columns: Sequence[str]
) -> FoldValidation:
    """Sorted by patient and inner fold, so that the order of rows changes no digit."""
    part = part.sort_values(["patient", "inner_fold"], kind="stable")
    by_patient = part.groupby("patient", sort=True)
    means = by_patient[list(columns)].mean().to_numpy(dtype=np.float64)
    return FoldValidation(predictions.codes(by_patient["label"].first()), means)


def _check(rows: Sequence[NumberedRow], predictions: Predictions, faults: Faults) -> None:
    frame = predictions.frame
    labels = dict(zip(frame["patient"], frame["label"], strict=True))
    tested = {
        (str(model), str(inputs), str(fold), str(patient))
        for model, inputs, fold, patient in frame[
            ["model", "inputs", "outer_fold", "patient"]
        ].itertuples(index=False, name=None)
    }
    seen: dict[tuple[str, ...], int] = {}
    for line, row in rows:
        check_probabilities(line, row, predictions.classes, faults)
        key = tuple(row[name] for name in VALIDATION_COLUMNS[:5])
        if (first := seen.setdefault(key, line)) != line:
            faults.add(line, f"the same fold and patient {row['patient']!r} as line {first}")
        if row["label"] not in predictions.classes:
            faults.add(line, f"label {row['label']!r} is not among the predictions' classes")
        elif labels.get(row["patient"], row["label"]) != row["label"]:
            told = labels[row["patient"]]
            faults.add(line, f"patient {row['patient']!r} is {row['label']!r}, {told!r} elsewhere")
        if (row["model"], row["inputs"], row["outer_fold"], row["patient"]) in tested:
            faults.add(
                line,
                f"patient {row['patient']!r} is tested in outer fold {row['outer_fold']}, and may "
                "not be fitted on there",
            )
