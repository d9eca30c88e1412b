"""Printed tables read back: what was printed is what a report shows."""

import pytest

from cystgrid.errors import StoreError
from cystgrid.evaluation.rendering import Cell, PrintedTable, markdown
from cystgrid.outputs.report.printed import parse_markdown, printed_table

ODD = ("a|b", "*c*", "_d_ e_f", "<g>", "[h]", "back\\slash", "`i`", "**bold**")


def test_names_of_any_letters_and_figures_come_back():
    printed = PrintedTable(
        ("Method",),
        tuple((name,) for name in ODD),
        ("Score | one", "p"),
        tuple((Cell("0.70", "± 0.11", best=n % 2 == 0), Cell("<0.001", "(0.2)")) for n in range(8)),
        "A caption with [brackets] and *stars*. Research use only. Not for clinical decisions.",
        ("a note of vit_tiny|x",),
    )
    heads, rows, notes = parse_markdown(markdown(printed), "here")
    assert heads == ("Method", "Score | one", "p")
    assert [row[0].text for row in rows] == list(ODD)
    assert {row[1].text for row in rows} == {"0.70 ± 0.11"}
    assert [row[1].strong for row in rows] == [n % 2 == 0 for n in range(8)]
    assert {row[2].text for row in rows} == {"<0.001 (0.2)"}
    assert notes == ("A caption with [brackets] and *stars*.", "a note of vit_tiny|x")


def test_columns_of_figures_are_known_and_none_is_none(tmp_path):
    assert printed_table(tmp_path, "table1", "Table I") is None
    (tmp_path / "tables").mkdir()
    text = (
        "| Method | Score | n |\n|---|---|---|\n| a | 0.5 ± 0.1 | -- |\n| 2 | -0.2 [-1, 1] | 3 |\n"
    )
    (tmp_path / "tables/table1.md").write_text(text)
    (tmp_path / "tables/table1.csv").write_text("method,score\na,0.5\n")
    table = printed_table(tmp_path, "table1", "Table I")
    assert [head.number for head in table.heads] == [False, True, True]
    assert table.csv == "method,score\na,0.5\n"


@pytest.mark.parametrize("text", ["", "nothing", "| a |\n", "| a | b |\n|---|---|\n| 1 |\n"])
def test_another_file_is_refused(text):
    with pytest.raises(StoreError, match="run cystgrid tables again"):
        parse_markdown(text, "here")
