"""Functional groups of enhanced MR: what holds for one frame, its own before what all share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, at_tag, tag_of, value


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
    own = _items(elements, "PerFrameFunctionalGroupsSequence", path)
    if len(own) != frames:
        raise ScanError(
            at_tag(path, "PerFrameFunctionalGroupsSequence"),
            got=f"{len(own)} items",
            expected=f"one for each of {frames} frames",
            do=EXPORT_AGAIN,
        )
    shared = _items(elements, "SharedFunctionalGroupsSequence", path)[:1]
    return [FrameGroups.of_frame((one, *shared), path) for one in own]


def _items(holder: Dataset, keyword: str, path: Path) -> Sequence[Dataset]:
    """The items of a sequence, none where it is absent; a damaged file may hold something else."""
    found = value(holder, keyword, path)
    if found is None and tag_of(keyword) not in holder:
        return ()
    if not isinstance(found, Sequence) or not all(isinstance(item, Dataset) for item in found):
        raise ScanError(
            at_tag(path, keyword),
            got="something else than items",
            expected="a sequence",
            do=EXPORT_AGAIN,
        )
    return found


def group(holders: tuple[Dataset, ...], keyword: str, path: Path) -> Dataset:
    """The one item of a functional group, of the first holder that has it."""
    for holder in holders:
        if tag_of(keyword) in holder:
            items = _items(holder, keyword, path)
            if len(items) != 1:
                raise ScanError(
                    at_tag(path, keyword),
                    got=f"{len(items)} items",
                    expected="one, as in every functional group",
                    do=EXPORT_AGAIN,
                )
            return items[0]
    return Dataset()
