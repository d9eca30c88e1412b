"""Strict DICOM series in: classic MR slices or enhanced multi-frame MR."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_files import find_series, is_dicom
from cystgrid.scans.dicom_geometry import Stack, stack_planes
from cystgrid.scans.dicom_pixels import read_stored
from cystgrid.scans.dicom_planes import Plane, read_planes
from cystgrid.scans.intensities import check_magnitude
from cystgrid.scans.settings import ReadLimits, ReadSettings
from cystgrid.scans.volume import Array, Volume

__all__ = ["is_dicom", "read_dicom", "series_files"]


def read_dicom(
    folder: Path, series_uid: str | None, volume: int | None, settings: ReadSettings
) -> Volume:
    """Read one MR series, ``i`` along its rows, ``j`` along its columns, ``k`` along its normal.

    Every image is placed by its own position and rescaled by its own slope and intercept; file
    names, instance numbers and the order of frames mean nothing.

    Args:
        folder: holds the series' files, itself or in sub-folders.
        series_uid: ``SeriesInstanceUID``; ``None`` where the folder holds only one series.
        volume: which of several images at each position, counted from 0; None where there is
            one.
        settings: its limits on files, bytes and voxels are checked before pixels are decoded.

    Returns:
        The scan, DICOM's LPS+ turned to RAS+.

    Raises:
        ScanError: the folder does not hold the one series meant, a file is damaged or cannot be
            decoded, or the images do not form one regular stack.
    """
    limits = settings.limits
    series = find_series(folder, series_uid, limits)
    planes: list[Plane] = []
    for file in series.files:
        planes += read_planes(file, limits)
        _check_voxels(planes, limits, folder)
    stack = stack_planes(planes, str(folder))
    voxels, notes = _fill(stack)
    return Volume(voxels, stack.affine, str(folder), series.notes + stack.notes + notes)


def series_files(folder: Path, series_uid: str | None, settings: ReadSettings) -> tuple[Path, ...]:
    """The files of one series, sorted by path; errors as in ``read_dicom``."""
    return tuple(file.path for file in find_series(folder, series_uid, settings.limits).files)


def _check_voxels(planes: list[Plane], limits: ReadLimits, folder: Path) -> None:
    voxels = sum(plane.size[0] * plane.size[1] for plane in planes)
    if voxels > limits.max_voxels:
        raise ScanError(
            folder,
            got=f"a series of {voxels} voxels or more",
            expected=f"at most {limits.max_voxels}",
            do="check the folder, or raise max_voxels",
        )


def _fill(stack: Stack) -> tuple[Array, tuple[str, ...]]:
    """Decode each file once and put its images where the stack has them."""
    rows, columns = stack.planes[0].size
    voxels = np.empty((columns, rows, len(stack.planes)), dtype=np.float32, order="F")
    notes: dict[str, None] = {}  # a set that keeps its order
    placed = sorted(enumerate(stack.planes), key=lambda pair: str(pair[1].path))
    for path, pairs in groupby(placed, key=lambda pair: pair[1].path):
        stored, found = read_stored(path)
        notes.update(dict.fromkeys(found))
        for k, plane in pairs:
            voxels[:, :, k] = _rescaled(stored[plane.frame or 0], plane).T
    if len({(plane.slope, plane.intercept) for plane in stack.planes}) > 1:
        notes["Rescale slope or intercept differ between slices; each slice's own was used."] = None
    if any(plane.burned_in for plane in stack.planes):
        notes["BurnedInAnnotation is YES: text may be part of the image."] = None
    return voxels, tuple(notes)


def _rescaled(stored: NDArray[np.generic], plane: Plane) -> NDArray[np.float64]:
    """True values ``(rows, columns)`` of one image (PS3.3 C.11.1.1.2)."""
    values = stored.astype(np.float64) * plane.slope + plane.intercept
    check_magnitude(values, plane.name)
    return values
