"""Which class was taken for which: confusion matrices of the pooled out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.answers import confusion_matrix
from cystgrid.outputs.panels import PANELS_PER_ROW, shortened
from cystgrid.outputs.style import SEQUENTIAL, SMALLEST_TEXT, figure_style, write_figure

CELL_INCHES = 0.62
LETTER_INCHES = 0.08
"""Cells grow with the longest class name, which stands below one."""

PANEL_EDGES_INCHES = (0.7, 1.1)
"""What a panel's labels and title take beside and above its cells."""

TITLE_LETTER_INCHES, TITLE_LINE_INCHES = 0.078, 0.17
"""Of the titles' font; one that is wider than its cells is broken before the inputs."""

FOOTNOTE_INCHES = 0.6
DARK = 0.7
"""Share of a row above which its cell is dark enough for white text."""

FOOTNOTE = "Out of fold; % of the true class.\nTop: balanced accuracy [95 % CI]."


def draw_confusion_matrices(evaluation: Evaluation, path: Path) -> Path:
    """Draw one panel a method: patients, and per cent of the true class, in each cell.

    Args:
        evaluation: of out-of-fold predictions; all folds, and repeats, are taken together.
        path: PNG to write.

    Returns:
        ``path``.
    """
    methods, classes = evaluation.methods, evaluation.classes
    across = min(len(methods), PANELS_PER_ROW)
    down = -(-len(methods) // across)
    side = len(classes) * max(CELL_INCHES, LETTER_INCHES * max(map(len, classes)))
    titles = [shortened(method.name, int(side / TITLE_LETTER_INCHES)) for method in methods]
    broken = any("\n" in title for title in titles)
    with figure_style():
        width, height = (side + edge for edge in PANEL_EDGES_INCHES)
        height += TITLE_LINE_INCHES * broken
        size = (across * width, down * height + FOOTNOTE_INCHES)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes, method, title in zip(panels, methods, titles, strict=False):
            truth, predicted, _ = evaluation.arrays(method.rows)
            confusion = confusion_matrix(truth, predicted, len(classes))
            _draw_matrix(axes, confusion, classes)
            pooled = evaluation.intervals[method.name]["balanced_accuracy"]
            axes.set_title(
                f"{title}\n{method.rows['patient'].nunique()} patients\n"
                f"{pooled.estimate:.2f} [{pooled.low:.2f}, {pooled.high:.2f}]"
            )
        for axes in panels[len(methods) :]:
            axes.remove()
        write_figure(figure, path, FOOTNOTE)
    return path


def _draw_matrix(axes: Axes, confusion: NDArray[np.int64], classes: Sequence[str]) -> None:
    """``confusion`` is ``(classes, classes)``, rows true; shaded by the share of each row."""
    patients = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, patients, out=np.zeros(confusion.shape), where=patients > 0)
    # "auto": the figure is sized for square cells, and a fixed aspect would overrule the layout
    axes.imshow(share, cmap=SEQUENTIAL, vmin=0.0, vmax=1.0, aspect="auto")
    for (true, predicted), count in np.ndenumerate(confusion):
        part = share[true, predicted]
        per_cent = f"{100 * part:.0f} %" if patients[true, 0] else "-"
        axes.text(
            predicted,
            true,
            f"{count}\n{per_cent}",
            ha="center",
            va="center",
            fontsize=SMALLEST_TEXT + 1,
            color="white" if part > DARK else "black",
        )
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes, rotation=90, va="center")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
