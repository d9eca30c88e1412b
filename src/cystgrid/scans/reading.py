"""One door for every scan: a NIfTI file, a DICOM folder, or one series of a DICOM folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom import is_dicom, read_dicom, series_files, series_origin
from cystgrid.scans.intensities import fill_not_finite
from cystgrid.scans.masks import binary_mask
from cystgrid.scans.nifti import SUFFIXES, read_nifti
from cystgrid.scans.origin import Origin
from cystgrid.scans.reference import Reference
from cystgrid.scans.settings import ReadSettings
from cystgrid.scans.volume import Volume

DEFAULTS = ReadSettings()


def read_scan(reference: str | Path | Reference, settings: ReadSettings = DEFAULTS) -> Volume:
    """Read a scan, its axes flipped and swapped to run R, A, S.

    Args:
        reference: a ``.nii`` or ``.nii.gz`` file, a folder of DICOM files or one such file; after
            ``#`` the series or volume that is meant (see ``reference.py``).
        settings: what one scan may cost, and what is taken where a file leaves a choice.

    Returns:
        The canonical volume, every voxel finite; ``notes`` say what was fixed, assumed or ignored.

    Raises:
        ScanError: it cannot be read, or cannot be placed in space with certainty.
    """
    meant = Reference.parse(reference)
    if meant.labels:
        raise ScanError(
            meant.path,
            got="a label chosen for a scan",
            expected="a series or a volume after '#'",
            do="choose labels of masks only",
        )
    return fill_not_finite(read_as_stored(meant, settings)).canonical()


def read_mask(
    reference: str | Path | Reference,
    settings: ReadSettings = DEFAULTS,
    labels: tuple[int, ...] = (),
) -> Volume:
    """Read a mask as ``read_scan`` does; its voxels become 0 and 1.

    A mask without any voxel set is returned as it is and noted: a healthy patient has no lesion.

    Args:
        reference: as for ``read_scan``; ``#label=3`` or ``#label=3+4`` chooses labels.
        settings: as for ``read_scan``.
        labels: which labels count as inside, where the reference chooses none. A mask that holds
            others alone is refused even if it holds but one: it may be of another organ.

    Raises:
        ScanError: as ``read_scan``; or its voxels are no labels (not whole numbers, negative,
            not finite), or it holds several of which none is chosen, or none of those chosen.
    """
    meant = Reference.parse(reference)
    return binary_mask(read_as_stored(meant, settings).canonical(), meant.labels or labels)


def scan_files(
    reference: str | Path | Reference, settings: ReadSettings = DEFAULTS
) -> tuple[Path, ...]:
    """The files a scan is made of, sorted: what a checksum of the scan has to cover.

    Raises:
        ScanError: there is no such file, or the folder does not hold the one series meant.
    """
    meant = Reference.parse(reference)
    if meant.path.is_dir():
        return series_files(meant.path, meant.series, settings)
    return (meant.path,)


def scan_origin(reference: str | Path | Reference, settings: ReadSettings = DEFAULTS) -> Origin:
    """Whose scan it is, as DICOM states it; NIfTI states nothing.

    Raises:
        ScanError: as ``scan_files``.
    """
    meant = Reference.parse(reference)
    if meant.path.is_dir() or (not _is_nifti(meant.path) and is_dicom(meant.path)):
        return series_origin(meant.path, meant.series, settings)
    return Origin()


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def read_as_stored(reference: str | Path | Reference, settings: ReadSettings = DEFAULTS) -> Volume:
    """Read a scan or mask on its file's own grid, its axes as they are stored.

    What is written on that grid lies on the file voxel by voxel.

    Args:
        reference: as for ``read_scan``.
        settings: as for ``read_scan``.

    Raises:
        ScanError: as ``read_scan``.
    """
    meant = Reference.parse(reference)
    volume = _read_by_kind(meant, settings)
    return replace(volume, source=path_text(meant.path))


def _read_by_kind(meant: Reference, settings: ReadSettings) -> Volume:
    if meant.path.is_dir():
        return read_dicom(meant.path, meant.series, meant.volume, settings)
    if _is_nifti(meant.path):
        if meant.series is not None:
            raise ScanError(
                meant.path,
                got="a series chosen in a NIfTI file",
                expected="a DICOM folder before '#'",
                do="give the NIfTI file alone, or the folder of the series",
            )
        return read_nifti(meant.path, meant.volume, settings)
    if not meant.path.is_file():
        raise ScanError(
            meant.path,
            got="neither a file nor a folder",
            expected="a NIfTI file or a DICOM folder",
            do="check the path",
        )
    if is_dicom(meant.path):
        return read_dicom(meant.path, meant.series, meant.volume, settings)
    raise ScanError(
        meant.path,
        got="a file that is neither NIfTI by its name nor DICOM by its content",
        expected=f"{' or '.join(SUFFIXES)}, or a DICOM folder",
        do="give the NIfTI file, or the folder that holds the DICOM files",
    )
