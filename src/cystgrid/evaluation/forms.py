"""What others' predictions files look like: other names of columns, one row a class, one column.

Here a file's rows are brought into our own form, as text; whether they hold together is checked
afterwards, in our form, with the line numbers of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cystgrid.errors import UsageError
from cystgrid.evaluation.checking import (
    PROBABILITY_PREFIX,
    REPEAT,
    Faults,
    NumberedRow,
    PredictionsError,
    Row,
    number,
)

ROUNDING = 0.02
"""How far from 1 a row's probabilities may sum to be taken for rounded ones, if that is allowed."""


@dataclass(frozen=True)
class Form:
    """How a predictions file is laid out; the defaults are our own form.

    Attributes:
        patient: name of the column; likewise the others.
        label: of the true class.
        predicted: of the answered class; a file without it gets the most probable class.
        model: of the method.
        fold: of the outer fold.
        probabilities: ``(class, column)`` pairs; empty for the columns ``p_<class>``.
        positive: class whose probability ``probability`` holds, where there are two classes.
        probability: the only column of probabilities, with ``positive`` or ``long``.
        long: a row holds one patient and one class.
        class_column: with ``long``, the class that a row is about.
        classes: their order; empty for the file's own.
        normalise: divide the probabilities of a row by their sum, if they were rounded.
    """

    patient: str = "patient"
    label: str = "label"
    predicted: str = "predicted"
    model: str = "model"
    fold: str = "outer_fold"
    probabilities: tuple[tuple[str, str], ...] = ()
    positive: str = ""
    probability: str = "probability"
    long: bool = False
    class_column: str = "class"
    classes: tuple[str, ...] = ()
    normalise: bool = False

    def __post_init__(self) -> None:
        ways = [
            name
            for name, used in (
                ("--long", self.long),
                ("--positive", bool(self.positive)),
                ("--probability-columns", bool(self.probabilities)),
            )
            if used
        ]
        if len(ways) > 1:
            raise UsageError(
                " and ".join(ways), got="both", expected="one of them", do="choose one"
            )

    def named(self) -> dict[str, tuple[str, str]]:
        """Our name of a column to the option that names it and the file's own name."""
        found = {
            "patient": ("--patient-column", self.patient),
            "label": ("--label-column", self.label),
            "predicted": ("--predicted-column", self.predicted),
            "model": ("--model-column", self.model),
            "outer_fold": ("--fold-column", self.fold),
        }
        if self.long or self.positive:
            found["probability"] = ("--probability-column", self.probability)
        if self.long:
            found["class"] = ("--class-column", self.class_column)
        for name, column in self.probabilities:
            found[PROBABILITY_PREFIX + name] = ("--probability-columns", column)
        return found


OWN_FORM = Form()


def in_own_form(
    header: Sequence[str], rows: Sequence[NumberedRow], form: Form, source: object
) -> tuple[list[str], list[NumberedRow], list[str]]:
    """The same predictions under our own names, one row a patient, one column a class.

    Returns:
        Header, rows and what was assumed, one sentence each.

    Raises:
        PredictionsError: a column that an option names is not there, or rows of the long form do
            not make up whole patients.
    """
    notes: list[str] = []
    names = _names(header, form, source)
    found = [(line, {ours: row[theirs] for ours, theirs in names.items()}) for line, row in rows]
    if form.long:
        found = _whole_patients(found, form, source, notes)
    elif form.positive:
        found = _both_classes(found, form, source)
    found = _ordered(found, form, source)
    header = list(found[0][1]) if found else list(names)
    if form.normalise:
        _normalise(found, notes)
    if "predicted" not in header and _class_columns(header):
        header.append("predicted")
        for _, row in found:
            row["predicted"] = _most_probable(row)
        notes.append(
            "No column 'predicted': the most probable class is the answer, of several the first."
        )
    return header, found, notes


def _names(header: Sequence[str], form: Form, source: object) -> dict[str, str]:
    """Our names of the columns that are there, to the file's."""
    taken = {}
    for ours, (option, theirs) in form.named().items():
        if theirs in header:
            taken[ours] = theirs
        elif theirs != ours or ours in ("class", "probability"):
            raise PredictionsError(
                f"{source}: {option}",
                got=f"no column {theirs!r}",
                expected=f"one of {', '.join(header)}",
                do="name a column of the file",
            )
    alone = form.long or bool(form.positive or form.probabilities)
    for name in header:
        probability = name.startswith(PROBABILITY_PREFIX)
        if name not in taken and name not in taken.values() and not (probability and alone):
            taken[name] = name
    return taken


