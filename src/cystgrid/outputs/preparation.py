"""Pictures of a preparation: a scan before and after the bias field was taken out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from cystgrid.cohort.manifest import Manifest
from cystgrid.errors import CystgridError
from cystgrid.outputs.style import figure_style, write_figure
from cystgrid.preparation.patient import correct_scan
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import file_name
from cystgrid.progress import progress_bar
from cystgrid.scans.volume import Volume

SLICES = 3
"""Shown of each scan, at equal distances."""

PANEL_INCHES = 2.6
FIELD_COLOURS = "viridis"
"""Perceptually uniform and safe for colour-blind readers (van der Walt & Smith 2015)."""

DISPLAY_PERCENTILES = (0.5, 99.5)
"""Grey levels shown, over the whole scan: one bright voxel must not darken the picture."""

Pixels = NDArray[np.float32]


def draw_preparation(before: Volume, field: Volume, after: Volume, path: Path, title: str) -> None:
    """Draw a scan, its bias field and the corrected scan; a row for each of a few slices.

    Axial slices, from foot to head, as a radiologist sees them: the patient's right on the left,
    the front at the top. Before and after are shown with the same grey levels. The field is the
    factor by which a voxel was too bright, the same colours in every row.

    Args:
        before: canonical scan.
        field: bias field on the same grid.
        after: corrected scan on the same grid.
        path: PNG to write.
        title: above the picture.

    Raises:
        ValueError: the three are not on one grid.
    """
    if not before.shape == field.shape == after.shape:
        raise ValueError(f"shapes {before.shape}, {field.shape} and {after.shape}, expected one")
    slices = _shown_slices(before.shape[2])
    i, j, _ = before.spacing
    height = PANEL_INCHES * before.shape[1] * j / (before.shape[0] * i)
    grey = [float(level) for level in np.percentile(before.voxels, DISPLAY_PERCENTILES)]
    low, high = float(field.voxels.min()), float(field.voxels.max())
    with figure_style():
        figure = Figure(
            figsize=(3 * PANEL_INCHES + 0.9, len(slices) * height + 1.0), layout="constrained"
        )
        axes = figure.subplots(len(slices), 3, squeeze=False)
        for row, k in zip(axes, slices, strict=True):
            _draw_slice(row[0], _view(before, k), j / i, "gray", (grey[0], grey[1]))
            shade = _draw_slice(row[1], _view(field, k), j / i, FIELD_COLOURS, (low, high))
            _draw_slice(row[2], _view(after, k), j / i, "gray", (grey[0], grey[1]))
            row[0].set_ylabel(f"slice {k + 1} of {before.shape[2]}")
        for axis, name in zip(axes[0], ("before", "N4 field", "after"), strict=True):
            axis.set_title(name)
        figure.colorbar(shade, ax=axes[:, 2], label="field (factor)", shrink=0.8)
        figure.suptitle(title)
        write_figure(figure, path, "The patient's right is on the left.")


def draw_cohort_corrections(
    manifest: Manifest, settings: PreparationSettings, folder: Path, *, quiet: bool = False
) -> None:
    """Draw every scan that the settings use, one ``<patient>-<modality>.png`` each.

    A scan that cannot be corrected has no picture: ``prepare`` names it, with the reason. Nor has a
    scan that there is not.
    """
    scans = [(patient, name) for patient in manifest.patients for name in settings.modalities]
    with progress_bar("pictures", len(scans), quiet=quiet) as advance:
        for patient, modality in scans:
            path = folder / f"{file_name(patient.patient)}-{modality}.png"
            title = f"{patient.patient}, {modality.upper()}"
            if not _drawn(patient.scan(modality), settings, path, title):
                path.unlink(missing_ok=True)  # of an earlier preparation
            advance(1)


def _drawn(reference: str | None, settings: PreparationSettings, path: Path, title: str) -> bool:
    """Whether there is a scan that could be corrected and drawn."""
    if reference is None:
        return False
    try:
        done = correct_scan(reference, settings)
        draw_preparation(done.before, done.field, done.after, path, title)
    except CystgridError:
        return False
    return True


def _shown_slices(count: int) -> list[int]:
    """Slices at equal distances, the outermost left out where there are enough."""
    return sorted({int((n + 0.5) * count / SLICES) for n in range(SLICES)})


def _view(volume: Volume, k: int) -> Pixels:
    """One axial slice, ``(row, column)``: rows to the back, columns to the patient's left."""
    view: Pixels = volume.voxels[::-1, ::-1, k].T
    return view


def _draw_slice(
    axis: Axes, pixels: Pixels, aspect: float, colours: str, levels: tuple[float, float]
) -> AxesImage:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
    low, high = levels
    return axis.imshow(
        pixels, cmap=colours, vmin=low, vmax=high if high > low else low + 1, aspect=aspect
    )
