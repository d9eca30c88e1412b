"""What can tell apart two images at one position: echo, b value, time, kind, ..."""

from __future__ import annotations

import math
from pathlib import Path

from pydicom.dataset import Dataset

from cystgrid.scans.dicom_elements import MARKS
from cystgrid.scans.dicom_frames import FrameGroups, group
from cystgrid.scans.dicom_tags import all_numbers, value, words
from cystgrid.scans.dicom_words import IMAGE_TYPE_WORDS

Mark = tuple[float, ...] | tuple[str, ...]
"""The element's values, numbers wherever it is one of numbers; empty where it is absent."""

CODED_TEXT = frozenset(("ImageType", "FrameType", "ComplexImageComponent"))
BACKSLASH = "\\"
"""Between several values of one element, as in DICOM itself."""

DIGITS = 6
"""Significant digits that count: 4.6 and 4.6000001 ms are one echo time."""

FRAME_MARKS = (
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("MRDiffusionSequence", "DiffusionGradientOrientation"),
    ("MRModifierSequence", "InversionTimes"),
    ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    ("MRImageFrameTypeSequence", "FrameType"),
    ("MRImageFrameTypeSequence", "ComplexImageComponent"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    *(("UnassignedPerFrameConvertedAttributesSequence", keyword)
      for keyword in ("EchoTime", "InversionTime", "TemporalPositionIdentifier", "TriggerTime")),
    ("FrameContentSequence", "FrameAcquisitionNumber"),
)  # fmt: skip
"""Of enhanced images, by functional group; the likeliest first."""

LAST_RESORT = "DimensionIndexValues"
"""What counts along the dimensions that a writer chose, be they known or private."""

PLACE_POINTERS = frozenset((0x00200032, 0x00209056, 0x00209057, 0x00209301))
"""Dimensions in space: ImagePositionPatient, StackID, InStackPositionNumber, and
PlanePositionSequence, as some writers point to."""

CONTRAST_MARKS = frozenset((
    "EchoTime", "EffectiveEchoTime", "DiffusionBValue", "InversionTime", "InversionTimes",
    "FlipAngle", "ImageType", "FrameType", "ComplexImageComponent",
))  # fmt: skip
"""What makes images of one volume look different; the rest may change from slice to slice."""


def classic_marks(elements: Dataset, path: Path) -> dict[str, Mark]:
    """Marks of a classic image, by keyword."""
    return {keyword: _mark(elements, keyword, path) for keyword in MARKS}


def frame_marks(elements: Dataset, groups: list[FrameGroups], path: Path) -> list[dict[str, Mark]]:
    """Marks of each frame of an enhanced image, by keyword."""
    dimensions = _dimensions_beside_place(elements, path)
    return [_frame_marks(one.holders, dimensions, path) for one in groups]


def _frame_marks(
    holders: tuple[Dataset, ...], dimensions: list[int], path: Path
) -> dict[str, Mark]:
    found: dict[str, Mark] = {}
    for sequence, keyword in FRAME_MARKS:
        holder = group(holders, sequence, path)
        if keyword == "DiffusionGradientOrientation":
            holder = group((holder,), "DiffusionGradientDirectionSequence", path)
        found[keyword] = _mark(holder, keyword, path)
    index = _mark(group(holders, "FrameContentSequence", path), LAST_RESORT, path)
    found[LAST_RESORT] = tuple(float(index[at]) for at in dimensions if at < len(index))
    return found


def _dimensions_beside_place(elements: Dataset, path: Path) -> list[int]:
    """Which of ``DimensionIndexValues`` count something else than places (PS3.3 C.7.6.17)."""
    stated = value(elements, "DimensionIndexSequence", path) or []
    pointers = [value(item, "DimensionIndexPointer", path) for item in stated]
    return [at for at, pointer in enumerate(pointers) if pointer not in PLACE_POINTERS]


def _mark(dataset: Dataset, keyword: str, path: Path) -> Mark:
    if keyword in CODED_TEXT:
        return words(dataset, keyword, path)
    found = all_numbers(dataset, keyword, path)
    return tuple(float(f"{part:.{DIGITS}g}") for part in found if not math.isnan(part))


def shown_mark(keyword: str, mark: Mark, others: list[Mark]) -> str:
    """A mark in words that hold no free text.

    Args:
        keyword: its name.
        mark: its value.
        others: all values that it is to be told from; of coded text, only what differs is shown.
    """
    if not mark:
        return f"no {keyword}"
    if keyword in CODED_TEXT:
        same = set.intersection(*(set(other) for other in others))
        parts = [str(part) for part in mark if part not in same]
        shown = [part if part in IMAGE_TYPE_WORDS else "(another word)" for part in parts]
        return f"{keyword} {BACKSLASH.join(shown) or 'in another order'}"
    return f"{keyword} {BACKSLASH.join(f'{part:g}' for part in mark)}"
