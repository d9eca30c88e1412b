"""Studies that were found, as a table for a terminal and as a file."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cystgrid.cohort.cells import UNSEEN, inert
from cystgrid.errors import UsageError
from cystgrid.pacs.rows import StudyRow
from cystgrid.provenance import json_text, write_text

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS: dict[str, Callable[[StudyRow], str]] = {
    "patient": lambda row: row.patient,
    "date": lambda row: row.date,
    "modalities": lambda row: "/".join(row.modalities),
    "description": lambda row: row.description,
    "series": lambda row: "" if row.series is None else str(row.series),
    "instances": lambda row: "" if row.instances is None else str(row.instances),
    "study_uid": lambda row: row.study_uid,
}


def study_table(rows: Sequence[StudyRow]) -> Table:
    """A row a study; text from headers is shown as it is, without markup and control characters."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(Text(_visible(show(row))) for show in COLUMNS.values()))
    return table


def check_listing(path: Path) -> None:
    """Refuse a file's name that says nothing known of its form.

    Raises:
        UsageError: it ends neither in ``.csv`` nor in ``.json``.
    """
    if path.suffix.lower() not in (".csv", ".json"):
        raise UsageError(
            "--output", got=path.suffix or "no ending", expected=".csv or .json",
            do="name the file so",
        )  # fmt: skip


def write_listing(rows: Sequence[StudyRow], path: Path) -> None:
    """Write the studies as CSV or JSON, as the file's name ends.

    Raises:
        UsageError: as ``check_listing``.
    """
    check_listing(path)
    lines = [{name: show(row) for name, show in COLUMNS.items()} for row in rows]
    if path.suffix.lower() == ".json":
        write_text(path, json_text(lines))
        return
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: inert(_visible(value)) for name, value in line.items()})
    write_text(path, stream.getvalue())


def _visible(text: str) -> str:
    return "".join(" " if unicodedata.category(each) in UNSEEN else each for each in text)
