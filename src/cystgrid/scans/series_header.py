"""The header of one DICOM file, as much as a survey of many series needs.

What is missing or damaged here is left empty rather than refused: a survey lists every series, also
those that cannot be read. Only what cannot be placed in any series is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID, MediaStorageDirectoryStorage

from cystgrid.errors import ScanError
from cystgrid.provenance import digest
from cystgrid.scans.dicom_files import DICOM_SUFFIXES, ENHANCED, uid
from cystgrid.scans.dicom_header import has_prefix, opened, read_elements, read_meta
from cystgrid.scans.dicom_lenient import (
    first_positive,
    items,
    numbers_or_none,
    text_or_empty,
    values,
)
from cystgrid.scans.dicom_tags import at_tag, optional_number, tag_of
from cystgrid.scans.settings import ReadLimits
from cystgrid.scans.weighting import Acquisition

NOT_DICOM, DIRECTORY = "not DICOM", "DICOMDIR"
"""Files that belong to no series because of what they are."""

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_ACQUISITION_TAGS = (
    "SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName", "ContrastBolusAgent",
    "ContrastBolusAgentSequence", "ScanningSequence", "SequenceVariant", "ScanOptions", "ImageType",
    "AcquisitionContrast", "EchoPulseSequence", "EchoPlanarPulseSequence", "Spoiling",
    "SteadyStatePulseSequence", "SpectrallySelectedSuppression", "RepetitionTime", "EchoTime",
    "InversionTime", "FlipAngle", "DiffusionBValue",
)  # fmt: skip
_MARKS = (
    "EchoTime", "TemporalPositionIdentifier", "DiffusionBValue", "ImageType", "InversionTime",
    "TriggerTime", "AcquisitionNumber",
)  # fmt: skip
_FRAME_MARKS = (
    ("MREchoSequence", "EffectiveEchoTime"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("MRImageFrameTypeSequence", "FrameType"),
    ("MRImageFrameTypeSequence", "ComplexImageComponent"),
)
SURVEY_TAGS = [tag_of(keyword) for keyword in (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber",
    "InstanceNumber", "Modality", "PatientID", "IssuerOfPatientID", "PatientName",
    "PatientBirthDate", "AccessionNumber", "StudyDate", "FrameOfReferenceUID", "Rows", "Columns",
    "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", *_MARKS, *_ACQUISITION_TAGS, *GROUPS,
)]  # fmt: skip

_COPY = "export it from the archive again, or take it out of the folder"


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """One image: a classic file, or a frame of an enhanced one.

    Attributes:
        position: centre of the first pixel, mm, LPS+; None where it is not stated.
        orientation: direction of a row, then of a column, LPS+.
        spacing: mm between rows, then between columns.
        size: columns, rows; 0 where unknown.
        depth: ``SpacingBetweenSlices`` or else ``SliceThickness``, mm.
        marks: what can tell it from another image at its position, as ``(keyword, value)``.
    """

    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    size: tuple[int, int]
    depth: float | None
    marks: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True)
class Identity:
    """Whose series it is. Compared in memory, never written or shown; its ``repr`` is empty.

    Attributes:
        patient_id, issuer: ``PatientID`` and ``IssuerOfPatientID``.
        name, birth_date: as stated.
        accession: ``AccessionNumber`` of the study.
        study_date: ``StudyDate``, YYYYMMDD.
    """

    patient_id: str = field(default="", repr=False)
    issuer: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    accession: str = field(default="", repr=False)
    study_date: str = field(default="", repr=False)

    def patient_key(self, study_uid: str) -> str:
        """Hex digest of patient and issuer; of the study where no patient is stated."""
        return digest([self.issuer, self.patient_id] if self.patient_id else ["study", study_uid])


@dataclass(frozen=True)
class FileHeader:
    """One DICOM object and the images it holds.

    Attributes:
        path: its file.
        kind: ``SOPClassUID``.
        uid: ``SOPInstanceUID``.
        series_uid, study_uid: where it belongs.
        number, instance: ``SeriesNumber``, ``InstanceNumber``.
        frame_of_reference: UID in which positions hold.
        images: none for an object that holds no MR image.
        frames_stated: ``NumberOfFrames``.
        acquisition: how it was made, as this file (an enhanced one: its first frame) states it.
    """

    path: Path
    kind: UID
    uid: str
    series_uid: str
    study_uid: str
    number: int | None
    instance: float
    identity: Identity
    frame_of_reference: str
    images: tuple[ImageHeader, ...]
    frames_stated: int
    acquisition: Acquisition


def read_header(path: Path, limits: ReadLimits) -> FileHeader | str:
    """Read what a survey needs of one file; pixels are not read.

    Returns:
        The header, or what the file is if it belongs to no series.

    Raises:
        ScanError: DICOM by its prefix or its name, and larger than ``limits`` allow, damaged, or
            without the UIDs that say which series it belongs to.
    """
    with opened(path) as stream:
        if not has_prefix(stream):
            _check_name(path)
            return NOT_DICOM
        meta = read_meta(stream, path, limits)
        if meta.kind == MediaStorageDirectoryStorage:
            return DIRECTORY
        header = read_elements(stream, path, meta, SURVEY_TAGS, limits)
    kind, dataset = uid(header, "SOPClassUID"), header.elements
    if meta.kind and meta.kind != kind:
        raise ScanError(
            at_tag(path, "SOPClassUID"),
            got="another kind of object than the file meta information declares",
            expected=meta.kind.name,
            do=_COPY,
        )
    number = optional_number(dataset, "SeriesNumber", path)
    instance = optional_number(dataset, "InstanceNumber", path)
    return FileHeader(
        path=path,
        kind=kind,
        uid=text_or_empty(dataset, "SOPInstanceUID", path),
        series_uid=uid(header, "SeriesInstanceUID"),
        study_uid=uid(header, "StudyInstanceUID"),
        number=None if number is None else int(number),
        instance=float("inf") if instance is None else instance,
        identity=_identity(dataset, path),
        frame_of_reference=text_or_empty(dataset, "FrameOfReferenceUID", path),
        images=_images(dataset, kind, path),
        frames_stated=int(optional_number(dataset, "NumberOfFrames", path) or 1),
        acquisition=_acquisition(dataset, path),
    )


def read_acquisition(path: Path, limits: ReadLimits) -> Acquisition:
    """How the image of one DICOM file was made, as far as it states it.

    Raises:
        ScanError: it is damaged.
    """
    with opened(path) as stream:
        has_prefix(stream)
        meta = read_meta(stream, path, limits)
        return _acquisition(read_elements(stream, path, meta, SURVEY_TAGS, limits).elements, path)


def _check_name(path: Path) -> None:
    if path.suffix.lower() in DICOM_SUFFIXES:
        raise ScanError(
            path, got="no DICM prefix at byte 128", expected="DICOM, as its name says", do=_COPY
        )


def _acquisition(dataset: Dataset, path: Path) -> Acquisition:
    groups = _Groups(dataset, path)

    def listed(keyword: str, holder: Dataset | None = None) -> frozenset[str]:
        return frozenset(values(dataset if holder is None else holder, keyword, path))

    modifier = groups.find("MRModifierSequence")
    timing = groups.find("MRTimingAndRelatedParametersSequence")
    frame_type = groups.find("MRImageFrameTypeSequence")
    agent = text_or_empty(dataset, "ContrastBolusAgent", path)
    if not agent and items(dataset, "ContrastBolusAgentSequence", path):
        agent = "stated"
    return Acquisition(
        description=text_or_empty(dataset, "SeriesDescription", path),
        protocol=text_or_empty(dataset, "ProtocolName", path),
        sequence=text_or_empty(dataset, "SequenceName", path)
        or text_or_empty(dataset, "PulseSequenceName", path),
        agent=agent,
        technique=listed("ScanningSequence") | _enhanced_technique(dataset, modifier, path),
        variant=listed("SequenceVariant")
        | ({"SP"} if listed("Spoiling") - {"NONE", ""} else frozenset()),
        options=listed("ScanOptions"),
        image_type=values(frame_type, "FrameType", path) or values(dataset, "ImageType", path),
        stated=text_or_empty(frame_type, "AcquisitionContrast", path)
        or text_or_empty(dataset, "AcquisitionContrast", path),
        suppression=listed("SpectrallySelectedSuppression")
        | listed("SpectrallySelectedExcitation", modifier),
        free_precession="FREE_PRECESSION" in listed("SteadyStatePulseSequence"),
        tr=first_positive("RepetitionTime", path, dataset, timing),
        te=first_positive("EchoTime", path, dataset)
        or first_positive("EffectiveEchoTime", path, groups.find("MREchoSequence")),
        ti=first_positive("InversionTime", path, dataset)
        or first_positive("InversionTimes", path, modifier),
        flip=first_positive("FlipAngle", path, dataset, timing),
        b_value=first_positive("DiffusionBValue", path, dataset),
    )


def _identity(dataset: Dataset, path: Path) -> Identity:
    return Identity(
        patient_id=text_or_empty(dataset, "PatientID", path),
        issuer=text_or_empty(dataset, "IssuerOfPatientID", path),
        name=text_or_empty(dataset, "PatientName", path),
        birth_date=text_or_empty(dataset, "PatientBirthDate", path),
        accession=text_or_empty(dataset, "AccessionNumber", path),
        study_date=text_or_empty(dataset, "StudyDate", path),
    )


class _Groups:
    """Functional groups of one frame of an enhanced image, its own before the shared ones."""

    def __init__(self, dataset: Dataset, path: Path, frame: Dataset | None = None) -> None:
        self.path = path
        self.holders = []
        if frame is None:
            frame = next(iter(items(dataset, GROUPS[1], path)), None)
        if frame is not None:
            self.holders.append(frame)
        self.holders += items(dataset, GROUPS[0], path)[:1]

    def find(self, keyword: str) -> Dataset:
        """The group's one item; an empty data set where there is none."""
        for holder in self.holders:
            for item in items(holder, keyword, self.path)[:1]:
                return item
        return Dataset()


