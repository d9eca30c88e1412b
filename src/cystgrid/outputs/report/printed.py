"""A run's own tables, as it printed them: the Markdown file for what is seen, the CSV to take."""

from __future__ import annotations

import re
from pathlib import Path

from cystgrid.errors import StoreError
from cystgrid.outputs.report.model import Cell, Head, Table
from cystgrid.provenance import NOTICE

BAR = re.compile(r"(?<!\\)\|")
MARK = re.compile(r"\\(.)")
BOLD = re.compile(r"\*\*(.+?)\*\*")
NUMBER = re.compile(r"[<-]?\d[\d.]*( .*)?|--")
"""A figure, whatever follows it; ``--`` where it is undefined."""


def printed_table(folder: Path, name: str, title: str, *, folded: bool = False) -> Table | None:
    """One of RUN/tables; None where the run has none of this name.

    Args:
        folder: RUN.
        name: of the files, without suffix.
        title: above it.
        folded: closed at first.

    Raises:
        StoreError: the printed table is not one that cystgrid wrote.
    """
    path, data = folder / "tables" / f"{name}.md", folder / "tables" / f"{name}.csv"
    if not path.is_file() or not data.is_file():
        return None
    heads, rows, notes = parse_markdown(path.read_text("utf-8"), path)
    numbers = [all(NUMBER.fullmatch(row[n].text) for row in rows) for n in range(len(heads))]
    return Table(
        name,
        title,
        tuple(Head(head, number) for head, number in zip(heads, numbers, strict=True)),
        rows,
        f"tables/{name}.csv",
        data.read_text("utf-8"),
        tuple(note for note in notes if note),
        folded,
    )


def parse_markdown(
    text: str, where: object
) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...], tuple[str, ...]]:
    """Heads, rows and sentences below, of what ``evaluation.rendering.markdown`` wrote.

    Raises:
        StoreError: it is something else.
    """
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("|")]
    rows = [[cell.strip() for cell in BAR.split(line)[1:-1]] for line in table]
    if len(rows) < 2 or {len(row) for row in rows} != {len(rows[0])}:
        raise StoreError(
            where,
            got="something else",
            expected="a table that cystgrid tables wrote",
            do="run cystgrid tables again",
        )
    below = [line.removeprefix("- ") for line in lines if line and not line.startswith("|")]
    notes = [_plain(line).replace(NOTICE, "").strip() for line in below]
    cells = tuple(tuple(_cell(text) for text in row) for row in rows[2:])
    return tuple(_plain(head) for head in rows[0]), cells, tuple(notes)


def _cell(text: str) -> Cell:
    bold = BOLD.match(text)
    return Cell(_plain(BOLD.sub(r"\1", text, count=1) if bold else text), strong=bold is not None)


def _plain(text: str) -> str:
    return MARK.sub(r"\1", text)
