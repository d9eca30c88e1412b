"""predictions.csv: one row for each (model, inputs, patient), out of fold. Ours or anybody's."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.evaluation.checking import (
    COLUMNS,
    PROBABILITY_PREFIX,
    REPEAT,
    Faults,
    NumberedRow,
    PredictionsError,
    Row,
    check_rows,
    classes_of_header,
)
from cystgrid.evaluation.forms import OWN_FORM, Form, in_own_form
from cystgrid.evaluation.rows import read_rows
from cystgrid.provenance import write_text

STAND_INS = {"model": "model", "inputs": "", "outer_fold": "0", "center": "", REPEAT: "0"}
"""What stands for a column that a file does not have."""

ABSENCE_MEANS = {
    "model": "all rows count as one model",
    "inputs": "all rows count as one kind of input",
    "outer_fold": "all patients count as one fold, so there is no deviation over folds",
    "center": "centres are unknown",
}
INPUT_NAMES = {
    "t1": "T1",
    "t2": "T2",
    "late": "T1+T2 late",
    "intermediate": "T1+T2 intermediate",
    "early": "T1+T2 early",
}
"""Inputs as the paper's Table II names them, and in its order."""


NO_IMAGE = "none"
"""The inputs of a model that sees no image."""


class Method(NamedTuple):
    """One line of a table: a model on one kind of input, and its rows."""

    name: str
    model: str
    inputs: str
    rows: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Predictions:
    """Checked out-of-fold predictions.

    Attributes:
        classes: class names in the order of the file's ``p_`` columns (for kappa: of risk).
        frame: the columns of ``COLUMNS``, then ``p_<class>`` (float64, each row sums to 1), then
            ``repeat`` (0 where there is one); sorted by model, inputs, fold and patient.
        source: where they came from, for messages.
        notes: what was assumed or left out while reading, one sentence each.
    """

    classes: tuple[str, ...]
    frame: pd.DataFrame
    source: str = "memory"
    notes: tuple[str, ...] = ()

    def methods(self) -> list[Method]:
        """The (model, inputs) pairs, by model's name and then in the paper's order of inputs.

        Inputs are named only where the file has more than one kind: ``vit`` or ``vit (T2)``.
        """
        several = self.frame["inputs"].nunique() > 1
        pairs = sorted(
            set(zip(self.frame["model"], self.frame["inputs"], strict=True)),
            key=lambda pair: (pair[0], _input_rank(pair[1]), pair[1]),
        )
        names = [_shown(model, inputs) if several else model for model, inputs in pairs]
        if len(set(names)) < len(names):  # the file has both "t2" and "T2"
            names = [f"{model} ({inputs})" for model, inputs in pairs]
        return [
            Method(name, model, inputs, self._rows(model, inputs))
            for name, (model, inputs) in zip(names, pairs, strict=True)
        ]

    def _rows(self, model: str, inputs: str) -> pd.DataFrame:
        chosen = (self.frame["model"] == model) & (self.frame["inputs"] == inputs)
        return self.frame[chosen].reset_index(drop=True)

    def codes(self, names: pd.Series[str]) -> NDArray[np.int64]:
        """Class names as their positions in ``classes``, ``(rows,)``."""
        position = {name: index for index, name in enumerate(self.classes)}
        return np.array([position[name] for name in names], dtype=np.int64)

    def probabilities(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """The probabilities of some of the rows, ``(rows, classes)``."""
        return rows[list(probability_columns(self.classes))].to_numpy(dtype=np.float64)


def probability_columns(classes: Sequence[str]) -> tuple[str, ...]:
    """The ``p_<class>`` columns."""
    return tuple(PROBABILITY_PREFIX + name for name in classes)


def read_predictions(
    path: Path,
    form: Form = OWN_FORM,
    *,
    unlabelled: Literal["refuse", "drop"] = "refuse",
) -> Predictions:
    """Read and check a predictions file.

    ``model``, ``inputs``, ``outer_fold`` and ``center`` may be absent; ``notes`` says what that
    means. Further columns are ignored.

    Args:
        path: a CSV file, UTF-8, with a header row.
        form: what the columns are called, and whether a row holds one class only.
        unlabelled: what to do with rows whose label is empty; those dropped are counted in a note.

    Raises:
        PredictionsError: with all faults of the file, each with its line number.
    """
    header, rows = read_rows(path)
    header, rows, told = in_own_form(header, rows, form, path)
    classes = classes_of_header(header, path)
    absent = [name for name in COLUMNS if name not in header]
    notes = [*told, *(f"No column {name!r}: {ABSENCE_MEANS[name]}." for name in absent)]
    rows = [(line, {**STAND_INS, **row}) for line, row in rows]
    faults = Faults(path)
    check_rows(rows, classes, faults, labels_required=unlabelled == "refuse")
    faults.raise_if_any()
    kept = [row for _, row in rows if row["label"]]
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} rows without a label were left out.")
    if not kept:
        raise PredictionsError(
            path, got="no rows with a label", expected="at least one", do="add labelled predictions"
        )
    return _predictions(kept, classes, str(path), notes)


