"""The quality page of a cohort, from what the check found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cystgrid.cohort.findings import Finding
from cystgrid.cohort.likeness import Copies
from cystgrid.outputs.quality.geometry import (
    NO_CENTER,
    SCAN_HEADS,
    Summary,
    outlier_of,
    scan_cells,
    summaries,
)
from cystgrid.outputs.quality.model import (
    Card,
    Cell,
    Column,
    Count,
    Mark,
    Note,
    QualityPage,
    Section,
    Table,
)
from cystgrid.outputs.quality.page import write_page
from cystgrid.outputs.quality.pictures import picture
from cystgrid.preparation.check import CohortCheck
from cystgrid.preparation.check_row import RowCheck
from cystgrid.preparation.facts import ScanFacts
from cystgrid.preparation.outliers import Outlier

MOST_FINDINGS = 2000
"""Shown in one table: a reader mends the first and checks again."""

LEGEND = (
    "One axial slice of each scan, through the middle of the region, which is outlined. The "
    "patient's right is on the left. Pixels are square in mm; a scan that could not be read has no "
    "picture."
)
INTRO = (
    "Every file of every row was read. A problem keeps a patient from being prepared; whatever "
    "else is marked is worth a look before a study begins."
)


def write_check_page(check: CohortCheck, path: Path) -> None:
    """Write a cohort's quality page: one HTML file, the same for the same findings."""
    write_page(check_page(check), path)


def check_page(check: CohortCheck) -> QualityPage:
    """The page's content."""
    by_line: dict[int, list[Outlier]] = {}
    for outlier in check.outliers:
        by_line.setdefault(outlier.line, []).append(outlier)
    return QualityPage(
        "Quality of the cohort",
        INTRO,
        _counts(check, by_line),
        (
            Section(
                "Problems", _findings(check.problems, "problem"), empty="No problem was found."
            ),
            Section("Geometry", _geometry(check, by_line), _geometry_intro(check)),
            Section("Copies", _copies(check), "The same images under two names, or mirrored."),
            Section(
                "Patients to group",
                _groups(check),
                "These may be one person and stand in different groups: give them one value in the "
                "column “group”, so that no division parts them. " + " ".join(check.notes),
            ),
            Section("Warnings", _findings(check.warnings, "warning")),
        ),
        tuple(_cards(check, by_line)),
        LEGEND,
    )


def _counts(check: CohortCheck, by_line: dict[int, list[Outlier]]) -> tuple[Count, ...]:
    def marked(count: int, name: str, mark: Mark) -> Count:
        return Count(str(count), name, mark if count else "good")

    excluded = [Count(str(n), f"left out: {label}") for label, n in sorted(check.excluded.items())]
    merged = [Count(str(each.patients), f"{each.label} as {each.name}") for each in check.merged]
    return (
        Count(str(len(check.rows)), "patients"),
        Count(str(check.fine), "without a problem"),
        marked(len(check.problems), "problems", "problem"),
        marked(len(check.warnings), "warnings", "warning"),
        marked(len(by_line), "patients with outliers", "warning"),
        marked(len(check.copies), "sets of copies", "warning"),
        marked(len(check.groups), "groups to make", "warning"),
        *merged,
        *excluded,
    )


def _findings(findings: Sequence[Finding], mark: Mark) -> tuple[Table, ...]:
    if not findings:
        return ()
    rows = tuple(
        (
            Cell(str(each.line) if each.line else ""),
            Cell(each.patient),
            Cell(each.column),
            Cell(each.message, mark),
        )
        for each in findings[:MOST_FINDINGS]
    )
    more = len(findings) - MOST_FINDINGS
    note = f"{more} more are not shown; the command lists them all." if more > 0 else ""
    columns = (Column("Line", True), Column("Patient"), Column("Column"), Column("What", wide=True))
    return (Table(columns, rows, note=note),)


def _geometry_intro(check: CohortCheck) -> str:
    return (
        "Median, and the range in brackets. An outlier differs from its centre's median (or the "
        "cohort's, where a centre has few scans) by more than 3.5 robust deviations."
        if check.rows
        else ""
    )


