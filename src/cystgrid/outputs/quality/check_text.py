"""The check in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cystgrid.outputs.quality.check_page import scans_text
from cystgrid.outputs.quality.geometry import Summary, summaries
from cystgrid.preparation.check import CohortCheck

MOST_LINES = 200
"""Of each kind: what a terminal's reader still reads; the page shows more."""

SHOWN = ("Centre", "Scan", "Scans", "Matrix", "In-plane mm", "Slice mm", "Slices", "Outliers")


def check_lines(check: CohortCheck) -> str:
    """All problems first, by line; then geometry by centre, outliers, copies, groups, warnings."""
    lines = [
        f"{len(check.rows)} patients read, {check.fine} without a problem; "
        f"{_count(len(check.problems), 'problem')}, {_count(len(check.warnings), 'warning')}"
        + "".join(f", {n} {label} left out" for label, n in sorted(check.excluded.items()))
        + "".join(f", {merged}" for merged in check.merged)
    ]
    names = {row.line: row.name for row in check.rows}
    lines += _block("Problems", map(str, check.problems))
    lines += _block("Geometry", _table(check))
    outliers = (f"line {o.line}: {names[o.line]}: {o.column} {o.reason}" for o in check.outliers)
    lines += _block("Outliers", outliers)
    lines += _block("Copies", (f"{scans_text(each)}: {each.kind}" for each in check.copies))
    lines += _block(
        "Patients that should stand in one group",
        (f"{', '.join(each.patients)}: {each.reason}" for each in check.groups),
    )
    lines += _block("Warnings", map(str, check.warnings))
    lines += _block("Notes", check.notes)
    return "\n".join(lines)


def _count(count: int, name: str) -> str:
    return f"{count} {name}" + ("" if count == 1 else "s")


def _block(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    if not found:
        return []
    more = [f"  ... and {len(found) - MOST_LINES} more"] if len(found) > MOST_LINES else []
    return ["", title, *(f"  {line}" for line in found[:MOST_LINES]), *more]


def _table(check: CohortCheck) -> Sequence[str]:
    """The summary in columns, the first two flush left."""
    rows = [row.cells() for row in summaries(check)]
    if not rows:
        return []
    kept = [n for n, name in enumerate(Summary.HEADS) if name in SHOWN]
    table = [[row[n] for n in kept] for row in [Summary.HEADS, *rows]]
    widths = [max(len(row[n]) for row in table) for n in range(len(kept))]
    return [
        "  ".join(
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
