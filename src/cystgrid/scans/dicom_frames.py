"""Functional groups of enhanced MR: what holds for one frame, its own before what all share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, at_tag, value


@dataclass(frozen=True)
class FrameGroups:
    """The groups of one image that place it and give its values.

    Attributes:
        holders: the frame's own groups, then the shared ones.
        position: holds ``ImagePositionPatient``.
        orientation: holds ``ImageOrientationPatient``.
        measures: holds ``PixelSpacing``.
        values: holds ``RescaleSlope``.
    """

    holders: tuple[Dataset, ...]
    position: Dataset
    orientation: Dataset
    measures: Dataset
    values: Dataset

    @classmethod
    def of_classic(cls, elements: Dataset) -> FrameGroups:
        """A classic image states everything in itself."""
        return cls((elements,), elements, elements, elements, elements)

    @classmethod
    def of_frame(cls, holders: tuple[Dataset, ...], path: Path) -> FrameGroups:
        """The groups of one frame, an empty one where it is stated nowhere."""
        names = ("PlanePosition", "PlaneOrientation", "PixelMeasures", "PixelValueTransformation")
        return cls(holders, *(group(holders, f"{name}Sequence", path) for name in names))


def frame_groups(elements: Dataset, path: Path, frames: int) -> list[FrameGroups]:
    """The groups of each frame.

    Raises:
        ScanError: there is not one item for each frame.
    """
    own = value(elements, "PerFrameFunctionalGroupsSequence", path) or []
    if len(own) != frames:
        raise ScanError(
            at_tag(path, "PerFrameFunctionalGroupsSequence"),
            got=f"{len(own)} items",
            expected=f"one for each of {frames} frames",
            do=EXPORT_AGAIN,
        )
    shared = tuple(value(elements, "SharedFunctionalGroupsSequence", path) or [])[:1]
    return [FrameGroups.of_frame((one, *shared), path) for one in own]


def group(holders: tuple[Dataset, ...], keyword: str, path: Path) -> Dataset:
    """The one item of a functional group, of the first holder that has it."""
    for holder in holders:
        items = value(holder, keyword, path)
        if items:
            first: Dataset = items[0]
            return first
    return Dataset()
