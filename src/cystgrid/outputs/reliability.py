"""Reliability curves: how often an answer is right, over how sure it was, before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.probabilities import bins
from cystgrid.outputs.panels import panels, unit_square
from cystgrid.outputs.style import BLUE, ORANGE, SMALLEST_TEXT

BAR_HEIGHT = 0.12
"""Of the axes: the longest bar of how many answers were how sure."""

PATIENTS_A_POINT = 25
"""At least, or nearly: a share of fewer jumps about too much to show a line."""

Values = NDArray[np.float64]

FOOTNOTE = (
    "Out of fold. Points: bins of equal numbers of patients; on the grey line an answer is right\n"
    "as often as it claims; below it the model is too sure. Bars: how many were how sure."
)


def draw_reliability(evaluation: Evaluation, path: Path, after: pd.DataFrame | None = None) -> Path:
    """Draw one panel a method: the probability of the answered class and the share it came true.

    Args:
        evaluation: of the predictions as they are.
        path: PNG to write.
        after: the calibrated rows of the same predictions; None if there are none.

    Returns:
        ``path``.
    """
    titles = [method.name for method in evaluation.methods]
    with panels(titles, path, ("probability of the answer", "share right"), FOOTNOTE) as axes:
        for one, method in zip(axes, evaluation.methods, strict=True):
            one.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
            _draw(one, evaluation, method.rows, BLUE, "o-", "as predicted")
            if after is not None:
                same = (after["model"] == method.model) & (after["inputs"] == method.inputs)
                if same.any():
                    _draw(one, evaluation, after[same], ORANGE, "s--", "after temperature")
            unit_square(one)
            one.legend(loc="upper left", fontsize=SMALLEST_TEXT - 0.5, borderaxespad=0.1)
    return path


def points(sure: Values, right: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Mean probability and share that came true, of each bin, by rising probability."""
    inside = bins(sure, PATIENTS_A_POINT)
    kept = np.unique(inside)
    return (
        np.array([sure[inside == number].mean() for number in kept]),
        np.array([right[inside == number].mean() for number in kept]),
    )


def _draw(
    axes: Axes,
    evaluation: Evaluation,
    rows: pd.DataFrame,
    color: str,
    style: str,
    label: str,
) -> None:
    truth, _, probabilities = evaluation.arrays(rows)
    sure = probabilities.max(axis=1)
    across, up = points(sure, probabilities.argmax(axis=1) == truth)
    axes.plot(
        across, up, style, color=color, markersize=3.5, linewidth=1.2, label=label, clip_on=False
    )
    counts, edges = np.histogram(sure, bins=20, range=(0.0, 1.0))
    axes.stairs(counts / counts.max() * BAR_HEIGHT, edges, color=color, linewidth=0.8)