def _geometry(check: CohortCheck, by_line: dict[int, list[Outlier]]) -> tuple[Table, ...]:
    rows = summaries(check)
    if not rows:
        return ()
    heads = tuple(Column(name, n > 1 and name != "Plane") for n, name in enumerate(Summary.HEADS))
    overview = Table(
        heads,
        tuple(
            (*map(Cell, row.cells()[:-1]), Cell(row.cells()[-1], "warning" if row.outliers else ""))
            for row in rows
        ),
    )
    tables = [overview]
    if check.outliers:
        tables.append(_outliers(check))
    for center in sorted({row.center for row in check.rows}):
        tables.append(_center_table(center, check.rows, by_line))
    return tuple(tables)


def _outliers(check: CohortCheck) -> Table:
    names = {row.line: (row.name, row.center) for row in check.rows}
    columns = (Column("Line", True), Column("Patient"), Column("Centre"), Column("Column"),
               Column("What", wide=True))  # fmt: skip
    rows = tuple(
        (
            Cell(str(each.line)),
            Cell(names[each.line][0]),
            Cell(names[each.line][1]),
            Cell(each.column),
            Cell(each.reason, "warning"),
        )
        for each in check.outliers[:MOST_FINDINGS]
    )
    return Table(columns, rows, "Outliers")


def _center_table(
    center: str, rows: Iterable[RowCheck], by_line: dict[int, list[Outlier]]
) -> Table:
    cells = tuple(
        _scan_row(row, facts, by_line.get(row.line, ()))
        for row in rows
        if row.center == center
        for facts in row.scans
    )
    columns = tuple(
        Column(name, name not in ("Patient", "Scan", "Plane, tilt")) for name, _ in SCAN_HEADS
    )
    return Table(columns, cells, f"{center or NO_CENTER}: all {len(cells)} scans", folded=True)


def _scan_row(row: RowCheck, facts: ScanFacts, outliers: Iterable[Outlier]) -> tuple[Cell, ...]:
    cells = []
    for text, (_, quantity) in zip(scan_cells(row, facts), SCAN_HEADS, strict=True):
        found = outlier_of(outliers, facts, quantity) if text and quantity else None
        cells.append(Cell(text, "warning", found.reason) if found else Cell(text))
    return tuple(cells)


def _copies(check: CohortCheck) -> tuple[Table, ...]:
    if not check.copies:
        return ()
    columns = (Column("Scans"), Column("What", wide=True), Column("Likeness", True))
    rows = tuple(
        (Cell(scans_text(each), "warning"), Cell(each.kind), Cell(f"{each.likeness:.3f}"))
        for each in check.copies
    )
    return (Table(columns, rows),)


def scans_text(copies: Copies) -> str:
    """The scans, as ``p07 t2, p12 t2``."""
    return ", ".join(f"{patient} {modality}" for patient, modality in copies.scans)


def _groups(check: CohortCheck) -> tuple[Table, ...]:
    if not check.groups:
        return ()
    rows = tuple(
        (Cell(", ".join(each.patients), "warning"), Cell(each.reason)) for each in check.groups
    )
    return (Table((Column("Patients"), Column("Why", wide=True)), rows),)


def _cards(check: CohortCheck, by_line: dict[int, list[Outlier]]) -> Iterable[Card]:
    notes: dict[int, list[Note]] = {}
    for mark, findings in (("problem", check.problems), ("warning", check.warnings)):
        for each in findings:
            text = f"{each.column} {each.message}".strip()
            notes.setdefault(each.line, []).append(Note(mark, text))  # type: ignore[arg-type]
    lines = {row.name: row.line for row in check.rows}
    for copies in check.copies:
        for name in copies.patients:
            notes.setdefault(lines[name], []).append(
                Note("warning", f"{copies.kind}: {scans_text(copies)}")
            )
    for line, outliers in by_line.items():
        notes.setdefault(line, []).extend(
            Note("warning", f"{each.column} {each.reason}") for each in outliers
        )
    for row in check.rows:
        yield Card(
            row.name,
            row.label or "",
            row.center,
            row.line,
            tuple(picture(each, row.name) for each in row.thumbnails),
            tuple(_facts(row)),
            tuple(notes.get(row.line, ())),
        )


def _facts(row: RowCheck) -> Iterable[str]:
    for facts in row.scans:
        matrix = " x ".join(map(str, facts.shape))
        spacing = " x ".join(f"{step:.2f}" for step in facts.spacing)
        yield f"{facts.modality.upper()} {matrix}, {spacing} mm"
    if row.roi is not None:
        region = f"region {row.roi.volume_ml:.2f} ml ({row.roi.kind})"
        shared = (
            "" if row.overlap_percent is None else f", T1 covers {row.overlap_percent:.0f} % of T2"
        )
        yield region + shared
