"""All methods below each other: intervals of the pooled scores, and the scores of the folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.tables.overall import HEADINGS
from cystgrid.evaluation.tables.wording import patients_labels
from cystgrid.evaluation.uncertainty.pooled import SUMMARY
from cystgrid.outputs.style import BLUE, ORANGE, figure_style, write_figure

ROW_INCHES = 0.26
PANEL_INCHES = 1.9
EDGE_INCHES = 1.15
LETTER_INCHES = 0.068
SPREAD = 0.3
"""Of a row's height: how far points of folds are moved apart, by their order and not at random."""


def draw_forest(evaluation: Evaluation, path: Path) -> Path:
    """Draw the pooled scores with their 95 % intervals. Returns ``path``."""
    note = "Out of fold, with 95 % bootstrap intervals of patients. Dotted: chance."
    with _rows(evaluation, path, note) as axes:
        for one, score in zip(axes, SUMMARY, strict=True):
            for row, method in enumerate(evaluation.methods):
                found = evaluation.intervals[method.name][score]
                one.plot([found.low, found.high], [row, row], color=BLUE, linewidth=1.4)
                one.plot(found.estimate, row, "o", color=BLUE, markersize=4)
    return path


def draw_folds(evaluation: Evaluation, path: Path) -> Path:
    """Draw the score of every outer fold, and their mean. Returns ``path``."""
    scores = evaluation.fold_scores
    note = "Points: outer folds. Bar: their mean. Dotted: chance."
    with _rows(evaluation, path, note) as axes:
        for one, score in zip(axes, SUMMARY, strict=True):
            for row, method in enumerate(evaluation.methods):
                values = scores.loc[scores["method"] == method.name, score].dropna().to_numpy()
                if not values.size:
                    continue
                off = np.linspace(-SPREAD, SPREAD, values.size) if values.size > 1 else [0.0]
                one.plot(
                    values, row + np.asarray(off), "o", color=BLUE, markersize=2.8, alpha=0.6,
                    markeredgewidth=0,
                )  # fmt: skip
                one.plot([values.mean()] * 2, [row - 0.4, row + 0.4], color=ORANGE, linewidth=2.0)
    return path


@contextmanager
def _rows(evaluation: Evaluation, path: Path, footnote: str) -> Iterator[Sequence[Axes]]:
    """One panel a score, one row a method, the first on top; written when the block ends."""
    names = [method.name for method in evaluation.methods]
    labels = patients_labels(evaluation)
    chance = {
        "accuracy": float(labels.value_counts(normalize=True).max()),
        "balanced_accuracy": 1.0 / labels.nunique(),
        "auc": 0.5,
    }
    width = len(SUMMARY) * PANEL_INCHES + LETTER_INCHES * max(map(len, names))
    with figure_style():
        size = (width, len(names) * ROW_INCHES + EDGE_INCHES)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, len(SUMMARY), sharey=True, squeeze=False).ravel()
        yield list(axes)
        for one, score in zip(axes, SUMMARY, strict=True):
            one.axvline(chance[score], color="0.4", linewidth=0.9, linestyle=":", zorder=0)
            one.set_title(HEADINGS[score])
            one.set_xlim(0.0, 1.02)
            one.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "", "0.5", "", "1"])
            one.tick_params(axis="y", length=0)
            one.grid(axis="x", color="0.9", linewidth=0.6)
            one.set_axisbelow(True)
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        write_figure(figure, path, footnote)
