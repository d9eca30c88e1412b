"""How figures look: legible in print, safe for colour-blind readers, same bytes twice."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cystgrid.provenance import NOTICE, write_bytes

DOTS_PER_INCH = 200
SMALLEST_TEXT = 8
"""Points, at the figure's own size; the usual lower limit of journals."""

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
"""Told apart with any colour vision (Okabe & Ito 2008)."""

COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of classes, in their order: the rest of the same palette after the first three."""

LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 2)))
"""With the colours, so that lines are told apart in grey too."""

SEQUENTIAL = "Blues"
"""One hue from light to dark: read alike in grey and with any colour vision."""

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": SMALLEST_TEXT,
    "ytick.labelsize": SMALLEST_TEXT,
    "legend.fontsize": SMALLEST_TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a "$" in a model's name is a dollar
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw with our style on matplotlib's defaults, whatever the user's own settings are."""
    with matplotlib.style.context(["default", STYLE]):
        yield


LETTERS_AN_INCH = 16
"""Of the smallest text, as its letters mostly are wide: longer lines of a footnote are broken."""


LINE_INCHES = SMALLEST_TEXT * 1.2 / 72
"""Height of a line of the smallest text."""


def footnote_lines(width: float, footnote: str = "") -> list[str]:
    """What stands below a figure of so many inches, broken into lines; the notice is last."""
    letters = int(width * LETTERS_AN_INCH)
    lines = [*footnote.splitlines(), NOTICE]
    return [part for line in lines for part in textwrap.wrap(line, letters) or [""]]


def write_figure(figure: Figure, path: Path, footnote: str = "") -> None:
    """Write a PNG with the research notice below the figure; no date and no version in it.

    Args:
        figure: drawn within ``figure_style``, with the constrained layout.
        path: PNG to write, whole or not at all.
        footnote: what a reader must know, above the notice.
    """
    text = "\n".join(footnote_lines(figure.get_figwidth(), footnote))
    figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALLEST_TEXT, color="0.3")
    content = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    write_bytes(path, content.getvalue())
