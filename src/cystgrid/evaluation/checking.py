"""What can be wrong with the rows of a predictions file; every fault is named with its line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from cystgrid.cohort.cells import text_fault
from cystgrid.cohort.classes import CLASS_NAMES, is_class_name
from cystgrid.errors import CystgridError

COLUMNS = ("model", "inputs", "outer_fold", "patient", "center", "label", "predicted")
"""The columns before the probabilities, in the order of the contract."""

REPEAT = "repeat"
"""One more column where cross-validation was repeated: a whole number, 0 if it is absent."""

REQUIRED_COLUMNS = ("patient", "label", "predicted")
"""Without these there is nothing to score; the other columns have a stated stand-in."""

PROBABILITY_PREFIX = "p_"
SUM_TOLERANCE = 1e-6
"""How far from 1 the probabilities of a row may sum: single precision over a handful of classes."""

FAULTS_SHOWN = 20
TEXTS = ("model", "inputs", "outer_fold", "patient", "center")
"""Columns of text that reach the tables as it is."""

Row = dict[str, str]
NumberedRow = tuple[int, Row]


class PredictionsError(CystgridError):
    """A predictions file that does not hold together."""


class Faults:
    """Collects what is wrong, so that a file's faults are reported in one go."""

    def __init__(self, source: object) -> None:
        self.source = source
        self.found: list[tuple[int, str]] = []

    def add(self, line: int, fault: str) -> None:
        """Note a fault of one line."""
        self.found.append((line, fault))

    def raise_if_any(self) -> None:
        """Raise one ``PredictionsError`` that lists the faults in order of line."""
        if not self.found:
            return
        listed = [f"line {line}: {fault}" for line, fault in sorted(self.found)]
        shown = "; ".join(listed[:FAULTS_SHOWN])
        more = f"; and {len(listed) - FAULTS_SHOWN} more" if len(listed) > FAULTS_SHOWN else ""
        count = "1 fault" if len(listed) == 1 else f"{len(listed)} faults"
        raise PredictionsError(
            self.source,
            got=f"{count} ({shown}{more})",
            expected="none",
            do="correct these lines and run again",
        )


def classes_of_header(header: Sequence[str], source: object) -> tuple[str, ...]:
    """The classes, in the order of the ``p_<class>`` columns.

    Raises:
        PredictionsError: for missing or repeated columns, or fewer than two classes.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    classes = tuple(
        name.removeprefix(PROBABILITY_PREFIX)
        for name in header
        if name.startswith(PROBABILITY_PREFIX)
    )
    if missing or len(set(header)) != len(header) or len(classes) < 2:
        hint = " (the columns seem separated by ';')" if ";" in "".join(header) else ""
        raise PredictionsError(
            f"{source}: header",
            got=f"{','.join(header)!r}{hint}",
            expected=f"the columns {', '.join(REQUIRED_COLUMNS)} and at least two p_<class>, "
            "each once, separated by commas",
            do="name the columns so, or say by options which column is which",
        )
    if not all(map(is_class_name, classes)):
        raise PredictionsError(
            f"{source}: header",
            got=f"the classes {classes!r}",
            expected=f"p_<class>, of {CLASS_NAMES}",
            do="rename these columns",
        )
    return classes


def check_rows(
    rows: Iterable[NumberedRow], classes: Sequence[str], faults: Faults, *, labels_required: bool
) -> None:
    """Add to ``faults`` all that is wrong with the rows, each alone and all together."""
    rows = list(rows)
    for line, row in rows:
        _check_names(line, row, classes, faults, labels_required=labels_required)
        check_probabilities(line, row, classes, faults)
    _check_unique(rows, faults)
    _check_one_truth(rows, faults)
    _check_folds_of_one_repeat(rows, faults)


def _check_names(
    line: int, row: Row, classes: Sequence[str], faults: Faults, *, labels_required: bool
) -> None:
    known = ", ".join(classes)
    for name in ("model", "outer_fold", "patient"):
        if not row[name]:
            faults.add(line, f"{name} is empty")
    for name in TEXTS:
        if fault := text_fault(row[name]):
            faults.add(line, f"{name} {row[name]!a} {fault.partition(';')[0]}")
    if not row[REPEAT].isdecimal():
        faults.add(line, f"repeat is {row[REPEAT]!r}, not a whole number")
    if row["predicted"] not in classes:
        faults.add(line, f"predicted {row['predicted']!r} is not among the classes ({known})")
    if row["label"] in classes or (not row["label"] and not labels_required):
        return
    if row["label"]:
        faults.add(line, f"label {row['label']!r} is not among the classes ({known})")
    else:
        faults.add(line, "label is empty: nothing to score")


def check_probabilities(line: int, row: Row, classes: Sequence[str], faults: Faults) -> None:
    """Add to ``faults`` what is wrong with the probabilities of a row."""
    values = []
    for name in classes:
        column = PROBABILITY_PREFIX + name
        value = number(row[column])
        if not 0.0 <= value <= 1.0:  # NaN, too, is not between
            faults.add(line, f"{column} is {row[column]!r}, not a number from 0 to 1")
        values.append(value)
    total = math.fsum(values)
    if all(0.0 <= value <= 1.0 for value in values) and abs(total - 1.0) > SUM_TOLERANCE:
        faults.add(line, f"the probabilities sum to {total:.9g}, not to 1")


def number(cell: str) -> float:
    """The number in a cell; NaN if there is none."""
    try:
        return float(cell) if "_" not in cell else math.nan  # Python alone reads 0_1 as a number
    except ValueError:
        return math.nan


def _check_unique(rows: Sequence[NumberedRow], faults: Faults) -> None:
    first: dict[tuple[str, ...], int] = {}
    for line, row in rows:
        key = (row["model"], row["inputs"], row["patient"], row[REPEAT])
        seen = first.setdefault(key, line)
        if seen != line:
            named = f"model {key[0]!r}, inputs {key[1]!r}, patient {key[2]!r}"
            named += f", repeat {key[3]}" if key[3] != "0" else ""
            faults.add(line, f"{named} stands on line {seen} already")


def _check_one_truth(rows: Sequence[NumberedRow], faults: Faults) -> None:
    first: dict[str, tuple[int, str]] = {}
    for line, row in rows:
        if not row["label"]:
            continue
        seen, label = first.setdefault(row["patient"], (line, row["label"]))
        if label != row["label"]:
            fault = f"patient {row['patient']!r} is {row['label']!r} here, {label!r} on line {seen}"
            faults.add(line, fault)


def _check_folds_of_one_repeat(rows: Sequence[NumberedRow], faults: Faults) -> None:
    """An outer fold's number is its own over all repeats: its models trained on other patients."""
    first: dict[tuple[str, str, str], tuple[int, str]] = {}
    for line, row in rows:
        key = (row["model"], row["inputs"], row["outer_fold"])
        seen, repeat = first.setdefault(key, (line, row[REPEAT]))
        if repeat != row[REPEAT]:
            fault = (
                f"outer_fold {key[2]} is of repeat {row[REPEAT]} here, of {repeat} on line {seen}"
            )
            faults.add(line, fault)
