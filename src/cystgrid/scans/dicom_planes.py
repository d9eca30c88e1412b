"""Each image of a series, a classic file or a frame of an enhanced one, placed in space by itself.

Attributes are those of DICOM PS3.3 C.7.6.2 (image plane) and C.7.6.16 (multi-frame functional
groups). Positions and directions stay in DICOM's LPS+ here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_files import DicomFile
from cystgrid.scans.dicom_tags import (
    integer,
    number,
    numbers,
    optional_number,
    read_dataset,
    tag_name,
    text,
    value,
)
from cystgrid.scans.geometry import SPACING_RANGE_MM
from cystgrid.scans.settings import ReadLimits

MAX_SIDE = 2**16 - 1
"""``Rows`` and ``Columns`` are 16-bit."""

CLASSIC_MARKS = (
    "EchoTime", "EchoNumbers", "TemporalPositionIdentifier", "DiffusionBValue", "InversionTime",
    "FlipAngle", "ImageType", "TriggerTime", "AcquisitionNumber",
)  # fmt: skip
ENHANCED_MARKS = (
    ("MREchoSequence", "EffectiveEchoTime"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("MRImageFrameTypeSequence", "FrameType"),
    ("MRImageFrameTypeSequence", "ComplexImageComponent"),
    ("FrameContentSequence", "FrameAcquisitionNumber"),
    ("FrameContentSequence", "DimensionIndexValues"),
)
"""What can tell apart two images at one position, the likeliest first."""


@dataclass(frozen=True)
class Plane:
    """One image and where it lies.

    Attributes:
        path: its file.
        frame: its index in an enhanced file, ``None`` for a classic one.
        position: centre of the first pixel, mm, LPS+.
        orientation: direction of a row, then of a column, LPS+.
        spacing: mm between rows, then between columns.
        size: rows, columns.
        slope: from stored to true values, with ``intercept``.
        frame_of_reference: UID of the patient's frame in which the position holds.
        person: patient's id and name; compared, and never shown.
        stated_gap: ``SpacingBetweenSlices`` in mm.
        thickness: ``SliceThickness`` in mm.
        marks: attributes that can tell apart images at one position.
        burned_in: whether the image says that text is burned into its pixels.
    """

    path: Path
    frame: int | None
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    size: tuple[int, int]
    slope: float
    intercept: float
    frame_of_reference: str
    person: tuple[str, str] = field(repr=False)
    stated_gap: float | None
    thickness: float | None
    marks: dict[str, str] = field(repr=False)
    burned_in: bool

    @property
    def name(self) -> str:
        """Path, and the frame's number counted from 1."""
        return str(self.path) if self.frame is None else f"{self.path} frame {self.frame + 1}"

    @property
    def short_name(self) -> str:
        """As ``name``, with the file's name alone."""
        return self.name.removeprefix(str(self.path.parent)).lstrip("/\\")


def read_planes(file: DicomFile, limits: ReadLimits) -> list[Plane]:
    """Every image of one file; its pixels are not read.

    Raises:
        ScanError: an attribute that places the image is missing or impossible.
    """
    header = read_dataset(file.path, stop_before_pixels=True)
    path = file.path
    frames = integer(header, "NumberOfFrames", path, 1, limits.max_voxels, default=1)
    size = (
        integer(header, "Rows", path, 1, MAX_SIDE),
        integer(header, "Columns", path, 1, MAX_SIDE),
    )
    if size[0] * size[1] * frames > limits.max_voxels:
        raise ScanError(
            f"{path}: {tag_name('Rows')}, Columns, NumberOfFrames",
            got=f"{size[0]} x {size[1]} x {frames} voxels",
            expected=f"at most {limits.max_voxels}",
            do="check the file, or raise max_voxels",
        )
    if file.enhanced:
        return _enhanced_planes(header, path, size, frames)
    if frames > 1:
        raise ScanError(
            f"{path}: {tag_name('NumberOfFrames')}",
            got=frames,
            expected="1 in an MR Image Storage file",
            do="export the series as enhanced MR or as single slices",
        )
    groups = dict.fromkeys(("position", "orientation", "measures", "values"), header)
    marks = {keyword: text(header, keyword, path) for keyword in CLASSIC_MARKS}
    return [_plane(header, groups, path, size, None, marks)]


