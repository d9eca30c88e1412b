"""A table of features, one row a patient: radiomics, age, anything that was measured elsewhere.

Only the columns that the study lists are ever read, so that a label in the same file cannot enter.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from cystgrid.errors import CohortError, SettingsError
from cystgrid.provenance import sha256_file
from cystgrid.settings import Settings

KEY = "patient"
ANSWERS = ("label", "predicted")
"""Columns that no model may be given."""


class FeatureSettings(Settings):
    """A table of features.

    Attributes:
        file: a CSV file with a column ``patient``, each patient once; relative to the study file.
        columns: the features: numbers, empty where unknown. No other column is read.
    """

    file: str
    columns: tuple[str, ...] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _features_only(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        for name in columns:
            if name in (KEY, *ANSWERS):
                raise ValueError(f"columns of features; {name!r} is none")
        if len(set(columns)) < len(columns):
            raise ValueError("every column once")
        return columns

    def identity(self) -> dict[str, Any]:
        """The columns and the file, known by its bytes, as JSON."""
        path = Path(self.file)
        content = sha256_file(path) if path.is_file() else self.file
        return {"columns": list(self.columns), "sha256": content}

    def beside(self, folder: Path) -> FeatureSettings:
        """The same with a relative path taken from ``folder``."""
        placed = os.path.abspath(folder / self.file)  # noqa: PTH100 - keeps links
        return self.model_copy(update={"file": placed})


def read_features(settings: FeatureSettings, patients: Sequence[str]) -> pd.DataFrame:
    """The listed features of some patients.

    Args:
        settings: file and columns.
        patients: ids, in the order of the result.

    Returns:
        float64, one row a patient (its id is the index), the columns as listed; NaN where unknown.

    Raises:
        SettingsError: no such file or column.
        CohortError: a patient without a row or with two, or a value that is no finite number.
    """
    path = Path(settings.file)
    table = _read_columns(path, settings.columns)
    double = table.index[table.index.duplicated()]
    if len(double):
        raise CohortError(
            path, got=f"patient {double[0]!r} twice", expected="a row for each patient",
            do="leave one of the rows",
        )  # fmt: skip
    missing = [patient for patient in patients if patient not in table.index]
    if missing:
        raise CohortError(
            path,
            got=f"no row for {len(missing)} of {len(patients)} patients ({missing[0]}, ...)",
            expected="a row for each patient, empty where a value is unknown",
            do="add the rows, or leave the features models out",
        )
    chosen = table.loc[list(patients)]
    return pd.DataFrame(
        {name: _numbers(path, name, chosen[name]) for name in settings.columns},
        index=chosen.index,
    )


def _read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The listed columns as text, by patient."""
    try:
        header = pd.read_csv(path, dtype=str, nrows=0, encoding="utf-8").columns
        for name in (KEY, *columns):
            if name not in header:
                near = difflib.get_close_matches(name, list(header), n=1, cutoff=0.0)
                raise SettingsError(
                    path, got=f"no column {name!r}", expected="a column for each listed feature",
                    do=f"did you mean {near[0]!r}? Available: {', '.join(header)}",
                )  # fmt: skip
        table = pd.read_csv(
            path, dtype=str, usecols=[KEY, *columns], keep_default_na=False, encoding="utf-8"
        )
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SettingsError(
            path, got=f"{type(error).__name__} on reading", expected="a CSV table of features",
            do="check the path and the file",
        ) from error  # fmt: skip
    return table.set_index(KEY)


def _numbers(path: Path, name: str, cells: pd.Series[str]) -> pd.Series[float]:
    """A column's values; an empty cell is an unknown one."""
    values = pd.to_numeric(cells.str.strip().replace("", "nan"), errors="coerce").astype(np.float64)
    unknown = cells.str.strip().str.lower().isin(("", "nan", "na"))
    wrong = cells[(values.isna() & ~unknown) | np.isinf(values)]
    if len(wrong):
        raise CohortError(
            path, got=f"{wrong.iloc[0]!r} as {name} of patient {wrong.index[0]}",
            expected="a finite number, or an empty cell", do="correct it, or code it as a number",
        )  # fmt: skip
    return values
