"""A watched study's region of interest, from the first source of the rules that has one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import SegmentationStorage

from cystgrid.errors import CohortError, CystgridError
from cystgrid.outputs.dicom.making import MAKER, volume_of
from cystgrid.pacs.watch_settings import WatchSettings
from cystgrid.scans.nifti import write_nifti

SEG_HEADER = ["SOPClassUID", "Manufacturer", "FrameOfReferenceUID", "SegmentSequence"]


def region_of(study: Path, scans: Iterable[str], settings: WatchSettings, work: Path) -> str | None:
    """The region as ``cohort.csv`` would give it.

    Args:
        study: fetched; ``<StudyInstanceUID>/<SeriesInstanceUID>/*.dcm``.
        scans: series UIDs of the scans that were chosen.
        settings: rules.
        work: folder for a mask that is made of a Segmentation.

    Returns:
        A mask's path, a box in mm, or None for the whole scan.

    Raises:
        CohortError: no source has one, or two have.
    """
    for source in settings.roi:
        if source == "whole":
            return None
        found = (
            _of_segmentation(study, scans, settings.segment, work)
            if source == "segmentation"
            else _of_folder(study.name, settings.roi_folder)
        )
        if found:
            return found
    raise CohortError(
        "roi",
        got="no region of interest",
        expected=f"one from {' or '.join(settings.roi)}",
        do="store a Segmentation of the pancreas in the study, or put a mask into roi_folder",
    )


def _of_folder(study_uid: str, folder: Path | None) -> str:
    if folder is None:
        return ""
    mask, box = folder / f"{study_uid}.nii.gz", folder / f"{study_uid}.txt"
    if mask.is_file() and box.is_file():
        raise CohortError(
            mask, got="a mask and a box for one study", expected="one of the two",
            do="take one away",
        )  # fmt: skip
    if mask.is_file():
        return str(mask)
    return box.read_text("utf-8").strip() if box.is_file() else ""


def _of_segmentation(study: Path, scans: Iterable[str], segment: str, work: Path) -> str:
    """The mask of a DICOM Segmentation that lies in the frame of reference of a chosen scan."""
    headers = (_header(next((study / uid).glob("*.dcm"))) for uid in scans)
    frames = {header.get("FrameOfReferenceUID") for header in headers}
    matching = [
        (path, numbers)
        for path in sorted(study.rglob("*.dcm"))
        if (numbers := _segments(_header(path), frames, segment))
    ]
    if not matching:
        return ""
    if len(matching) > 1:
        raise CohortError(
            "roi",
            got=f"{len(matching)} Segmentations with such a segment",
            expected="one",
            do="narrow `segment` down, or put a mask into roi_folder",
        )
    return str(_as_mask(*matching[0], work / f"{study.name}.nii.gz"))


def _header(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(path, stop_before_pixels=True, specific_tags=SEG_HEADER)


def _segments(header: Dataset, frames: set[object], segment: str) -> list[int]:
    """Numbers of the segments that are meant; none where it is no such Segmentation, or ours."""
    if header.get("SOPClassUID") != SegmentationStorage or header.get("Manufacturer") == MAKER:
        return []
    if header.get("FrameOfReferenceUID") not in frames:
        return []
    return [
        int(one.SegmentNumber)
        for one in header.get("SegmentSequence") or ()
        if re.search(segment, str(one.get("SegmentLabel") or ""), re.IGNORECASE)
    ]


def _as_mask(path: Path, numbers: list[int], mask: Path) -> Path:
    """A Segmentation as a NIfTI mask on its own grid.

    Raises:
        CohortError: highdicom cannot make a volume of it.
    """
    try:
        found = hd.seg.segread(path).get_volume(segment_numbers=numbers, combine_segments=True)
        volume = volume_of(found)
    except CystgridError:
        raise
    except Exception as error:  # highdicom raises whatever it meets in a damaged object
        raise CohortError(
            "roi",
            got=f"a Segmentation that cannot be read ({type(error).__name__})",
            expected="frames on one regular grid",
            do="export the Segmentation again, or put a mask into roi_folder",
        ) from error
    write_nifti(volume.with_voxels((volume.voxels > 0).astype(np.float32)), mask)
    return mask