def _enhanced_planes(
    header: Dataset, path: Path, size: tuple[int, int], frames: int
) -> list[Plane]:
    per_frame = value(header, "PerFrameFunctionalGroupsSequence", path) or []
    if len(per_frame) != frames:
        raise ScanError(
            f"{path}: {tag_name('PerFrameFunctionalGroupsSequence')}",
            got=f"{len(per_frame)} items",
            expected=f"one for each of {frames} frames",
            do="export the series from the archive again",
        )
    shared = (value(header, "SharedFunctionalGroupsSequence", path) or [Dataset()])[0]
    planes = []
    for index, own in enumerate(per_frame):

        def group(keyword: str, own: Dataset = own) -> Dataset:
            for holder in (own, shared):
                items = value(holder, keyword, path)
                if items:
                    first: Dataset = items[0]
                    return first
            return Dataset()

        groups = {
            "position": group("PlanePositionSequence"),
            "orientation": group("PlaneOrientationSequence"),
            "measures": group("PixelMeasuresSequence"),
            "values": group("PixelValueTransformationSequence"),
        }
        marks = {keyword: text(group(name), keyword, path) for name, keyword in ENHANCED_MARKS}
        planes.append(_plane(header, groups, path, size, index, marks))
    return planes


def _plane(
    header: Dataset,
    groups: dict[str, Dataset],
    path: Path,
    size: tuple[int, int],
    frame: int | None,
    marks: dict[str, str],
) -> Plane:
    measures, values = groups["measures"], groups["values"]
    if value(header, "ModalityLUTSequence", path) is not None:
        raise ScanError(
            f"{path}: {tag_name('ModalityLUTSequence')}",
            got="a table of values",
            expected="RescaleSlope and RescaleIntercept, or neither",
            do="export the series without a modality table",
        )
    spacing = numbers(measures, "PixelSpacing", 2, path)
    low, high = SPACING_RANGE_MM
    if min(spacing) < low or max(spacing) > high:
        raise ScanError(
            f"{path}: {tag_name('PixelSpacing')}",
            got=f"{spacing[0]:g} and {spacing[1]:g}",
            expected=f"{low} to {high:g} mm",
            do="export the series from the archive again",
        )
    slope = number(values, "RescaleSlope", path, default=1.0)
    if slope == 0:
        raise ScanError(
            f"{path}: {tag_name('RescaleSlope')}",
            got="0",
            expected="a factor that keeps the image",
            do="export the series from the archive again",
        )
    return Plane(
        path=path,
        frame=frame,
        position=numbers(groups["position"], "ImagePositionPatient", 3, path),
        orientation=numbers(groups["orientation"], "ImageOrientationPatient", 6, path),
        spacing=spacing,
        size=size,
        slope=slope,
        intercept=number(values, "RescaleIntercept", path, default=0.0),
        frame_of_reference=text(header, "FrameOfReferenceUID", path),
        person=(text(header, "PatientID", path), text(header, "PatientName", path)),
        stated_gap=_length(measures, "SpacingBetweenSlices", path),
        thickness=_length(measures, "SliceThickness", path),
        marks=marks,
        burned_in=text(header, "BurnedInAnnotation", path).upper() == "YES",
    )


def _length(dataset: Dataset, keyword: str, path: Path) -> float | None:
    """A length that places nothing unless the slice is alone, so a bad one counts as absent."""
    found = optional_number(dataset, keyword, path)
    return found if found is not None and found > 0 else None
