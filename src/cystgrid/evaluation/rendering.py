"""A table of means and deviations as Markdown, LaTeX and on a terminal, laid out as the paper's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from rich.table import Table

DIGITS = 2
"""As the paper prints its figures; the CSV has them all."""

HEADINGS = {
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "balanced_accuracy": "Balanced accuracy",
    "auc": "AUC",
    "kappa": "Kappa",
    "pooled_balanced_accuracy": "Pooled [95 % CI]",
}
POOLED = "pooled_balanced_accuracy"
UNDEFINED = "--"

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
        "[": "{[}",  # bare, it would be an option of the line break before it
        "]": "{]}",
    }
)
MARKDOWN_MARKS = re.compile(r"[\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])")
r"""What Markdown reads as marks; an underscore within a word, as in ``vit_tiny``, is not one."""


@dataclass(frozen=True)
class Cell:
    """A figure and what follows it: ``0.70`` and ``± 0.11``, or ``[0.61, 0.78]``."""

    value: str
    spread: str = ""
    best: bool = False


@dataclass(frozen=True)
class PrintedTable:
    """A table as text: headings of the columns after the first, and one list of cells a method."""

    methods: tuple[str, ...]
    headings: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    caption: str
    notes: tuple[str, ...]


def printed(table: pd.DataFrame, caption: str, notes: Sequence[str]) -> PrintedTable:
    """Round and mark the best of each column.

    Args:
        table: as ``tables.table1`` gives it.
        caption: one paragraph.
        notes: one sentence each.
    """
    columns = [_column(table, metric) for metric in HEADINGS]
    return PrintedTable(
        tuple(table["method"]),
        tuple(HEADINGS.values()),
        tuple(zip(*columns, strict=True)),
        caption,
        tuple(notes),
    )


def markdown(table: PrintedTable) -> str:
    """A Markdown table whose columns line up as plain text too, caption and notes below."""
    rows = [["Method", *table.headings]]
    for method, cells in zip(table.methods, table.cells, strict=True):
        rows.append([_markdown(method), *map(_markdown_cell, cells)])
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

    Args:
        table: what to print.
        label: for ``\ref``.
    """
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table*}",
        r"\centering\small",
        rf"\caption{{{table.caption.translate(LATEX_ESCAPES)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'c' * len(table.headings)}}}",
        r"\toprule",
        " & ".join(["Method", *(name.translate(LATEX_ESCAPES) for name in table.headings)])
        + r" \\",
        r"\midrule",
    ]
    for method, cells in zip(table.methods, table.cells, strict=True):
        lines.append(
            " & ".join([method.translate(LATEX_ESCAPES), *map(_latex_cell, cells)]) + r" \\"
        )
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {note.translate(LATEX_ESCAPES)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def console(table: PrintedTable) -> Table:
    """A ``rich`` table for 80 columns: deviations and intervals stand below their figures."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    caption = Text("\n".join([table.caption, *(f"- {note}" for note in table.notes)]))
    shown = Table(box=box.SIMPLE_HEAD, padding=0, caption=caption, caption_justify="left")
    shown.add_column("Method", overflow="fold")
    for heading in table.headings:
        shown.add_column(Text(heading.replace(" ", "\n", 1)), no_wrap=True)
    for method, cells in zip(table.methods, table.cells, strict=True):
        texts = [Text(cell.value, style="bold" if cell.best else "") for cell in cells]
        for text, cell in zip(texts, cells, strict=True):
            text.append(f"\n{cell.spread.replace('± ', '±')}", style="not bold")
        shown.add_row(Text(method), *texts)
    return shown


def _column(table: pd.DataFrame, metric: str) -> list[Cell]:
    """One column's cells; with several methods, those that print the highest figure are best."""
    if metric == POOLED:
        values = [_figure(value) for value in table[metric]]
        spreads = [
            f"[{_figure(low)}, {_figure(high)}]"
            for low, high in zip(table[f"{metric}_low"], table[f"{metric}_high"], strict=True)
        ]
    else:
        values = [_figure(value) for value in table[f"{metric}_mean"]]
        spreads = ["" if pd.isna(sd) else f"± {_figure(sd)}" for sd in table[f"{metric}_sd"]]
    figures = [float(value) for value in values if value != UNDEFINED]
    best = f"{max(figures):.{DIGITS}f}" if figures and len(values) > 1 else None
    return [Cell(v, spread, v == best) for v, spread in zip(values, spreads, strict=True)]


def _figure(value: float) -> str:
    if pd.isna(value):
        return UNDEFINED
    return f"{round(value, DIGITS) + 0.0:.{DIGITS}f}"  # + 0.0 turns -0.00 into 0.00


def _markdown(text: str) -> str:
    return MARKDOWN_MARKS.sub(lambda mark: "\\" + mark.group(), text)


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    return f"{value} {cell.spread}".rstrip()


def _latex_cell(cell: Cell) -> str:
    if cell.value == UNDEFINED:
        return UNDEFINED
    value = rf"\mathbf{{{cell.value}}}" if cell.best else cell.value
    if cell.spread.startswith("±"):
        return f"${value} {cell.spread.replace('±', chr(92) + 'pm')}$"
    return f"${value}$ ${cell.spread}$" if cell.spread else f"${value}$"
