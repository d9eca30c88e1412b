"""Tables that others wrote (xlsx, CSV, JSON), read as text, whole, and within bounds."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cystgrid.errors import CohortError, path_text
from cystgrid.extras import require

MAX_TABLE_BYTES = 2**26
"""Of a table or its parts after inflating; the largest published one has 0.4 MB."""

MAX_ROWS = 200_000


@dataclass(frozen=True)
class Table:
    """A table's cells as stripped text, empty where there is nothing.

    Attributes:
        header: the first row.
        rows: the others, each as long as the header; rows without any text are left away.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, number: int) -> list[str]:
        """The cells of one column, without its name."""
        return [row[number] for row in self.rows]


def read_xlsx(path: Path, columns: int) -> Table:
    """Read the first sheet of a workbook; whole numbers are written without a decimal point.

    Args:
        path: an ``.xlsx`` file.
        columns: how many columns at least it has to have; formulas in these are refused, because
            what they come to is not in the file.

    Raises:
        SettingsError: openpyxl is not installed.
        CohortError: no such file, no workbook, too large, too few columns, or a formula.
    """
    require("sheets", "an .xlsx workbook", "openpyxl")
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    _check_inflated(path)
    try:
        book = load_workbook(path, read_only=True, data_only=False)
        try:
            rows = [
                tuple(_cell_text(cell, path, number, columns) for cell in row)
                for number, row in enumerate(_bounded(book.worksheets[0].iter_rows(), path), 1)
            ]
        finally:
            book.close()
    except CohortError:
        raise
    except (OSError, KeyError, ValueError, IndexError, SyntaxError, TypeError,
            InvalidFileException, zipfile.BadZipFile) as error:  # fmt: skip
        raise _unreadable(path, "an .xlsx workbook", error) from error
    return _table(rows, path, columns)


def read_csv(path: Path, columns: int = 1, header: bool = True) -> Table:
    """Read a comma-separated UTF-8 file, with or without a byte-order mark.

    Args:
        path: the file.
        columns: how many columns at least it has to have.
        header: whether the first row names the columns; else they are named by number.

    Raises:
        CohortError: no such file, too large, not UTF-8, not CSV, or too few columns.
    """
    try:
        text = _bytes(path).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [tuple(cell.strip() for cell in row) for row in _bounded(reader, path)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, "comma-separated UTF-8 text", error) from error
    if not header:
        width = max((len(row) for row in rows), default=0)
        rows = [tuple(str(number) for number in range(width)), *rows]
    return _table(rows, path, columns)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        CohortError: no such file, too large, or no JSON.
    """
    try:
        return json.loads(_bytes(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, "UTF-8 JSON", error) from error


def _bytes(path: Path) -> bytes:
    _check_size(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, "a file that may be read", error) from error


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise CohortError(
            path, got="no such file", expected="the table that belongs there", do="check the path"
        )
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise _too_large(path, f"{path.stat().st_size} bytes", f"{MAX_TABLE_BYTES}")


def _check_inflated(path: Path) -> None:
    _check_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable(path, "an .xlsx workbook", error) from error
    if size > MAX_TABLE_BYTES:
        raise _too_large(path, f"{size} bytes once inflated", f"{MAX_TABLE_BYTES}")


def _bounded(rows: Iterator[Any], path: Path) -> Iterator[Any]:
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            raise _too_large(path, f"more than {MAX_ROWS} rows", f"{MAX_ROWS} rows")
        yield row


def _cell_text(cell: Any, path: Path, line: int, columns: int) -> str:
    value = cell.value
    if cell.data_type == "f" and cell.column <= columns:
        raise CohortError(
            f"{path_text(path)}: row {line}, column {cell.column}",
            got="a formula",
            expected="text or a number",
            do="replace the formula by what it comes to",
        )
    if value is None:
        return ""
    if isinstance(value, float):
        if value != value:  # NaN, as pandas writes an empty cell
            return ""
        return str(int(value)) if value.is_integer() else str(value)
    return str(value).strip()


def _table(rows: list[tuple[str, ...]], path: Path, columns: int) -> Table:
    filled = [row for row in rows if any(row)]
    header = filled[0] if filled else ()
    if len(header) < columns:
        raise CohortError(
            f"{path_text(path)}: header",
            got=f"{len(header)} columns" + (f" ({', '.join(header)!a})" if header else ""),
            expected=f"at least {columns}",
            do="take the table as it was published",
        )
    width = len(header)
    longer = next((number for number, row in enumerate(filled, 1) if any(row[width:])), None)
    if longer is not None:
        raise CohortError(
            f"{path_text(path)}: row {longer}",
            got=f"{len(filled[longer - 1])} cells",
            expected=f"{width}, as in the first row",
            do="correct this row",
        )
    return Table(header, tuple((row + ("",) * (width - len(row)))[:width] for row in filled[1:]))


def _unreadable(path: Path, expected: str, error: Exception) -> CohortError:
    return CohortError(
        path,
        got=f"something that cannot be read ({type(error).__name__})",
        expected=expected,
        do="take the file as it was published, or save it anew in this form",
    )


def _too_large(path: Path, got: str, limit: str) -> CohortError:
    return CohortError(path, got=got, expected=f"at most {limit}", do="check the file")
