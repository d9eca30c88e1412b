"""Strict DICOM series in: classic MR slices or enhanced multi-frame MR."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom_geometry import Stack, stack_planes
from cystgrid.scans.dicom_header import is_dicom
from cystgrid.scans.dicom_pixels import stored_values
from cystgrid.scans.dicom_planes import Plane, read_planes
from cystgrid.scans.dicom_series import find_series
from cystgrid.scans.dicom_tags import text
from cystgrid.scans.intensities import check_magnitude
from cystgrid.scans.origin import Origin
from cystgrid.scans.series_header import read_acquisition
from cystgrid.scans.settings import ReadLimits, ReadSettings
from cystgrid.scans.volume import Array, Volume
from cystgrid.scans.weighting import guess_weighting

__all__ = ["is_dicom", "read_dicom", "series_files", "series_origin"]


def read_dicom(
    path: Path, series_uid: str | None, volume: int | None, settings: ReadSettings
) -> Volume:
    """Read one MR series, ``i`` along its rows, ``j`` along its columns, ``k`` along its normal.

    Every image is placed by its own position and rescaled by its own slope and intercept; file
    names, instance numbers and the order of frames mean nothing. Each file is parsed once, and the
    pixels of one file at a time are held.

    Args:
        path: a folder that holds the series' files, itself or in sub-folders, or one file.
        series_uid: ``SeriesInstanceUID``; ``None`` where there is only one series.
        volume: which of several images at each position (echoes, times, b values), counted from 0
            in the order of what tells them apart; ``None`` where there is one.
        settings: its limits on files, bytes and voxels are checked before pixels are decoded.

    Returns:
        The scan, DICOM's LPS+ turned to RAS+.

    Raises:
        ScanError: ``path`` does not hold the one series meant, a file is damaged or cannot be
            decoded, or the images do not form one regular stack.
    """
    limits = settings.limits
    series = find_series(path, series_uid, limits)
    planes = [plane for header in series.headers for plane in read_planes(header, limits)]
    stack = stack_planes(planes, volume, path)
    _check_voxels(stack, limits, path)
    voxels, notes = _fill(stack, limits)
    return Volume(voxels, stack.affine, path_text(path), series.notes + stack.notes + notes)


def series_files(path: Path, series_uid: str | None, settings: ReadSettings) -> tuple[Path, ...]:
    """The files of one series, sorted by path; arguments and errors as in ``read_dicom``."""
    return tuple(header.path for header in find_series(path, series_uid, settings.limits).headers)


def series_origin(path: Path, series_uid: str | None, settings: ReadSettings) -> Origin:
    """Whose scan a series is, and of what weighting; arguments and errors as in ``read_dicom``."""
    header = find_series(path, series_uid, settings.limits).headers[0]
    patient, issuer, frame = (
        text(header.elements, keyword, header.path)
        for keyword in ("PatientID", "IssuerOfPatientID", "FrameOfReferenceUID")
    )
    guess = guess_weighting(read_acquisition(header.path, settings.limits))
    person = f"{issuer}\0{patient}" if patient else ""
    return Origin(person, frame, guess.weighting, guess.why)


def _check_voxels(stack: Stack, limits: ReadLimits, path: Path) -> None:
    rows, columns = stack.planes[0].size
    voxels = rows * columns * len(stack.planes)
    if voxels > limits.max_voxels:
        raise ScanError(
            path,
            got=f"a series of {columns} x {rows} x {len(stack.planes)} voxels",
            expected=f"at most {limits.max_voxels}",
            do="check the folder, or raise max_voxels",
        )


def _fill(stack: Stack, limits: ReadLimits) -> tuple[Array, tuple[str, ...]]:
    """Read each file once and put its images where the stack has them."""
    rows, columns = stack.planes[0].size
    voxels = np.empty((columns, rows, len(stack.planes)), dtype=np.float32, order="F")
    notes: dict[str, None] = {}  # a set that keeps its order
    placed = sorted(enumerate(stack.planes), key=lambda pair: (pair[1].path, pair[1].frame or 0))
    for _, group in groupby(placed, key=lambda pair: pair[1].path):
        pairs = list(group)
        pixels = pairs[0][1].pixels
        notes.update(dict.fromkeys(pixels.notes))
        images = stored_values(pixels, [plane.frame or 0 for _, plane in pairs], limits)
        for (k, plane), stored in zip(pairs, images, strict=True):
            voxels[:, :, k] = _rescaled(stored, plane).T
    if len({(plane.slope, plane.intercept) for plane in stack.planes}) > 1:
        notes["Rescale slope or intercept differ between slices; each slice's own was used."] = None
    if any(plane.burned_in for plane in stack.planes):
        notes["BurnedInAnnotation is YES: text may be part of the image."] = None
    return voxels, tuple(notes)


def _rescaled(
    stored: NDArray[np.integer], plane: Plane
) -> NDArray[np.integer] | NDArray[np.float64]:
    """True values ``(rows, columns)`` of one image (PS3.3 C.11.1.1.2)."""
    if (plane.slope, plane.intercept) == (1, 0):
        return stored
    ends = np.array([stored.min(), stored.max()], dtype=np.float64)
    check_magnitude(ends * plane.slope + plane.intercept, plane.name)
    return stored.astype(np.float64) * plane.slope + plane.intercept
