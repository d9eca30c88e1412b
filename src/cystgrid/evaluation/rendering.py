"""A table of figures as Markdown, LaTeX and on a terminal, laid out as the paper's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from cystgrid.provenance import write_text

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

DIGITS = 2
"""As the paper prints its figures; the CSV has them all."""

P_DIGITS = 3
UNDEFINED = "--"
TERMINAL = 80
"""Columns of a terminal that everybody has."""

LONGEST_TABLE = 40
"""Rows that still fit a page; a longer table is broken over pages."""

LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "<": r"$<$",
        ">": r"$>$",
        "[": "{[}",  # bare, it would be an option of the line break before it
        "]": "{]}",
    }
)
MARKDOWN_MARKS = re.compile(r"[\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])")
r"""What Markdown reads as marks; an underscore within a word, as in ``vit_tiny``, is not one."""

Best = Literal["highest", "lowest"]


@dataclass(frozen=True)
class Cell:
    """A figure and what follows it: ``0.70`` and ``± 0.11``, or ``[0.61, 0.78]``."""

    value: str
    spread: str = ""
    best: bool = False


Column = list[Cell]


@dataclass(frozen=True)
class PrintedTable:
    """A table as text.

    Attributes:
        stub: headings of the columns that name a row.
        rows: what stands in them, one tuple a row.
        headings: of the columns of figures.
        cells: one tuple a row.
        caption: one paragraph.
        notes: one sentence each.
    """

    stub: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    headings: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    caption: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TableFile:
    """A table to be written: every digit, and as text.

    Attributes:
        name: of the files, without suffix.
        data: what the CSV holds.
        printed: what Markdown and LaTeX hold.
    """

    name: str
    data: pd.DataFrame
    printed: PrintedTable

    def paths(self, folder: Path) -> list[Path]:
        """Of ``name.csv``, ``name.md`` and ``name.tex``."""
        return table_paths(folder, self.name)

    def write(self, folder: Path) -> list[Path]:
        """Write its files; returns their paths."""
        texts = (
            csv_text(self.data),
            markdown(self.printed),
            latex(self.printed, label=f"tab:{self.name}"),
        )
        for path, text in zip(self.paths(folder), texts, strict=True):
            write_text(path, text)
        return self.paths(folder)


def table_paths(folder: Path, name: str) -> list[Path]:
    """The files of a table of this name."""
    return [folder / f"{name}{suffix}" for suffix in (".csv", ".md", ".tex")]


def csv_text(data: pd.DataFrame) -> str:
    """Every digit; undefined figures are empty cells."""
    return data.to_csv(index=False, lineterminator="\n")


def printed(
    stub: Mapping[str, Iterable[object]],
    columns: Mapping[str, Column],
    caption: Sequence[str],
    notes: Sequence[str] = (),
) -> PrintedTable:
    """Put columns together.

    Args:
        stub: heading to what names the rows.
        columns: heading to cells.
        caption: sentences without their full stops.
        notes: one sentence each.
    """
    return PrintedTable(
        tuple(stub),
        tuple(zip(*([str(name) for name in names] for names in stub.values()), strict=True)),
        tuple(columns),
        tuple(zip(*columns.values(), strict=True)),
        " ".join(sentence if sentence.endswith(".") else f"{sentence}." for sentence in caption),
        tuple(notes),
    )


def with_deviations(
    means: Iterable[float], deviations: Iterable[float], best: Best | None = "highest"
) -> Column:
    """``0.70 ± 0.11``."""
    spreads = ["" if pd.isna(sd) else f"± {figure(sd)}" for sd in deviations]
    return _marked([figure(mean) for mean in means], spreads, best)


def with_limits(
    values: Iterable[float],
    low: Iterable[float],
    high: Iterable[float],
    best: Best | None = "highest",
) -> Column:
    """``0.70 [0.61, 0.78]``."""
    spreads = [
        "" if pd.isna(lower) else f"[{figure(lower)}, {figure(upper)}]"
        for lower, upper in zip(low, high, strict=True)
    ]
    return _marked([figure(value) for value in values], spreads, best)


def plain(values: Iterable[float], best: Best | None = None) -> Column:
    """``0.70``."""
    texts = [figure(value) for value in values]
    return _marked(texts, [""] * len(texts), best)


def counts(values: Iterable[object]) -> Column:
    """``139``; text stays as it is."""
    return [Cell(str(value)) for value in values]


def with_corrected(
    values: Iterable[float], corrected: Iterable[float], bold_below: float
) -> Column:
    """``0.011 (0.155)``: p-values, bold where the corrected one lies below a level."""
    return [
        Cell(UNDEFINED) if pd.isna(p) else Cell(p_text(p), f"({p_text(other)})", other < bold_below)
        for p, other in zip(values, corrected, strict=True)
    ]


def p_text(value: float) -> str:
    """A p-value with the printed digits; a smaller one is said to be below them."""
    least = 10.0**-P_DIGITS
    return f"<{least:.{P_DIGITS}f}" if value < least else f"{value:.{P_DIGITS}f}"


def figure(value: float) -> str:
    """A figure with the printed digits; ``--`` where it is undefined."""
    if pd.isna(value):
        return UNDEFINED
    return f"{round(value, DIGITS) + 0.0:.{DIGITS}f}"  # + 0.0 turns -0.00 into 0.00


def markdown(table: PrintedTable) -> str:
    """A Markdown table whose columns line up as plain text too, caption and notes below."""
    rows = [[*map(_markdown, (*table.stub, *table.headings))]]
    for names, cells in zip(table.rows, table.cells, strict=True):
        rows.append([*map(_markdown, names), *map(_markdown_cell, cells)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    lines += ["", _markdown(table.caption)]
    if table.notes:
        lines += ["", *(f"- {_markdown(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def latex(table: PrintedTable, label: str) -> str:
    r"""A ``table*`` for the ``booktabs`` package, caption above as the paper has it.

    A table longer than a page is a ``longtable``, which breaks over pages.

    Args:
        table: what to print.
        label: for ``\ref``.
    """
    long = len(table.rows) > LONGEST_TABLE
    columns = f"{{{'l' * len(table.stub)}{'c' * len(table.headings)}}}"
    caption = rf"\caption{{{_latex(table.caption)}}}"
    head = " & ".join(map(_latex, (*table.stub, *table.headings))) + r" \\"
    body = [
        " & ".join([*map(_latex, names), *map(_latex_cell, cells)]) + r" \\"
        for names, cells in zip(table.rows, table.cells, strict=True)
    ]
    notes = [rf"\par\footnotesize {_latex(note)}" for note in table.notes]
    label = rf"\label{{{label}}}"
    if long:
        return _lines(
            r"% needs \usepackage{booktabs,longtable}",
            r"\begingroup\small",
            rf"\begin{{longtable}}{columns}",
            rf"{caption}{label}\\",
            *(r"\toprule", head, r"\midrule", r"\endhead"),
            *(*body, r"\bottomrule", r"\end{longtable}", *notes, r"\endgroup"),
        )
    return _lines(
        r"% needs \usepackage{booktabs}",
        *(r"\begin{table*}", r"\centering\small", caption, label),
        rf"\begin{{tabular}}{columns}",
        *(r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"),
        *(*notes, r"\end{table*}"),
    )


def console(table: PrintedTable, title: str) -> Group:
    """A table for a terminal of 80 columns, with its title.

    Deviations stand below their figures, intervals behind them. What does not fit side by side
    stands one below the other: columns of means, then columns of intervals.
    """
    from rich.console import Group
    from rich.text import Text

    caption = Text("\n".join([table.caption, *(f"- {note}" for note in table.notes)]))
    blocks = [_block(table, columns) for columns in _side_by_side(table)]
    return Group(Text(title, style="bold"), *blocks, caption)


def _block(table: PrintedTable, columns: Sequence[int]) -> Table:
    """The names of the rows, and some columns of figures."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, padding=0)
    for heading in table.stub:
        shown.add_column(heading, overflow="fold")
    for column in columns:
        shown.add_column(Text(table.headings[column].replace(" ", "\n")), no_wrap=True)
    for names, cells in zip(table.rows, table.cells, strict=True):
        texts = []
        for cell in (cells[column] for column in columns):
            text = Text(cell.value, style="bold" if cell.best else "")
            texts.append(text.append(_behind(cell), style="not bold"))
        shown.add_row(*map(Text, names), *texts)
    return shown