def check_predictions(
    frame: pd.DataFrame, classes: Sequence[str], source: str = "memory"
) -> Predictions:
    """The same checks on rows that never were in a file; labels are required.

    Args:
        frame: the columns of ``COLUMNS``, then ``p_<class>`` for each of ``classes``, and
            ``repeat`` where there are several.
        classes: class names, in order.
        source: what to call the frame in messages; rows are numbered as ``write_predictions``
            would write them.

    Raises:
        PredictionsError: with all faults of the rows.
    """
    rows = _checked_rows(frame, classes, source, labels_required=True)
    return _predictions([row for _, row in rows], classes, source, [])


def write_predictions(frame: pd.DataFrame, classes: Sequence[str], path: Path) -> None:
    r"""Write predictions so that reading gives the same numbers, and the same rows the same bytes.

    Rows are sorted by model, inputs, fold and patient; probabilities are written with the fewest
    digits that read back to the same float64; UTF-8, ``\n``; whole file or none.

    Args:
        frame: the columns of ``COLUMNS``, then ``p_<class>`` for each of ``classes``, and
            ``repeat`` where there are several (written last, and only then); ``label`` may be
            empty for patients whose truth is unknown.
        classes: class names, in order.
        path: where to write.

    Raises:
        PredictionsError: with all faults of the rows, which could not be read back.
    """
    write_text(path, predictions_text(frame, classes, path))


def predictions_text(frame: pd.DataFrame, classes: Sequence[str], source: object = "memory") -> str:
    """What ``write_predictions`` writes."""
    rows = _checked_rows(frame, classes, source, labels_required=False)
    repeated = (REPEAT,) if any(row[REPEAT] != "0" for _, row in rows) else ()
    columns = (*COLUMNS, *probability_columns(classes), *repeated)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row for _, row in rows)
    return text.getvalue()


def _checked_rows(
    frame: pd.DataFrame, classes: Sequence[str], source: object, *, labels_required: bool
) -> list[NumberedRow]:
    """The rows of a frame as the text of a file, sorted, with the line each would stand on."""
    columns = (*COLUMNS, *probability_columns(classes))
    if REPEAT in frame.columns:
        columns = (*columns, REPEAT)
    if set(frame.columns) != set(columns) or len(frame.columns) != len(columns) or frame.empty:
        raise PredictionsError(
            source,
            got=f"{len(frame)} rows of {', '.join(map(str, frame.columns))}",
            expected=f"at least one row of {', '.join(columns)}",
            do="give these columns, each once",
        )
    texts: list[Row] = [
        {REPEAT: "0", **{name: _text(value) for name, value in zip(columns, values, strict=True)}}
        for values in frame[list(columns)].itertuples(index=False, name=None)
    ]
    rows = list(enumerate(sorted(texts, key=_sort_key), start=2))  # line 1 is the header
    faults = Faults(source)
    check_rows(rows, classes, faults, labels_required=labels_required)
    faults.raise_if_any()
    return rows


def _text(value: object) -> str:
    """A cell as it is written: floats with the fewest digits that read back the same."""
    if isinstance(value, (float, np.floating)):
        return repr(float(value)) if not np.isnan(value) else ""
    if value is None or value is pd.NA:
        return ""
    return str(value).strip()


def _sort_key(row: Row) -> tuple[str, str, int, str, str, str]:
    fold = row["outer_fold"]
    number = int(fold) if fold.isdecimal() else -1
    return row["model"], row["inputs"], number, fold, row["patient"], row[REPEAT]


def _shown(model: str, inputs: str) -> str:
    """A method's name; one that sees no image has nothing in brackets."""
    return model if inputs == NO_IMAGE else f"{model} ({INPUT_NAMES.get(inputs, inputs)})"


def _input_rank(inputs: str) -> int:
    return list(INPUT_NAMES).index(inputs) if inputs in INPUT_NAMES else len(INPUT_NAMES)


def _predictions(
    rows: Sequence[Row], classes: Sequence[str], source: str, notes: list[str]
) -> Predictions:
    columns = probability_columns(classes)
    ordered: list[Row] = sorted(rows, key=_sort_key)
    frame = pd.DataFrame(ordered, columns=[*COLUMNS, *columns, REPEAT])
    frame[REPEAT] = frame[REPEAT].astype(np.int64)
    if frame["outer_fold"].str.fullmatch("[0-9]{1,9}").all():
        frame["outer_fold"] = frame["outer_fold"].astype(np.int64)
    for column in columns:
        frame[column] = [float(cell) for cell in frame[column]]
    found = Predictions(tuple(classes), frame, source)
    values = found.probabilities(frame)
    chosen = values[np.arange(len(frame)), found.codes(frame["predicted"])]
    if other := int((chosen < values.max(axis=1)).sum()):
        notes.append(
            f"In {other} of {len(frame)} rows the predicted class is not the most probable one; "
            "it is scored as the file gives it."
        )
    return Predictions(found.classes, frame, source, tuple(notes))
