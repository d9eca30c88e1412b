"""Small multiples: one panel a method, all on the same axes, so that ten stay legible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cystgrid.outputs.style import figure_style, write_figure

PANELS_PER_ROW = 3
PANEL_INCHES = (2.5, 2.4)
FOOTNOTE_INCHES = 0.6
LETTERS_PER_LINE = 34
"""Of a title above a panel."""


@contextmanager
def panels(
    titles: Sequence[str],
    path: Path,
    labels: tuple[str, str],
    footnote: str,
    inches: tuple[float, float] = PANEL_INCHES,
) -> Iterator[Sequence[Axes]]:
    """Panels to draw in, written when the block ends.

    Args:
        titles: of the panels, one each.
        path: PNG to write.
        labels: of the horizontal and the vertical axis, at the outer panels only.
        footnote: what a reader must know.
        inches: width and height of a panel.
    """
    across = min(len(titles), PANELS_PER_ROW)
    down = -(-len(titles) // across)
    with figure_style():
        width = max(across, 2) * inches[0]
        figure = Figure(figsize=(width, down * inches[1] + FOOTNOTE_INCHES), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
        for number, one in enumerate(axes):
            if number >= len(titles):
                one.remove()
                continue
            one.set_title(shortened(titles[number]))
            last_of_column = number + across >= len(titles)
            one.set_xlabel(labels[0] if last_of_column else "")
            one.tick_params(labelbottom=last_of_column)
            one.set_ylabel(labels[1] if number % across == 0 else "")
        yield list(axes[: len(titles)])
        write_figure(figure, path, footnote)


def shortened(name: str, letters: int = LETTERS_PER_LINE) -> str:
    """A method's name on one line, or on two where its inputs would not fit."""
    if len(name) <= letters or " (" not in name:
        return name
    return name.replace(" (", "\n(", 1)


def unit_square(axes: Axes) -> None:
    """Both axes from 0 to 1, with few marks."""
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.set_xticks(np.linspace(0.0, 1.0, 5), ["0", "", "0.5", "", "1"])
    axes.set_yticks(np.linspace(0.0, 1.0, 5), ["0", "", "0.5", "", "1"])