def _behind(cell: Cell) -> str:
    """What follows a figure: a deviation below it, an interval beside it."""
    if _is_interval(cell):
        return f" {cell.spread}"
    return "\n" + cell.spread.replace("± ", "±")


def _is_interval(cell: Cell) -> bool:
    return cell.spread.startswith("[")


def _side_by_side(table: PrintedTable) -> list[list[int]]:
    """Numbers of the columns of figures that fit a terminal together, with the rows' names."""
    by_column = list(zip(*table.cells, strict=True)) or [()] * len(table.headings)
    kinds = [any(map(_is_interval, cells)) for cells in by_column]
    widths = [
        max(len(line) for line in [*heading.split(), *_lines_of(cells)])
        for heading, cells in zip(table.headings, by_column, strict=True)
    ]
    names = sum(max(map(len, each)) + 1 for each in zip(table.stub, *table.rows, strict=True))
    if names + sum(widths) + len(widths) < TERMINAL:
        return [list(range(len(widths)))]
    blocks: list[list[int]] = []
    for column, kind in enumerate(kinds):
        last = blocks[-1] if blocks else []
        used = names + sum(widths[number] + 1 for number in [*last, column])
        if last and kinds[last[-1]] == kind and used < TERMINAL:
            last.append(column)
        else:
            blocks.append([column])
    return blocks


def _lines_of(cells: Iterable[Cell]) -> list[str]:
    return [line for cell in cells for line in f"{cell.value}{_behind(cell)}".splitlines()]


def _marked(texts: list[str], spreads: list[str], best: Best | None) -> Column:
    """With several rows, those that print the best figure are marked, ties alike."""
    figures = [float(text) for text in texts if text != UNDEFINED]
    if best is None or len(texts) < 2 or not figures:
        return [Cell(text, spread) for text, spread in zip(texts, spreads, strict=True)]
    mark = f"{max(figures) if best == 'highest' else min(figures):.{DIGITS}f}"
    return [Cell(text, spread, text == mark) for text, spread in zip(texts, spreads, strict=True)]


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _markdown(text: str) -> str:
    return MARKDOWN_MARKS.sub(lambda mark: "\\" + mark.group(), text)


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    return _markdown_bare(f"{value} {cell.spread}".rstrip())


def _markdown_bare(text: str) -> str:
    return text.replace("<", r"\<").replace("|", r"\|")


def _latex(text: str) -> str:
    return text.translate(LATEX_ESCAPES)


def _latex_cell(cell: Cell) -> str:
    if not re.fullmatch(r"<?-?[0-9.]+", cell.value):
        return _latex(f"{cell.value} {cell.spread}".rstrip())
    value = rf"\mathbf{{{cell.value}}}" if cell.best else cell.value
    if cell.spread.startswith("±"):
        return f"${value} {cell.spread.replace('±', chr(92) + 'pm')}$"
    return f"${value}$ ${cell.spread}$" if cell.spread else f"${value}$"
