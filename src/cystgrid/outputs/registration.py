"""Pictures of an alignment: whether T2's outlines fall on those that T1 shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from cystgrid.cohort.manifest import Manifest, Patient
from cystgrid.errors import CystgridError
from cystgrid.outputs.style import figure_style, write_figure
from cystgrid.preparation.align import Block, WorldBox, resample_onto
from cystgrid.preparation.bias import thick_axis
from cystgrid.preparation.patient import check_complete, read_scans
from cystgrid.preparation.placement import place
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import file_name
from cystgrid.progress import progress_bar
from cystgrid.scans.volume import Volume

SLICES = 3
"""Shown, at equal distances through the region or the scan."""

PANEL_INCHES = 2.6
DISPLAY_PERCENTILES = (0.5, 99.5)
"""Grey levels shown, over a panel: one bright voxel must not darken the picture."""

EDGE_BLUR_MM = 1.5
"""Deviation of the Gaussian before edges are drawn: outlines of organs, not of noise."""

EDGE_STEP_MM = 0.75
"""Pixels are divided until they are no larger, for smooth lines."""

EDGE_PERCENTILE = 85
"""Of the gradient over a slice: only steeper edges are drawn."""

DARKEST = 0.05
"""Of the brightest tissue: changes in what is darker are air's noise."""

EDGE_COLOUR = "#ffd400"
UNCOVERED_COLOUR = (0.0, 0.45, 0.70, 0.55)

Pixels = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Panel:
    """One slice of one scan on the reference grid, ``(row, column)``, and where it has voxels."""

    pixels: Pixels
    covered: Flags


def draw_alignment(
    reference: Volume,
    before: Volume,
    after: Volume | None,
    path: Path,
    title: str,
    *,
    region: WorldBox | None = None,
    names: tuple[str, str] = ("T2", "T1"),
) -> None:
    """Draw a few acquired slices of the reference scan, each beside the other scan's same places.

    The reference scan's edges are drawn over the other scan as it lay before and as it lies after;
    where both show an outline, the line falls on it. Seen from the feet for axial slices, from the
    front for coronal ones, from the patient's left for sagittal ones.

    Args:
        reference: canonical; its slices are shown.
        before: the other scan, canonical, as its header places it.
        after: the same as ``moved`` by a registration; resampled here, once, from its own grid.
            None where nothing was moved.
        path: PNG to write.
        title: above the picture.
        region: what to show, in the reference scan's world; None for all of it.
        names: of the two scans.

    Raises:
        ValueError: the region lies outside the reference scan.
    """
    axis = thick_axis(reference)
    blocks = _blocks(reference, axis, region)
    others = [before] if after is None else [before, after]
    rows = [[_panel(scan, reference, block, axis) for scan in others] for block in blocks]
    shown = [_panel(reference, reference, block, axis) for block in blocks]
    across, down = (reference.spacing[n] for n in range(3) if n != axis)
    height = PANEL_INCHES * shown[0].pixels.shape[0] * down / (shown[0].pixels.shape[1] * across)
    with figure_style():
        size = ((1 + len(others)) * PANEL_INCHES + 0.5, len(blocks) * height + 1.0)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(blocks), 1 + len(others), squeeze=False)
        for line, block, base, row in zip(axes, blocks, shown, rows, strict=True):
            edges = _edges(base, (down, across))
            _draw(line[0], base, None, down / across)
            for beside, panel in zip(line[1:], row, strict=True):
                _draw(beside, panel, edges, down / across)
            line[0].set_ylabel(f"slice {block.start[axis] + 1} of {reference.shape[axis]}")
        heads = (names[0], f"{names[1]} by its header", f"{names[1]} after registration")
        for top, head in zip(axes[0], heads, strict=False):  # nothing after nothing moved
            top.set_title(head)
        figure.suptitle(title)
        write_figure(figure, path, _footnote(rows, axis, names))


def draw_cohort_alignments(
    manifest: Manifest, settings: PreparationSettings, folder: Path, *, quiet: bool = False
) -> None:
    """Draw how T1 lies on T2 around the region, one ``<patient>-alignment.png`` each.

    A patient whose scans cannot be read or placed has no picture: ``prepare`` names them, with the
    reason. Nothing is drawn for a study of one modality, or for a patient of one scan.
    """
    if len(settings.modalities) < 2:
        return
    with progress_bar("alignments", len(manifest.patients), quiet=quiet) as advance:
        for patient in manifest.patients:
            path = folder / f"{file_name(patient.patient)}-alignment.png"
            try:
                _draw_patient(patient, settings, path)
            except CystgridError:
                path.unlink(missing_ok=True)
            advance(1)


