"""The rows of a CSV file as stripped text, each with its line number; the strictness is shared."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from cystgrid.evaluation.checking import Faults, NumberedRow, PredictionsError


def read_rows(path: Path, what: str = "a predictions file") -> tuple[list[str], list[NumberedRow]]:
    """The header, and the rows as stripped text, each with its line number.

    Args:
        path: a CSV file, UTF-8, with a header row.
        what: it should be, for messages.

    Raises:
        PredictionsError: no such file, not UTF-8, not CSV, or rows of another length.
    """
    if not path.is_file():
        raise PredictionsError(path, got="no such file", expected=what, do="check the path")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Excel's byte-order mark carries no meaning
    except UnicodeDecodeError as error:
        raise PredictionsError(
            path,
            got=f"a byte that is not UTF-8 at position {error.start}",
            expected="UTF-8 text",
            do="save the file as CSV UTF-8",
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    faults = Faults(path)
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = list(_numbered(reader, header, faults))
    except csv.Error as error:
        raise PredictionsError(
            f"{path}: line {reader.line_num}",
            got=str(error),
            expected="well-formed CSV",
            do="correct this line",
        ) from error
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise PredictionsError(
            f"{path}: header",
            got=f"the column {repeated[0]!r} {header.count(repeated[0])} times",
            expected="each column once",
            do="rename or remove one",
        )
    if len(header) > 1:  # of one column only, a wrong separator is what has to be told
        faults.raise_if_any()
    return header, rows


def _numbered(
    reader: Iterator[list[str]], header: Sequence[str], faults: Faults
) -> Iterator[NumberedRow]:
    for cells in reader:
        line: int = reader.line_num  # type: ignore[attr-defined]
        if len(cells) == len(header):
            yield line, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        elif cells:  # an empty line is no row
            faults.add(line, f"{len(cells)} cells under {len(header)} columns")
