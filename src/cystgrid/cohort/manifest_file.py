"""The file beneath ``cohort.csv``: its lines and the names of its columns."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from cystgrid.errors import CohortError, path_text

REQUIRED_COLUMNS = ("patient", "label", "t1", "t2", "roi")
TEXT_COLUMNS = ("patient", "label", "center", "group", "sex", "age")
"""Columns whose text may be shown, or written where a spreadsheet opens it."""

MANIFEST = "cohort.csv"
"""How a manifest is mostly called."""

EXPECTED = f"a {MANIFEST}: the file that lists the patients"

MAX_BYTES = 2**26
"""Of a manifest: 64 MiB, room for 100,000 patients with paths of 200 characters."""

LINE_END = re.compile(r"\r\n|\r|\n")


def manifest_lines(path: Path) -> list[str]:
    """The file's lines, at least one, without a byte-order mark (it means nothing in UTF-8).

    Raises:
        CohortError: no such file, a folder, too large, or not UTF-8.
    """
    if path.is_dir():
        raise _folder_instead(path)
    if not path.is_file():
        raise CohortError(path, got="no such file", expected=EXPECTED, do="check the path")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CohortError(
            path,
            got=f"{size} bytes",
            expected=f"at most {MAX_BYTES}",
            do="check that this is the manifest",
        )
    try:
        return LINE_END.split(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise CohortError(
            path,
            got=f"a byte that is not UTF-8 at position {error.start}",
            expected="UTF-8 text",
            do="save the file as CSV UTF-8",
        ) from error


def _folder_instead(folder: Path) -> CohortError:
    inside = folder / MANIFEST
    do = (
        f"give {path_text(inside)}"
        if inside.is_file()
        else f"give the file itself; there is no {MANIFEST} in this folder, and "
        "`cystgrid cohort import` builds one from scans"
    )
    return CohortError(folder, got="a folder", expected=EXPECTED, do=do)


def cells_of(line: str) -> list[str]:
    """The cells of one line.

    Raises:
        csv.Error: a quote that is not closed.
    """
    return next(csv.reader([line], strict=True), [])


def column_names(path: Path, line: str) -> list[str]:
    """The column names; a first line that is none is not shown: it may hold a row's paths.

    Raises:
        CohortError: a required column is missing, or one stands there twice.
    """
    try:
        header = [name.strip() for name in cells_of(line)]
    except csv.Error:
        header = []
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    twice = [
        name for name in (*REQUIRED_COLUMNS, *TEXT_COLUMNS, "lesion") if header.count(name) > 1
    ]
    if not missing and not twice:
        return header
    got = f"no column {', '.join(missing)}" if missing else f"the column {twice[0]} twice"
    raise CohortError(
        f"{path_text(path)}: header",
        got=got + _header_hint(header, line),
        expected=f"the columns {','.join(REQUIRED_COLUMNS)}, each once, separated by commas",
        do="make the first line the header row, one name a column",
    )


def _header_hint(header: list[str], line: str) -> str:
    if ";" in line and len(header) == 1:
        return " (the columns seem separated by ';': save the file as CSV with commas)"
    if "\t" in line and len(header) == 1:
        return " (the columns seem separated by tabs: save the file as CSV with commas)"
    if line.strip().casefold().startswith("sep="):
        return " (the first line is Excel's `sep=`: take it out)"
    lower = {name.casefold() for name in header}
    if lower >= set(REQUIRED_COLUMNS) and not set(header) >= set(REQUIRED_COLUMNS):
        return " (column names are in lower case)"
    return ""