def _draw_patient(patient: Patient, settings: PreparationSettings, path: Path) -> None:
    check_complete(patient, settings)
    read = read_scans(patient, settings)
    if len(read) < 2:
        path.unlink(missing_ok=True)
        return
    placement = place(patient, read, settings)
    first = placement.reference
    other = next(name for name in read if name != first)
    low, high = placement.region.low, placement.region.high
    box = WorldBox.around(read[first], low, high).grown(settings.registration.margin_mm)
    draw_alignment(
        read[first],
        read[other],
        placement.scans[other] if settings.registration.mode == "rigid" else None,
        path,
        patient.patient,
        region=None if patient.roi is None else box,
        names=(first.upper(), other.upper()),
    )


def _blocks(reference: Volume, axis: int, region: WorldBox | None) -> list[Block]:
    """One slice of the reference grid each, cut to the region."""
    shape = np.array(reference.shape)
    low, high = np.zeros(3, dtype=int), shape
    if region is not None:
        corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
        ends = np.array([region.low, region.high])
        index = reference.index(np.array([[ends[c[n], n] for n in range(3)] for c in corners]))
        low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, shape)
        high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, shape)
    if (low >= high).any():
        raise ValueError(f"a region {region} outside the reference scan")
    count = int(high[axis] - low[axis])
    out = []
    for number in sorted({int((n + 0.5) * count / SLICES) for n in range(SLICES)}):
        start, stop = low.copy(), high.copy()
        start[axis] += number
        stop[axis] = start[axis] + 1
        first, last = (tuple(int(edge) for edge in ends) for ends in (start, stop))
        out.append(Block((first[0], first[1], first[2]), (last[0], last[1], last[2])))
    return out


def _panel(scan: Volume, reference: Volume, block: Block, axis: int) -> _Panel:
    """Rows run down from head or front, columns from the patient's right or front."""
    values, covered = resample_onto(scan, reference.affine, block)
    return _Panel(
        np.flip(values.take(0, axis=axis)).T.astype(np.float32),
        np.flip(covered.take(0, axis=axis)).T.astype(np.bool_),
    )


def _edges(panel: _Panel, spacing: tuple[float, float]) -> NDArray[np.float64]:
    """A field that crosses zero along edges, NaN where there is none worth a line.

    On as many points from the first pixel to the last as keep lines whole on a coarse grid.

    The Laplacian of the blurred slice (Marr and Hildreth 1980), of its logarithm: fat beside air
    must not hide the outlines of organs.
    """
    floor = DARKEST * float(np.percentile(panel.pixels, DISPLAY_PERCENTILES[1]))
    log = np.log(np.maximum(panel.pixels, 0) + max(floor, 1e-6), dtype=np.float64)
    finer = [int(np.ceil(step / EDGE_STEP_MM)) for step in spacing]
    points = [(n - 1) * times + 1 for n, times in zip(log.shape, finer, strict=True)]
    log = ndimage.zoom(log, [many / n for many, n in zip(points, log.shape, strict=True)], order=1)
    blur = [
        max(EDGE_BLUR_MM / step, 1.0) * times for step, times in zip(spacing, finer, strict=True)
    ]
    slope = ndimage.gaussian_gradient_magnitude(log, blur)
    field: NDArray[np.float64] = ndimage.gaussian_laplace(log, blur)
    field[slope < np.percentile(slope, EDGE_PERCENTILE)] = np.nan
    return field


def _draw(axes: Axes, panel: _Panel, edges: NDArray[np.float64] | None, aspect: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    inside = panel.pixels[panel.covered] if panel.covered.any() else panel.pixels
    low, high = (float(level) for level in np.percentile(inside, DISPLAY_PERCENTILES))
    axes.imshow(
        panel.pixels, cmap="gray", vmin=low, vmax=high if high > low else low + 1, aspect=aspect
    )
    over = np.zeros((*panel.pixels.shape, 4))
    over[~panel.covered] = UNCOVERED_COLOUR
    axes.imshow(over, aspect=aspect, interpolation="nearest")
    if edges is not None and np.isfinite(edges).any():
        down, across = (
            np.linspace(0, n - 1, many)
            for n, many in zip(panel.pixels.shape, edges.shape, strict=True)
        )
        axes.contour(across, down, edges, levels=[0.0], colors=EDGE_COLOUR, linewidths=0.6)


def _footnote(rows: Sequence[Sequence[_Panel]], axis: int, names: tuple[str, str]) -> str:
    side = ("The front is on the left.", "The patient's right is on the left.")[axis != 0]
    text = f"{side} Yellow: edges of {names[0]}."
    shares = [float(np.mean([~row[n].covered for row in rows])) for n in range(len(rows[0]))]
    if max(shares) > 0:
        after = f" before, {shares[1]:.0%} after" if len(shares) > 1 else ""
        text += f" Blue: no voxel of {names[1]} ({shares[0]:.0%} of what is shown{after})."
    return text
