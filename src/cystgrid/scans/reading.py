"""One door for every scan: a NIfTI file, a DICOM folder, or one series of a DICOM folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cystgrid.errors import ScanError
from cystgrid.scans.dicom import read_dicom_folder, series_files
from cystgrid.scans.dicom_tags import as_uid
from cystgrid.scans.intensities import fill_not_finite
from cystgrid.scans.limits import ReadLimits
from cystgrid.scans.nifti import SUFFIXES, read_nifti
from cystgrid.scans.volume import Volume

__all__ = ["DEFAULT_LIMITS", "ReadLimits", "read_mask", "read_scan", "scan_files"]

DEFAULT_LIMITS = ReadLimits()
LABELS_SHOWN = 8


def read_scan(reference: str | Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> Volume:
    """Read a scan, its axes flipped and swapped to run R, A, S.

    Args:
        reference: a ``.nii`` or ``.nii.gz`` file, a folder with one DICOM series, or
            ``folder#SeriesInstanceUID``.
        limits: what one scan may cost.

    Returns:
        The canonical volume, every voxel finite; ``notes`` say what was fixed, assumed or ignored.

    Raises:
        ScanError: it cannot be read, or cannot be placed in space with certainty.
    """
    return fill_not_finite(_read_as_stored(reference, limits)).canonical()


def read_mask(reference: str | Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> Volume:
    """Read a mask as ``read_scan`` does; its voxels become 0 and 1.

    A mask without any voxel set is returned as it is and noted: a healthy patient has no lesion.

    Raises:
        ScanError: as ``read_scan``; or it holds several labels, or NaN or infinite voxels.
    """
    volume = _read_as_stored(reference, limits).canonical()
    if not np.isfinite(volume.voxels).all():
        raise ScanError(
            reference,
            got="NaN or infinite voxels",
            expected="0 and one label",
            do="write the mask again as integers",
        )
    labels = np.unique(volume.voxels)
    labels = labels[labels != 0]
    if labels.size > 1:
        shown = ", ".join(f"{label:g}" for label in labels[:LABELS_SHOWN])
        more = f" and {labels.size - LABELS_SHOWN} more" if labels.size > LABELS_SHOWN else ""
        raise ScanError(
            reference,
            got=f"{labels.size} labels: {shown}{more}",
            expected="one label beside 0",
            do="write the label that is meant into a mask of its own",
        )
    mask = volume.with_voxels((volume.voxels != 0).astype(np.float32))
    return mask if labels.size else mask.noted("The mask is empty.")


def scan_files(reference: str | Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> tuple[Path, ...]:
    """The files a scan is made of, sorted: what a checksum of the scan has to cover.

    Raises:
        ScanError: there is no such file, or the folder does not hold the one series meant.
    """
    path, series = _resolve(reference)
    return series_files(path, series, limits) if path.is_dir() else (path,)


def _read_as_stored(reference: str | Path, limits: ReadLimits) -> Volume:
    path, series = _resolve(reference)
    if path.is_dir():
        return read_dicom_folder(path, series, limits)
    return read_nifti(path, limits)


def _resolve(reference: str | Path) -> tuple[Path, str | None]:
    """Path and series of a reference; a ``#`` in the name of something that exists is no series."""
    whole, series = str(reference), None
    if not _exists(whole) and "#" in whole:
        folder, _, after = whole.rpartition("#")
        if as_uid(after):
            whole, series = folder, after
    path = Path(whole)
    if not _exists(whole):
        raise ScanError(
            whole or "an empty path",
            got="nothing there",
            expected="a NIfTI file, a DICOM folder or FOLDER#SeriesInstanceUID",
            do="check the path",
        )
    if path.is_dir():
        return path, series
    if series is not None or not path.name.lower().endswith(SUFFIXES):
        raise ScanError(
            whole,
            got="a file that is not NIfTI by its name" if series is None else "a file before '#'",
            expected=f"{' or '.join(SUFFIXES)}, or a DICOM folder",
            do="give the NIfTI file, or the folder that holds the DICOM files",
        )
    return path, None


def _exists(path: str) -> bool:
    try:
        return path != "" and Path(path).exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise ScanError(
            path,
            got=f"a path that cannot be followed ({error.strerror})",
            expected="a NIfTI file or a DICOM folder",
            do="check the path and its permissions",
        ) from error
