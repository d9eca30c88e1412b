"""A user's table of labels, matched to studies by ids that never leave memory."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cystgrid.cohort.cells import text_fault
from cystgrid.cohort.manifest import box_edges, is_box
from cystgrid.cohort.sheets import read_csv
from cystgrid.errors import CohortError, path_text
from cystgrid.scans.survey import SeriesSummary

ID_COLUMNS = ("study_or_patient_id", "id")
VALUES = ("label", "roi", "center", "sex", "age")
FAULTS_SHOWN = 10
LONGEST_NAME = 30
"""Characters of a column's name that are shown."""

_BY: tuple[Callable[[SeriesSummary], str], ...] = (
    lambda series: series.study_uid,
    lambda series: series.identity.accession,
    lambda series: series.identity.patient_id,
)
"""What an id may be, the narrowest first: a study's own row counts before its patient's."""


@dataclass(frozen=True)
class LabelRow:
    """One row of the table.

    Attributes:
        row: its number, counted from 1 below the header.
        identifier: PatientID, StudyInstanceUID or AccessionNumber; never shown.
        values: what it says, by column; empty text where nothing.
    """

    row: int
    identifier: str = field(repr=False)
    values: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class StudyLabels:
    """The rows of a table of labels, by id."""

    path: Path = field(repr=False)
    rows: tuple[LabelRow, ...]

    def match(self, studies: Iterable[SeriesSummary]) -> LabelMatch:
        """Find every study's row.

        Args:
            studies: one series of each study.

        Raises:
            CohortError: an id that belongs to several patients, so that it is not known which is
                meant; or no row that matches any study. Rows are named by number.
        """
        by_id = {row.identifier: row for row in self.rows}
        owners: dict[str, set[str]] = defaultdict(set)
        found: dict[str, LabelRow] = {}
        used: set[str] = set()
        for series in studies:
            for of in _BY:
                identifier = of(series)
                if identifier and identifier in by_id:
                    owners[identifier].add(series.patient_key)
                    used.add(identifier)
                    found.setdefault(series.study_uid, by_id[identifier])
        doubtful = [by_id[name].row for name, keys in owners.items() if len(keys) > 1]
        if doubtful:
            raise CohortError(
                f"{path_text(self.path)}: {_rows(doubtful)}",
                got="an id that several patients have, of different issuers or kinds of id",
                expected="ids of one patient each",
                do="give StudyInstanceUIDs in these rows",
            )
        if self.rows and not used:
            raise CohortError(
                self.path,
                got=f"{len(self.rows)} rows of which none matches a study",
                expected="ids as in the headers: PatientID, StudyInstanceUID or AccessionNumber",
                do="correct the ids",
            )
        unused = tuple(row.row for row in self.rows if row.identifier not in used)
        return LabelMatch(found, unused)


@dataclass(frozen=True)
class LabelMatch:
    """Rows by ``StudyInstanceUID``, and the numbers of rows that match no study."""

    by_study: dict[str, LabelRow]
    unused: tuple[int, ...]


def read_labels(path: Path) -> StudyLabels:
    """Read ``study_or_patient_id,label[,roi,center,sex,age]``.

    An id is a PatientID, a StudyInstanceUID or an AccessionNumber. ``roi`` is a mask's path
    relative to the file, or a box in mm. Further columns are refused, for they may be misspelt.

    Raises:
        CohortError: no such file, no CSV, unknown or missing columns, rows without an id, an id
            twice, a mask that is not there. Rows are named by number, ids never.
    """
    table = read_csv(path)
    names = [name.strip().lower() for name in table.header]
    _check_header(names, table.header, path)
    identifier = next(name for name in names if name in ID_COLUMNS)
    rows = []
    for number, cells in enumerate(table.rows, 1):
        cell = dict(zip(names, cells, strict=True))
        values = {name: cell.get(name, "") for name in VALUES}
        if values["roi"] and not is_box(values["roi"]):
            values["roi"] = str((path.parent / values["roi"]).absolute())
        rows.append(LabelRow(number, cell[identifier], values))
    _check_rows(rows, path)
    return StudyLabels(path, tuple(rows))


def _check_header(names: list[str], written: Sequence[str], path: Path) -> None:
    """Refuse columns that cannot be meant, by name; a first line without a known one is a row."""
    known = {*ID_COLUMNS, *VALUES}
    faults = [_unknown(name) for name in names if name not in known]
    faults += [f"{name!r} twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    ids = [name for name in ID_COLUMNS if name in names]
    if len(ids) != 1:
        faults.append(f"both {' and '.join(ids)}" if ids else f"no column {ID_COLUMNS[-1]!r}")
    faults += [] if "label" in names else ["no column 'label'"]
    if not faults:
        return
    header = known.intersection(names)
    got = "; ".join(faults) + f" (the columns are {', '.join(map(_shown, names))})"
    raise CohortError(
        f"{path_text(path)}: header",
        got=got if header else f"{len(names)} columns, none of them of a known name",
        expected=f"id,label and at will {','.join(VALUES[1:])}, each once",
        do="correct the header"
        if header
        else "put the columns' names into the first line, separated by commas"
        + (" (they seem separated by ';')" if ";" in "".join(written) else ""),
    )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, (*ID_COLUMNS[-1:], *VALUES), n=1)
    return f"the unknown column {_shown(name)}" + (f" (did you mean {near[0]!r}?)" if near else "")


def _shown(name: str) -> str:
    return ascii(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "...")


def _check_rows(rows: list[LabelRow], path: Path) -> None:
    faults = [f"row {row.row}: no id" for row in rows if not row.identifier]
    by_id: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.identifier:
            by_id[row.identifier].append(row.row)
        roi = row.values["roi"]
        if roi and is_box(roi) and box_edges(roi) is None:
            faults.append(f"row {row.row}: its roi is no box with x0 < x1, y0 < y1, z0 < z1")
        elif roi and not is_box(roi) and not Path(roi).exists():
            faults.append(f"row {row.row}: its roi is neither an existing mask nor a box in mm")
        for name in ("label", "center", "sex", "age"):
            if row.values[name] and (fault := text_fault(row.values[name])):
                faults.append(f"row {row.row}: its {name} {fault}")
    faults += [f"{_rows(numbers)}: one id" for numbers in by_id.values() if len(numbers) > 1]
    if faults:
        more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise CohortError(
            path,
            got=f"{count} ({'; '.join(faults[:FAULTS_SHOWN])}{more})",
            expected="none",
            do="correct these rows, counted from 1 below the header",
        )


def _rows(numbers: Iterable[int]) -> str:
    return "rows " + ", ".join(str(number) for number in sorted(numbers))