def _images(dataset: Dataset, kind: UID, path: Path) -> tuple[ImageHeader, ...]:
    size = (
        int(optional_number(dataset, "Columns", path) or 0),
        int(optional_number(dataset, "Rows", path) or 0),
    )
    if kind not in ENHANCED:
        marks = tuple((name, text_or_empty(dataset, name, path)) for name in _MARKS)
        return (_image(dataset, dataset, dataset, size, marks, path),)
    images = []
    for frame in items(dataset, GROUPS[1], path):
        groups = _Groups(dataset, path, frame)
        marks = tuple(
            (name, text_or_empty(groups.find(sequence), name, path))
            for sequence, name in _FRAME_MARKS
        )
        place = groups.find("PlanePositionSequence"), groups.find("PlaneOrientationSequence")
        images.append(_image(*place, groups.find("PixelMeasuresSequence"), size, marks, path))
    return tuple(images)


def _image(
    position: Dataset,
    orientation: Dataset,
    measures: Dataset,
    size: tuple[int, int],
    marks: tuple[tuple[str, str], ...],
    path: Path,
) -> ImageHeader:
    return ImageHeader(
        position=numbers_or_none(position, "ImagePositionPatient", 3, path),
        orientation=numbers_or_none(orientation, "ImageOrientationPatient", 6, path),
        spacing=numbers_or_none(measures, "PixelSpacing", 2, path),
        size=size,
        depth=first_positive("SpacingBetweenSlices", path, measures)
        or first_positive("SliceThickness", path, measures),
        marks=marks,
    )


def _enhanced_technique(dataset: Dataset, modifier: Dataset, path: Path) -> frozenset[str]:
    """ScanningSequence's terms for what enhanced MR states in several elements (C.8.13.4)."""
    echo = {"SPIN": {"SE"}, "GRADIENT": {"GR"}, "BOTH": {"SE", "GR"}}
    found = set(echo.get(text_or_empty(dataset, "EchoPulseSequence", path), set()))
    if text_or_empty(dataset, "EchoPlanarPulseSequence", path) == "YES":
        found.add("EP")
    if text_or_empty(modifier, "InversionRecovery", path) == "YES":
        found.add("IR")
    return frozenset(found)
