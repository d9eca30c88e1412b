"""Each image of a series, a classic file or a frame of an enhanced one, placed in space by itself.

Attributes are those of DICOM PS3.3 C.7.6.2 (image plane) and C.7.6.16 (multi-frame functional
groups). Positions and directions stay in DICOM's LPS+ here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom_files import ENHANCED, uid
from cystgrid.scans.dicom_frames import FrameGroups, frame_groups
from cystgrid.scans.dicom_header import Header
from cystgrid.scans.dicom_marks import Mark, classic_marks, frame_marks
from cystgrid.scans.dicom_pixel_description import PixelDescription, describe_pixels
from cystgrid.scans.dicom_tags import (
    EXPORT_AGAIN,
    all_numbers,
    at_tag,
    number,
    numbers,
    optional_number,
    text,
    value,
)
from cystgrid.scans.geometry import SPACING_RANGE_MM
from cystgrid.scans.settings import ReadLimits


@dataclass(frozen=True, slots=True)
class Plane:
    """One image and where it lies.

    Attributes:
        pixels: where its stored values are, and how they are stored.
        frame: its index in an enhanced file, ``None`` for a classic one.
        position: centre of the first pixel, mm, LPS+.
        orientation: direction of a row, then of a column, LPS+.
        spacing: mm between rows, then between columns.
        slope: from stored to true values, with ``intercept``; 1 and 0 where not ``rescaled``.
        rescaled: whether slope and intercept are stated.
        frame_of_reference: UID of the patient's frame in which the position holds.
        person: patient's id and name; compared, and never shown.
        stated_gap: ``SpacingBetweenSlices`` in mm.
        thickness: ``SliceThickness`` in mm.
        marks: what can tell it from another image at its position, by keyword.
        burned_in: whether the image says that text is burned into its pixels.
    """

    pixels: PixelDescription
    frame: int | None
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    slope: float
    intercept: float
    rescaled: bool
    frame_of_reference: str
    person: tuple[str, str] = field(repr=False)
    stated_gap: float | None
    thickness: float | None
    marks: dict[str, Mark] = field(repr=False)
    burned_in: bool

    @property
    def path(self) -> Path:
        """Its file."""
        return self.pixels.path

    @property
    def size(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.pixels.rows, self.pixels.columns

    @property
    def name(self) -> str:
        """Path, marked, and the frame's number counted from 1."""
        return path_text(self.path) + self._of_frame

    @property
    def short_name(self) -> str:
        """As ``name``, with the file's name alone, which is marked too."""
        return path_text(self.path.name) + self._of_frame

    @property
    def _of_frame(self) -> str:
        return "" if self.frame is None else f" frame {self.frame + 1}"


def read_planes(header: Header, limits: ReadLimits) -> list[Plane]:
    """Every image of one file; its pixels are not read.

    Raises:
        ScanError: an attribute that places the image or describes its pixels is missing or
            impossible.
    """
    path, elements = header.path, header.elements
    enhanced = uid(header, "SOPClassUID") in ENHANCED
    if not enhanced and number(elements, "NumberOfFrames", path, default=1) > 1:
        raise ScanError(
            at_tag(path, "NumberOfFrames"),
            got="several frames",
            expected="1 in an MR Image Storage file",
            do="export the series as enhanced MR or as single slices",
        )
    pixels = describe_pixels(header, limits)
    if not enhanced:
        itself = FrameGroups.of_classic(elements)
        return [_plane(elements, itself, pixels, None, classic_marks(elements, path))]
    groups = frame_groups(elements, path, pixels.frames)
    marks = frame_marks(elements, groups, path)
    return [
        _plane(elements, group, pixels, frame, marks[frame]) for frame, group in enumerate(groups)
    ]


def _plane(
    elements: Dataset,
    groups: FrameGroups,
    pixels: PixelDescription,
    frame: int | None,
    marks: dict[str, Mark],
) -> Plane:
    path = pixels.path
    rescale = _rescale(elements, groups.values, path)
    slope, intercept = rescale or (1.0, 0.0)
    return Plane(
        pixels=pixels,
        frame=frame,
        position=numbers(groups.position, "ImagePositionPatient", 3, path),
        orientation=numbers(groups.orientation, "ImageOrientationPatient", 6, path),
        spacing=_spacing(groups.measures, path),
        slope=slope,
        intercept=intercept,
        rescaled=rescale is not None,
        frame_of_reference=text(elements, "FrameOfReferenceUID", path),
        person=(text(elements, "PatientID", path), text(elements, "PatientName", path)),
        stated_gap=_length(groups.measures, "SpacingBetweenSlices", path),
        thickness=_length(groups.measures, "SliceThickness", path),
        marks=marks,
        burned_in=text(elements, "BurnedInAnnotation", path).upper() == "YES",
    )


def _spacing(measures: Dataset, path: Path) -> tuple[float, ...]:
    spacing = numbers(measures, "PixelSpacing", 2, path)
    low, high = SPACING_RANGE_MM
    if min(spacing) < low or max(spacing) > high:
        raise ScanError(
            at_tag(path, "PixelSpacing"),
            got=f"{spacing[0]:g} and {spacing[1]:g}",
            expected=f"{low} to {high:g} mm",
            do=EXPORT_AGAIN,
        )
    return spacing


def _rescale(elements: Dataset, values: Dataset, path: Path) -> tuple[float, float] | None:
    """Slope and intercept (PS3.3 C.11.1.1.2), or None where neither is stated."""
    if value(elements, "ModalityLUTSequence", path) is not None:
        raise ScanError(
            at_tag(path, "ModalityLUTSequence"),
            got="a table of values",
            expected="RescaleSlope and RescaleIntercept, or neither",
            do="export the series without a modality table",
        )
    stated = [bool(all_numbers(values, f"Rescale{part}", path)) for part in ("Slope", "Intercept")]
    if not any(stated):
        return None
    slope = number(values, "RescaleSlope", path)
    if slope == 0:
        raise ScanError(
            at_tag(path, "RescaleSlope"),
            got="0",
            expected="a factor that keeps the image",
            do=EXPORT_AGAIN,
        )
    return slope, number(values, "RescaleIntercept", path)


def _length(dataset: Dataset, keyword: str, path: Path) -> float | None:
    """A length that places nothing unless the slice is alone, so a bad one counts as absent."""
    found = optional_number(dataset, keyword, path)
    return found if found is not None and found > 0 else None
