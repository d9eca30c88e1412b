"""A watched study's region of interest, from the first source of the rules that has one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cystgrid.errors import CohortError
from cystgrid.outputs.dicom.stored_segments import frame_of, segments_in, write_mask
from cystgrid.pacs.watch_settings import WatchSettings


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
        ScanError: a Segmentation that cannot be read.
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
    frames = {frame_of(next((study / uid).glob("*.dcm"))) for uid in scans}
    matching = [
        (path, numbers)
        for path in sorted(study.rglob("*.dcm"))
        if (numbers := _meant(path, frames, segment))
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
    mask = work / f"{study.name}.nii.gz"
    write_mask(*matching[0], mask)
    return str(mask)


def _meant(path: Path, frames: set[str], segment: str) -> list[int]:
    """Numbers of a file's segments that the rules mean, in the frame of a scan."""
    return [
        one.number
        for one in segments_in(path)
        if one.frame in frames and re.search(segment, one.label, re.IGNORECASE)
    ]
