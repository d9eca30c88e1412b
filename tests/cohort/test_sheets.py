"""Tables of others: read as text within bounds, or refused with the place."""

import zipfile
from datetime import datetime

import pytest
from openpyxl import Workbook

from cystgrid.cohort import sheets
from cystgrid.cohort.sheets import read_csv, read_json, read_xlsx
from cystgrid.errors import CohortError


@pytest.fixture
def book(tmp_path):
    def _write(rows):
        workbook = Workbook()
        for row in rows:
            workbook.active.append(row)
        workbook.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    return _write


def test_cells_become_text_and_empty_rows_go(book):
    rows = [["id", "risk", "when"], ["a ", 2.0, datetime(2020, 1, 2)], [None, None, None], [7, 1.5]]
    table = read_xlsx(book(rows), 2)
    assert table.header == ("id", "risk", "when")
    assert table.rows == (("a", "2", "2020-01-02 00:00:00"), ("7", "1.5", ""))
    assert table.column(1) == ["2", "1.5"]


def test_a_formula_is_refused_where_it_would_be_used(book):
    path = book([["id", "risk"], ["a", "=2"]])
    assert read_xlsx(path, 1).column(0) == ["a"]
    with pytest.raises(CohortError, match="row 2, column 2: got a formula"):
        read_xlsx(path, 2)


def test_csv_with_and_without_mark_and_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffid,label\r\na, 1\r\n\r\nb\r\n".encode())
    assert read_csv(path).rows == (("a", "1"), ("b", ""))
    assert read_csv(path, header=False).header == ("0", "1")
    assert len(read_csv(path, header=False).rows) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 columns"),
        (b"a,b\n1,2,3\n", "row 2: got 3 cells, expected 2"),
        (b'a,b\n"1,2\n', "cannot be read"),
        (b"a\xff,b\n", "cannot be read"),
    ],
)
def test_other_csv_is_one_error(tmp_path, content, words):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(CohortError, match=words):
        read_csv(tmp_path / "a.csv", 2)


def test_tables_that_are_too_large_are_refused_before_they_are_read(tmp_path, book, monkeypatch):
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(sheets.MAX_TABLE_BYTES + 1))
    with pytest.raises(CohortError, match="once inflated"):
        read_xlsx(bomb, 1)
    monkeypatch.setattr(sheets, "MAX_ROWS", 2)
    with pytest.raises(CohortError, match="more than 2 rows"):
        read_xlsx(book([["id"], ["a"], ["b"]]), 1)
    monkeypatch.setattr(sheets, "MAX_TABLE_BYTES", 3)
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(CohortError, match="6 bytes, expected at most 3"):
        read_json(tmp_path / "a.json")
