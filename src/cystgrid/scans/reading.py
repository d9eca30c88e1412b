"""One door for every scan: a NIfTI file, a DICOM folder, or one series of a DICOM folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom import is_dicom, read_dicom, series_files
from cystgrid.scans.intensities import fill_not_finite
from cystgrid.scans.nifti import SUFFIXES, read_nifti
from cystgrid.scans.reference import Reference
from cystgrid.scans.settings import ReadSettings
from cystgrid.scans.volume import Volume

DEFAULTS = ReadSettings()
LABELS_SHOWN = 8


def read_scan(reference: str | Path, settings: ReadSettings = DEFAULTS) -> Volume:
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
    return fill_not_finite(_read_as_stored(meant, settings)).canonical()


def read_mask(
    reference: str | Path, settings: ReadSettings = DEFAULTS, labels: tuple[int, ...] = ()
) -> Volume:
    """Read a mask as ``read_scan`` does; its voxels become 0 and 1.

    A mask without any voxel set is returned as it is and noted: a healthy patient has no lesion.

    Args:
        reference: as for ``read_scan``; ``#label=3`` or ``#label=3+4`` chooses labels.
        settings: as for ``read_scan``.
        labels: which labels count as inside, where the reference chooses none and the mask holds
            several.

    Raises:
        ScanError: as ``read_scan``; or it holds several labels of which none is chosen, none of
            those chosen, or NaN or infinite voxels.
    """
    meant = Reference.parse(reference)
    volume = _read_as_stored(meant, settings).canonical()
    if not np.isfinite(volume.voxels).all():
        raise ScanError(
            meant.path,
            got="NaN or infinite voxels",
            expected="0 and labels",
            do="write the mask again as integers",
        )
    return _one_label(volume, meant, labels)


def _one_label(volume: Volume, meant: Reference, labels: tuple[int, ...]) -> Volume:
    found = np.unique(volume.voxels)
    found = found[found != 0]
    if not found.size:
        return volume.noted("The mask is empty.")
    chosen = meant.labels or (labels if found.size > 1 else ())
    shown = ", ".join(f"{label:g}" for label in found[:LABELS_SHOWN])
    shown += f" and {found.size - LABELS_SHOWN} more" if found.size > LABELS_SHOWN else ""
    if not chosen:
        if found.size > 1:
            raise ScanError(
                meant.path,
                got=f"{found.size} labels: {shown}",
                expected="one label beside 0, or a choice",
                do="name the label that is meant after the path, as MASK#label=N",
            )
        return volume.with_voxels((volume.voxels != 0).astype(np.float32))
    inside = np.isin(volume.voxels, np.array(chosen, dtype=np.float32))
    if not inside.any():
        raise ScanError(
            f"{path_text(meant.path)}: label",
            got=f"the labels {shown}",
            expected=" or ".join(map(str, chosen)),
            do="correct the choice of label",
        )
    mask = volume.with_voxels(inside.astype(np.float32))
    others = [label for label in found if label not in chosen]
    if not others:
        return mask
    picked = " and ".join(map(str, chosen))
    return mask.noted(f"Of the mask's {found.size} labels ({shown}), {picked} was taken.")


def scan_files(reference: str | Path, settings: ReadSettings = DEFAULTS) -> tuple[Path, ...]:
    """The files a scan is made of, sorted: what a checksum of the scan has to cover.

    Raises:
        ScanError: there is no such file, or the folder does not hold the one series meant.
    """
    meant = Reference.parse(reference)
    if meant.path.is_dir():
        return series_files(meant.path, meant.series, settings)
    return (meant.path,)


def _read_as_stored(meant: Reference, settings: ReadSettings) -> Volume:
    if meant.path.is_dir():
        return read_dicom(meant.path, meant.series, meant.volume, settings)
    if meant.path.name.lower().endswith(SUFFIXES):
        if meant.series is not None:
            raise ScanError(
                meant.path,
                got="a series chosen in a NIfTI file",
                expected="a DICOM folder before '#'",
                do="give the NIfTI file alone, or the folder of the series",
            )
        return read_nifti(meant.path, meant.volume, settings)
    if is_dicom(meant.path):
        return read_dicom(meant.path, meant.series, meant.volume, settings)
    raise ScanError(
        meant.path,
        got="a file that is neither NIfTI by its name nor DICOM by its content",
        expected=f"{' or '.join(SUFFIXES)}, or a DICOM folder",
        do="give the NIfTI file, or the folder that holds the DICOM files",
    )
