"""Pictures of relevance: scans, and maps laid on them, all on one scale that never changes.

The colour says how many times the even share of relevance a pixel has: the same colour is the same
share in every picture, of every patient, method and model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cystgrid.explanations.checks.lesions import COVERED, lesion_slices
from cystgrid.explanations.placing import Window, slice_heights
from cystgrid.explanations.shares import height_text
from cystgrid.outputs.grids import DISPLAY_PERCENTILES, pixel_aspect
from cystgrid.outputs.relevance_scale import EVEN, map_colours, map_scale
from cystgrid.outputs.style import (
    LINE_INCHES,
    SMALLEST_TEXT,
    figure_style,
    footnote_lines,
    write_figure,
)
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.scans.volume import Array

LESION = "#56B4E9"
"""Sky blue: told apart from every colour of the scale, with any colour vision."""

CELL_INCHES = 1.15
"""Width of a slice: its height in mm fits in, in the smallest text there may be."""

ROW_INCHES = 0.5
"""Of a row's two lines of title, and the room about them."""

BAR_GREY = "0.4"
"""Behind the scale's half-transparent colours, as tissue is behind the map's."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One scan of a patient, with a map on it or without.

    Attributes:
        title: what is shown, a line or two.
        prepared: the patient.
        channel: which of the crop's scans is the grey picture.
        window: which slices are shown.
        values: ``(slice, row, column)`` in even shares, all of the crop's slices; None for the scan
            alone.
    """

    title: str
    prepared: PreparedPatient
    channel: int
    window: Window
    values: Array | None = None


def draw_relevance(rows: Sequence[Sequence[Panel]], path: Path, footnote: str = "") -> None:
    """Draw rows of panels; each panel's slices run from foot to head, row by row.

    Args:
        rows: of panels; each row one patient, as its pixels' shape sets the row's height.
        path: PNG to write.
        footnote: further sentences below the figure.
    """
    count = max(len(row) for row in rows)
    across = max(_across(row[0].window) for row in rows)
    width = across * CELL_INCHES
    heights = [width * _proportion(row[0]) for row in rows]
    below = "\n".join(filter(None, [footnote, _legend(rows)]))
    inches = count * (width + 0.1) + 0.9
    room = ROW_INCHES * len(rows) + LINE_INCHES * (len(footnote_lines(inches, below)) + 2)
    with figure_style():
        figure = Figure(figsize=(inches, sum(heights) + room), layout="constrained")
        axes = figure.subplots(len(rows), count, squeeze=False, height_ratios=heights)
        for line, row in zip(axes, rows, strict=True):
            for axis in line:
                axis.set_axis_off()
            for axis, panel in zip(line, row, strict=False):
                _draw(axis, panel)
        _draw_scale(figure, axes)
        write_figure(figure, path, below)


def _legend(rows: Sequence[Sequence[Panel]]) -> str:
    outlined = any(_lesion(panel) is not None for row in rows for panel in row)
    text = "Slices from foot to head, row by row; patient's right on the left; S, I: mm along z."
    if any(panel.values is not None for row in rows for panel in row):
        text += " Colour: only where there is more than an even share."
    if any(panel.values is not None and panel.values.min() < 0 for row in rows for panel in row):
        text += " What speaks against the class is not drawn."
    return f"{text} Blue: the lesion." if outlined else text


def _lesion(panel: Panel) -> Array | None:
    """The lesion that is outlined; there is none on a panel without a scan."""
    if not panel.prepared.present[panel.channel]:
        return None
    return lesion_slices(panel.prepared, panel.window)


def _across(window: Window) -> int:
    """Slices beside each other: those of a full grid lie as the network saw them."""
    return math.ceil(math.sqrt(len(window)))


def _proportion(panel: Panel) -> float:
    """Height of a panel over its width, with the patient in true proportions."""
    across = _across(panel.window)
    down = math.ceil(len(panel.window) / across)
    return down / across * _slice_proportion(panel)


def _slice_proportion(panel: Panel) -> float:
    """Height of a slice over its width."""
    rows, columns = panel.prepared.crop.shape[2:]
    return float(rows / columns) * pixel_aspect(panel.prepared)


def _of(slices: Array, window: Window) -> Array:
    return slices[window.first : window.stop]


def montage(slices: Array) -> NDArray[np.float32]:
    """``(n, row, column)`` as one picture, row by row; where there is no slice, NaN."""
    count, rows, columns = slices.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    full = np.full((down * across, rows, columns), np.nan, dtype=np.float32)
    full[:count] = slices
    tiles = full.reshape(down, across, rows, columns).transpose(0, 2, 1, 3)
    return tiles.reshape(down * rows, across * columns)


def _draw(axis: Axes, panel: Panel) -> None:
    axis.set_title(panel.title, fontsize=9)
    across = _across(panel.window)
    down = math.ceil(len(panel.window) / across)
    axis.set_xlim(0, across)
    axis.set_ylim(down, 0)
    axis.set_aspect(_slice_proportion(panel))
    if not panel.prepared.present[panel.channel]:
        axis.text(across / 2, down / 2, "no such scan", ha="center", va="center")
        return
    show = partial(
        axis.imshow, extent=(0, across, down, 0), aspect=axis.get_aspect(), interpolation="nearest"
    )
    grey = montage(_of(panel.prepared.crop[panel.channel], panel.window))
    low, high = np.nanpercentile(grey, DISPLAY_PERCENTILES)
    show(grey, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
    if panel.values is not None:
        shown = montage(_of(panel.values, panel.window))
        show(np.where(shown > EVEN, shown, np.nan), cmap=map_colours(), norm=map_scale())
    _outline(axis, panel, across, down)
    _label(axis, panel, across, down)


def _outline(axis: Axes, panel: Panel, across: int, down: int) -> None:
    slices = _lesion(panel)
    if slices is None:
        return
    lesion = np.nan_to_num(montage(slices))
    height, width = lesion.shape
    x = (np.arange(width) + 0.5) / width * across
    y = (np.arange(height) + 0.5) / height * down
    axis.contour(x, y, lesion, levels=[COVERED], colors=LESION, linewidths=0.8)


def _label(axis: Axes, panel: Panel, across: int, down: int) -> None:
    """Each slice's height, and lines between slices."""
    shape = panel.prepared.crop.shape[1:]
    heights = slice_heights(panel.prepared.affine, (shape[0], shape[1], shape[2]))
    for number, height in enumerate(heights[panel.window.first : panel.window.stop]):
        axis.text(
            number % across + 0.03, number // across + 0.03, height_text(height),
            color="white", fontsize=SMALLEST_TEXT, va="top",
            bbox={"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 0.8},
        )  # fmt: skip
    for edge in range(1, across):
        axis.axvline(edge, color="white", linewidth=0.4)
    for edge in range(1, down):
        axis.axhline(edge, color="white", linewidth=0.4)


def _draw_scale(figure: Figure, axes: NDArray[np.object_]) -> None:
    mappable = ScalarMappable(norm=map_scale(), cmap=map_colours())
    bar = figure.colorbar(mappable, ax=axes.ravel().tolist(), fraction=0.04, aspect=30, pad=0.01)
    bar.ax.set_facecolor(BAR_GREY)
    ticks = [1, 2, 4, 8]
    bar.set_ticks(ticks, labels=[*(f"{tick}" for tick in ticks[:-1]), f"{ticks[-1]} or more"])
    bar.minorticks_off()
    bar.set_label("relevance, times the even share")
