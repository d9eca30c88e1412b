"""ROC and precision-recall curves, one panel a method and one line a class, with bands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.uncertainty.bootstrap import resample
from cystgrid.evaluation.uncertainty.pooled import (
    Pooled,
    auc_of,
    average_precision_of,
    estimate,
)
from cystgrid.outputs.panels import panels, unit_square
from cystgrid.outputs.style import COLOURS, LINES, SMALLEST_TEXT

RESAMPLES = 500
"""Of a band, which shows a region and no figure; tables have more."""

GRID = np.linspace(0.0, 1.0, 101)
SAME_PLACE = 1e-12
LIMITS = (0.025, 0.975)
FOOTNOTE = (
    "Out of fold, each class against all others. Bands: 95 % at each place,\n"
    f"{RESAMPLES} bootstrap resamples of patients, stratified by label."
)

Values = NDArray[np.float64]
Curve = Callable[[Values, Values], Values]
"""From weights of positives and of negatives, ``(draws, values)`` by falling value, to heights at
``GRID``, ``(draws, GRID)``."""


def draw_roc_curves(evaluation: Evaluation, path: Path) -> Path:
    """Sensitivity over 1 - specificity; the legend has the area. Returns ``path``."""
    labels = ("1 - specificity", "sensitivity")
    with panels([m.name for m in evaluation.methods], path, labels, FOOTNOTE) as axes:
        for one, method in zip(axes, evaluation.methods, strict=True):
            one.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
            _draw(one, evaluation, method.name, roc_heights)
            _legend(one, "lower right")
    return path


def draw_precision_recall_curves(evaluation: Evaluation, path: Path) -> Path:
    """Precision over recall; the legend has the average precision. Returns ``path``."""
    labels = ("recall", "precision")
    note = FOOTNOTE + "\nShort marks at the right: the class's share."
    with panels([m.name for m in evaluation.methods], path, labels, note) as axes:
        for one, method in zip(axes, evaluation.methods, strict=True):
            found = evaluation.pooled[method.name]
            for code in range(found.classes):
                share = float(np.mean(found.truth == code))
                one.plot([0.96, 1.0], [share, share], color=COLOURS[code % len(COLOURS)])
            _draw(one, evaluation, method.name, precision_heights)
            _legend(one, "upper right")
    return path


def roc_heights(positive: Values, negative: Values) -> Values:
    """Sensitivity at each share of false alarms, straight between the thresholds."""
    return _at(_shares(negative), _shares(positive))


def precision_heights(positive: Values, negative: Values) -> Values:
    """Precision at each recall: the highest at this recall or more, as thresholds allow.

    At recall 0 it is that of the highest threshold which finds anybody.
    """
    hits, called = np.cumsum(positive, axis=1), np.cumsum(positive + negative, axis=1)
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=hits > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = hits / hits[:, -1:]
    return np.array(
        [
            row[np.minimum(np.searchsorted(place, GRID - 1e-12), row.size - 1)]
            for place, row in zip(recall, best, strict=True)
        ]
    )


def curves(found: Pooled, code: int, heights: Curve, weights: Values) -> Values:
    """The curve of a class under each row of weights, mean over repeats, ``(draws, GRID)``."""
    total = np.zeros((len(weights), GRID.size))
    for repeat in range(len(found.predicted)):
        there = np.flatnonzero(found.predicted[repeat] >= 0)
        values, place = np.unique(-found.probabilities[repeat, there, code], return_inverse=True)
        of_value = np.zeros((there.size, values.size))
        of_value[np.arange(there.size), place] = 1.0  # tied patients pass together
        positive = found.truth[there] == code
        drawn = weights[:, there]
        total += heights((drawn * positive) @ of_value, (drawn * ~positive) @ of_value)
    return np.asarray(total / len(found.predicted))


def _draw(axes: Axes, evaluation: Evaluation, method: str, heights: Curve) -> None:
    found = evaluation.pooled[method]
    generator = np.random.default_rng(evaluation.settings.seed)
    weights = resample(found.truth, RESAMPLES, generator)
    figure_of = auc_of if heights is roc_heights else average_precision_of
    for code, name in enumerate(evaluation.classes):
        value = estimate(found, figure_of(code))
        if np.isnan(value):
            continue  # nobody, or everybody, is of it
        color, line = COLOURS[code % len(COLOURS)], LINES[code % len(LINES)]
        low, high = np.quantile(curves(found, code, heights, weights), LIMITS, axis=0)
        axes.fill_between(GRID, low, high, color=color, alpha=0.15, linewidth=0)
        middle = curves(found, code, heights, np.ones((1, found.truth.size)))[0]
        start = [0.0] if heights is roc_heights else middle[:1]
        axes.plot(
            np.append([0.0], GRID),
            np.append(start, middle),
            color=color,
            linestyle=line,
            linewidth=1.4,
            label=f"{name} {value:.2f}",
        )
    unit_square(axes)


def _legend(axes: Axes, place: str) -> None:
    if not axes.get_legend_handles_labels()[0]:
        return  # one class only: nothing was drawn
    axes.legend(
        loc=place, fontsize=SMALLEST_TEXT - 0.5, handlelength=1.8, borderaxespad=0.1,
        labelspacing=0.2, frameon=True, framealpha=0.7, edgecolor="none",
    )  # fmt: skip


def _shares(weights: Values) -> Values:
    """Cumulative shares with a leading 0, ``(draws, 1 + values)``."""
    total = np.cumsum(weights, axis=1)
    return np.pad(total / total[:, -1:], ((0, 0), (1, 0)))


def _at(places: Values, heights: Values) -> Values:
    """Heights at ``GRID``, straight between thresholds; where a curve rises upright, its top."""
    out = np.empty((len(places), GRID.size))
    for draw, (place, height) in enumerate(zip(places, heights, strict=True)):
        after = np.searchsorted(place, GRID + SAME_PLACE, side="right").clip(max=place.size - 1)
        before = np.maximum(after - 1, 0)
        width = place[after] - place[before]
        part = np.divide(
            GRID - place[before], width, out=np.ones(GRID.size), where=width > SAME_PLACE
        )
        out[draw] = height[before] + part.clip(0.0, 1.0) * (height[after] - height[before])
    return out
