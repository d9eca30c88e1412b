"""Segments of DICOM Segmentations that others stored, as masks (PS3.3 A.51)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import SegmentationStorage

from cystgrid.errors import CystgridError, ScanError
from cystgrid.outputs.dicom.making import MAKER, volume_of
from cystgrid.quiet import quietly
from cystgrid.scans.nifti import write_nifti

HEADER = ["SOPClassUID", "Manufacturer", "FrameOfReferenceUID", "SegmentSequence"]


@dataclass(frozen=True)
class Segment:
    """One segment.

    Attributes:
        path: its file.
        frame: ``FrameOfReferenceUID``.
        number, label: as the file states them.
    """

    path: Path = field(repr=False)
    frame: str
    number: int
    label: str


def frame_of(path: Path) -> str:
    """``FrameOfReferenceUID`` of a DICOM file; empty where it states none."""
    return str(_header(path).get("FrameOfReferenceUID") or "")


def segments_in(path: Path) -> tuple[Segment, ...]:
    """The segments of a DICOM file; none where it is no Segmentation, or one that we made."""
    header = _header(path)
    if header.get("SOPClassUID") != SegmentationStorage or header.get("Manufacturer") == MAKER:
        return ()
    frame = str(header.get("FrameOfReferenceUID") or "")
    return tuple(
        Segment(path, frame, int(one.SegmentNumber), str(one.get("SegmentLabel") or ""))
        for one in header.get("SegmentSequence") or ()
    )


def write_mask(path: Path, numbers: Sequence[int], mask: Path) -> None:
    """Write segments of one Segmentation as a NIfTI mask on its own grid.

    Raises:
        ScanError: highdicom cannot make a volume of it.
    """
    try:
        found = hd.seg.segread(path).get_volume(
            segment_numbers=list(numbers), combine_segments=True
        )
        volume = volume_of(found)
    except CystgridError:
        raise
    except Exception as error:  # highdicom raises whatever it meets in a damaged object
        raise ScanError(
            path,
            got=f"a Segmentation that cannot be read ({type(error).__name__})",
            expected="frames on one regular grid",
            do="export the Segmentation again, or give a mask in its place",
        ) from error
    write_nifti(volume.with_voxels((volume.voxels > 0).astype(np.float32)), mask)


def _header(path: Path) -> Dataset:
    with quietly():
        return dcmread(path, stop_before_pixels=True, specific_tags=HEADER)
