"""How the inner trainings went: losses and the score that chose the epoch, over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from cystgrid.outputs.style import BLUE, GREEN, ORANGE, figure_style, write_figure

SELECTION_METRIC = "validation_balanced_accuracy"
COLUMNS = ("epoch", "train_loss", "validation_loss", SELECTION_METRIC)
PANELS_PER_ROW = 3
PANEL_INCHES = (2.8, 4.0)
TICK_HEIGHTS = (0.03, 0.15)
"""Shares of the axes' height: at least, and for the epoch chosen most often."""


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """One inner training.

    Attributes:
        history: one row an epoch with ``COLUMNS``; NaN where an epoch was not validated.
        selected_epoch: the epoch whose weights were kept, one of ``history``'s.
    """

    history: pd.DataFrame
    selected_epoch: int

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.history]
        if missing:
            raise ValueError(f"a history without {missing}, expected the columns {COLUMNS}")
        if self.history["epoch"].duplicated().any():
            raise ValueError("an epoch stands twice in a history, expected one row an epoch")
        if self.selected_epoch not in set(self.history["epoch"]):
            raise ValueError(f"epoch {self.selected_epoch} was selected, but is not in the history")


def draw_training_curves(curves: Mapping[str, Sequence[TrainingCurve]], path: Path) -> Path:
    """Draw each model's losses above and its selection metric below.

    Each inner training is a thin line, their mean a thick one (as far as all of them have a
    value); ticks at the lower edge mark the epochs that were chosen, the higher the oftener.

    Args:
        curves: a model's name to its inner trainings, at least one each; drawn in this order.
        path: PNG to write.

    Returns:
        ``path``.

    Raises:
        ValueError: if there is nothing to draw.
    """
    if not curves or not all(curves.values()):
        raise ValueError(
            f"trainings {[len(c) for c in curves.values()]}, expected one or more each"
        )
    across = min(len(curves), PANELS_PER_ROW)
    down = -(-len(curves) // across)
    with figure_style():
        size = (across * PANEL_INCHES[0], down * PANEL_INCHES[1] + 0.3)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(2 * down, across, squeeze=False)
        for index, (model, trainings) in enumerate(curves.items()):
            row, column = divmod(index, across)
            _draw_model(panels[2 * row, column], panels[2 * row + 1, column], model, trainings)
        for index in range(len(curves), across * down):
            row, column = divmod(index, across)
            panels[2 * row, column].remove()
            panels[2 * row + 1, column].remove()
        write_figure(figure, path)
    return path


def _draw_model(upper: Axes, lower: Axes, model: str, trainings: Sequence[TrainingCurve]) -> None:
    count = "1 inner training" if len(trainings) == 1 else f"{len(trainings)} inner trainings"
    upper.set_title(f"{model}\n{count}")
    _draw_lines(upper, trainings, "train_loss", BLUE, "-", "training")
    _draw_lines(upper, trainings, "validation_loss", ORANGE, "--", "validation")
    upper.set_ylabel("loss")
    upper.set_ylim(bottom=0.0)
    upper.legend()
    _draw_lines(lower, trainings, SELECTION_METRIC, GREEN, "-", "validation")
    lower.set_ylabel("balanced accuracy")
    lower.set_ylim(0.0, 1.0)
    lower.set_xlabel("epoch")
    _draw_chosen_epochs(lower, [training.selected_epoch for training in trainings])
    lower.legend()
    epochs = np.concatenate([training.history["epoch"] for training in trainings])
    for axes in (upper, lower):
        axes.set_xlim(epochs.min(), max(epochs.max(), epochs.min() + 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_lines(
    axes: Axes,
    trainings: Sequence[TrainingCurve],
    column: str,
    color: str,
    line: str,
    label: str,
) -> None:
    """Thin lines for the trainings, a thick one for their mean."""
    series = [
        training.history.set_index("epoch")[column].dropna().sort_index() for training in trainings
    ]
    faint = float(np.clip(6.0 / len(series), 0.1, 0.5))
    for values in series:
        axes.plot(values.index, values, color=color, linewidth=0.6, alpha=faint)
    mean = pd.concat(series, axis=1, join="inner").mean(axis=1).sort_index()
    axes.plot(
        mean.index,
        mean,
        line,
        color=color,
        linewidth=1.8,
        marker="o" if len(mean) == 1 else "",
        label=f"{label} (mean)",
        path_effects=[withStroke(linewidth=3.4, foreground="white")],  # apart from its own lines
    )


def _draw_chosen_epochs(axes: Axes, chosen: Sequence[int]) -> None:
    epochs, counts = np.unique(chosen, return_counts=True)
    least, most = TICK_HEIGHTS
    axes.vlines(
        epochs,
        0.0,
        np.maximum(least, most * counts / counts.max()),
        transform=axes.get_xaxis_transform(),
        colors="black",
        linewidth=1.4,
        label="epochs chosen",
        clip_on=False,
    )
