"""Which file a region of interest is read from: a mask, or the pancreas of a segmenter's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cystgrid.errors import CohortError
from cystgrid.scans.reading import read_mask
from cystgrid.scans.reference import Reference
from cystgrid.scans.settings import ReadSettings
from cystgrid.scans.volume import Volume

FOLDER_MASKS = ("pancreas.nii.gz", "segmentations/pancreas.nii.gz")
"""Where TotalSegmentator puts the pancreas in a folder of its own; ``pancreatic_lesion.nii.gz`` and
the like are other organs' or other tasks' masks."""


def roi_file(roi: str) -> Path:
    """The file whose checksum covers a region's mask.

    Args:
        roi: as for ``find_region``, but no box.

    Raises:
        CohortError: a folder without one mask of the pancreas, or a DICOM series.
        ScanError: nothing lies there.
    """
    return _mask_reference(roi).path


def read_roi_mask(roi: str, reading: ReadSettings, labels: tuple[int, ...]) -> Volume:
    """The mask that ``roi`` names; ``notes`` say which file of a folder was taken.

    Args:
        roi: a mask or a folder, with a choice of labels after ``#`` if there is one.
        reading: how masks are read.
        labels: those that count as inside, of a mask for which ``roi`` chooses none. A folder's
            ``pancreas.nii.gz`` holds one organ, and they do not apply to it.

    Raises:
        CohortError, ScanError: as ``roi_file`` and ``read_mask``.
    """
    given, meant = Reference.parse(roi), _mask_reference(roi)
    if given.path == meant.path:
        return read_mask(meant, reading, labels)
    return read_mask(meant, reading).noted(f"{meant.path.name} of the folder was taken.")


def _mask_reference(roi: str) -> Reference:
    """The reference of the mask itself."""
    given = Reference.parse(roi)
    if given.series is not None:
        raise CohortError(
            given.path,
            got="a DICOM series chosen as a region",
            expected="a NIfTI mask, a folder that TotalSegmentator wrote, or a box in mm",
            do="convert the segmentation to a NIfTI mask",
        )
    if not given.path.is_dir():
        return given
    found = [given.path / name for name in FOLDER_MASKS if (given.path / name).is_file()]
    if len(found) == 1:
        return replace(given, path=found[0])
    raise CohortError(
        given.path,
        got=f"a folder with {len(found) or 'none'} of {' and '.join(FOLDER_MASKS)}",
        expected="one of the two, as TotalSegmentator writes them, or a mask",
        do="name the mask's own file",
    )
