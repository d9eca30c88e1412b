"""Pictures of grids: what the model sees, T1 beside T2, with the lesion's outline where known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cystgrid.grids.tiling import central_start, tile
from cystgrid.outputs.style import figure_style, write_figure
from cystgrid.preparation.patient import PreparedPatient

OUTLINE = "#ffd400"
PANEL_INCHES = 4.2
DISPLAY_PERCENTILES = (0.5, 99.5)
"""Grey levels shown, over the window: one bright voxel must not darken the picture."""


@dataclass(frozen=True)
class GridPicture:
    """One row of the figure.

    Attributes:
        title: patient, class, anything said of it.
        prepared: the patient.
        modalities: names of the crop's scans.
    """

    title: str
    prepared: PreparedPatient
    modalities: tuple[str, ...]


def draw_grids(pictures: Sequence[GridPicture], cells: int, path: Path) -> None:
    """Draw each patient's central window as its grid, one row a patient, one column a modality.

    Slices run from foot to head, row by row from the top left; each cell is seen as a radiologist
    sees it, the patient's right on the left. A scan that there is not has an empty panel that says
    so.
    """
    columns = max(len(picture.modalities) for picture in pictures)
    heights = [PANEL_INCHES * pixel_aspect(picture.prepared) for picture in pictures]
    size = (columns * PANEL_INCHES, sum(heights) + 0.35 * len(pictures) + 0.5)
    with figure_style():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(pictures), columns, squeeze=False, height_ratios=heights)
        for row, picture in zip(axes, pictures, strict=True):
            for number, axis in enumerate(row):
                _draw_grid(axis, picture, number, cells)
        write_figure(figure, path, _footnote(pictures))


def _footnote(pictures: Sequence[GridPicture]) -> str:
    order = "Slices run from foot to head, row by row; patient's right on the left."
    outlined = any(picture.prepared.lesion is not None for picture in pictures)
    return f"{order} Yellow: the lesion." if outlined else order


def _draw_grid(axis: Axes, picture: GridPicture, number: int, cells: int) -> None:
    axis.set_axis_off()
    if number >= len(picture.modalities):
        return
    name = picture.modalities[number].upper()
    if not picture.prepared.present[number]:
        told = f"{picture.title}\nno {name}"
        axis.text(0.5, 0.5, told, ha="center", va="center", transform=axis.transAxes)
        return
    window = central_window(picture.prepared.crop[number], cells)
    low, high = np.percentile(window, DISPLAY_PERCENTILES)
    axis.imshow(
        window,
        cmap="gray",
        vmin=low,
        vmax=max(high, low + 1e-6),
        aspect=pixel_aspect(picture.prepared),
        interpolation="nearest",
    )
    if picture.prepared.lesion is not None:
        outline = central_window(picture.prepared.lesion, cells)
        if outline.max() >= 0.5:
            axis.contour(outline, levels=[0.5], colors=OUTLINE, linewidths=0.8)
    cell = window.shape[0] / round(cells**0.5)
    for edge in np.arange(cell, window.shape[0] - 1, cell):
        axis.axhline(edge - 0.5, color="white", linewidth=0.4)
        axis.axvline(edge - 0.5, color="white", linewidth=0.4)
    axis.set_title(f"{picture.title}  {name}", fontsize=9)


def central_window(slices: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """The central window of ``(slice, row, column)`` as one grid ``(height, width)``."""
    start = central_start(len(slices), cells)
    chosen = np.minimum(np.arange(start, start + cells), len(slices) - 1)
    grid: NDArray[np.float32] = tile(torch.from_numpy(np.array(slices[chosen]))).numpy()
    return grid


def pixel_aspect(prepared: PreparedPatient) -> float:
    """Height of a pixel over its width, so that the patient is drawn in true proportion."""
    column, row = np.linalg.norm(prepared.affine[:3, :2], axis=0)
    return float(row / column)
