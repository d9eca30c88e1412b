"""patients.csv: centre, sex, age and modalities of the patients, for the table of groups."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cystgrid.cohort.cells import text_fault
from cystgrid.evaluation.checking import Faults, PredictionsError, number
from cystgrid.evaluation.predictions import Predictions
from cystgrid.evaluation.rows import read_rows

UNKNOWN = "unknown"
OLDEST = 130.0
AGE_PARTS = 3
GROUPINGS = {"center": "Centre", "sex": "Sex", "age": "Age", "modalities": "Modalities"}
"""Columns of patients.csv, in the order of the table, and what a reader calls them."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Who belongs together.

    Attributes:
        frame: index patient; a column of names of groups for each grouping that is known.
    """

    frame: pd.DataFrame


def groups_of(
    predictions: Predictions, path: Path | None, age_bands: Sequence[float] = ()
) -> Groups:
    """The groups of every predicted patient: from patients.csv, or the predictions' own centres.

    Args:
        predictions: whose patients.
        path: of patients.csv; None if there is none.
        age_bands: ages at which a new band begins; empty for terciles.

    Raises:
        PredictionsError: with all faults of the file.
    """
    known = predictions.frame.drop_duplicates("patient").set_index("patient")
    frame = pd.DataFrame(index=known.index)
    if path is None:
        frame["center"] = known["center"].replace("", UNKNOWN)
        return Groups(_informative(frame))
    read = read_patients(path).reindex(known.index).fillna("")
    for name in GROUPINGS:
        if name == "age" and name in read:
            frame[name] = _bands(read[name].map(number), age_bands)
        elif name in read:
            frame[name] = read[name].replace("", UNKNOWN)
    if "center" not in frame:
        frame.insert(0, "center", known["center"].replace("", UNKNOWN))
    return Groups(_informative(frame))


def _informative(frame: pd.DataFrame) -> pd.DataFrame:
    """A grouping that knows nobody is left out."""
    return frame[[name for name in frame if (frame[name] != UNKNOWN).any()]]


def read_patients(path: Path) -> pd.DataFrame:
    """Read patients.csv: index patient, the other columns as text.

    Raises:
        PredictionsError: with all faults of the file.
    """
    header, rows = read_rows(path, "a table of patients")
    if "patient" not in header:
        raise PredictionsError(
            f"{path}: header",
            got=", ".join(header),
            expected=f"patient and some of {', '.join(GROUPINGS)}",
            do="name the columns so",
        )
    faults = Faults(path)
    seen: dict[str, int] = {}
    for line, row in rows:
        if (first := seen.setdefault(row["patient"], line)) != line:
            faults.add(line, f"patient {row['patient']!r} stands on line {first} already")
        for name in ("patient", "center", "sex", "modalities"):
            if fault := text_fault(row.get(name, "")):
                faults.add(line, f"{name} {row[name]!a} {fault.partition(';')[0]}")
        age = row.get("age", "")
        if age and not 0.0 <= number(age) <= OLDEST:
            faults.add(line, f"age is {age!r}, not a number of years")
    faults.raise_if_any()
    return pd.DataFrame([row for _, row in rows], columns=header).set_index("patient")


def _bands(ages: pd.Series[float], begins: Sequence[float]) -> pd.Series[str]:
    """``<60``, ``60-69``, ``>=70``; terciles of the patients if no ages are given."""
    if not begins:
        known = np.sort(ages.dropna().to_numpy(dtype=np.float64))
        cuts = range(1, AGE_PARTS) if known.size else ()
        parts = [float(known[known.size * part // AGE_PARTS]) for part in cuts]
        begins = sorted({age for age in parts if age > known[0]})
    if not len(begins):
        return ages.map(lambda age: UNKNOWN if np.isnan(age) else "all ages")
    edges = [f"{age:g}" for age in begins]
    names = [f"< {edges[0]}"]
    names += [f"{low} to < {high}" for low, high in itertools.pairwise(edges)]
    names.append(f">= {edges[-1]}")
    band = np.searchsorted(np.asarray(begins), ages.to_numpy(dtype=np.float64), side="right")
    return pd.Series(
        [UNKNOWN if np.isnan(age) else names[b] for age, b in zip(ages, band, strict=True)],
        index=ages.index,
    )