def _both_classes(rows: Sequence[NumberedRow], form: Form, source: object) -> list[NumberedRow]:
    """One probability of two, the other class being the only other label."""
    labels = {row.get("label", "") for _, row in rows} - {"", form.positive}
    other = [name for name in form.classes if name != form.positive] or sorted(labels)
    if len(other) != 1 or not labels <= set(other):
        raise PredictionsError(
            f"{source}: --positive {form.positive}",
            got=f"the other labels {', '.join(sorted(labels)) or 'none'}",
            expected="exactly one other class",
            do="name the positive class as the file does, or give both by --classes",
        )
    out = []
    for line, row in rows:
        cell = row.pop("probability")
        value = number(cell)
        row[PROBABILITY_PREFIX + other[0]] = cell if math.isnan(value) else repr(1.0 - value)
        row[PROBABILITY_PREFIX + form.positive] = cell
        out.append((line, row))
    return out


def _whole_patients(
    rows: Sequence[NumberedRow], form: Form, source: object, notes: list[str]
) -> list[NumberedRow]:
    """Rows of one class each, gathered into rows of all classes."""
    faults = Faults(source)
    classes = list(dict.fromkeys(row["class"] for _, row in rows))
    gathered: dict[tuple[str, ...], tuple[int, Row, Row]] = {}
    for line, row in rows:
        name, cell = row.pop("class"), row.pop("probability")
        key = tuple(row.get(part, "") for part in ("model", "inputs", REPEAT, "patient"))
        first, kept, cells = gathered.setdefault(key, (line, row, {}))
        if name in cells:
            faults.add(line, f"class {name!r} of patient {key[-1]!r} stands here a second time")
        if differ := [part for part in row if row[part] != kept[part]]:
            faults.add(line, f"{differ[0]} differs from line {first} of the same patient")
        cells[name] = cell
    for line, row, cells in gathered.values():
        if missing := [name for name in classes if name not in cells]:
            faults.add(line, f"patient {row.get('patient')!r} has no row of class {missing[0]!r}")
    faults.raise_if_any()
    if not form.classes:
        notes.append(f"Classes in the order in which they first occur: {', '.join(classes)}.")
    return [
        (line, {**row, **{PROBABILITY_PREFIX + name: cells[name] for name in classes}})
        for line, row, cells in gathered.values()
    ]


def _ordered(rows: list[NumberedRow], form: Form, source: object) -> list[NumberedRow]:
    """Columns of the classes in the order asked for."""
    if not form.classes or not rows:
        return rows
    columns = [PROBABILITY_PREFIX + name for name in form.classes]
    if sorted(columns) != sorted(_class_columns(rows[0][1])):
        names = [name.removeprefix(PROBABILITY_PREFIX) for name in _class_columns(rows[0][1])]
        raise PredictionsError(
            f"{source}: --classes",
            got=", ".join(form.classes),
            expected=f"{', '.join(names)}, each once",
            do="give these in the order of rising risk",
        )
    names = [name for name in rows[0][1] if name not in columns] + columns
    return [(line, {name: row[name] for name in names}) for line, row in rows]


def _normalise(rows: Sequence[NumberedRow], notes: list[str]) -> None:
    sums = []
    for _, row in rows:
        columns = _class_columns(row)
        values = [number(row[name]) for name in columns]
        total = math.fsum(values)
        if abs(total - 1.0) <= ROUNDING and total != 1.0:  # NaN is not near
            sums.append(total)
            row.update({k: repr(v / total) for k, v in zip(columns, values, strict=True)})
    if sums:
        notes.append(
            f"In {len(sums)} of {len(rows)} rows the probabilities summed to {min(sums):.4g} to "
            f"{max(sums):.4g} and were divided by their sum."
        )


def _most_probable(row: Row) -> str:
    columns = _class_columns(row)
    values = [number(row[name]) for name in columns]
    best = max(range(len(columns)), key=lambda code: (values[code], -code))
    return columns[best].removeprefix(PROBABILITY_PREFIX)


def _class_columns(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(PROBABILITY_PREFIX)]
