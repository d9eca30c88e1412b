"""One instance as the bytes of a DICOM file: which it is, and whether another is the same."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from cystgrid.errors import CystgridError
from cystgrid.pacs.rows import sound_uid, value_of
from cystgrid.quiet import quietly

MAKING_TIMES = frozenset(
    (
        "InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime", "SeriesDate",
        "SeriesTime", "ContributionDateTime", "DateOfSecondaryCapture", "TimeOfSecondaryCapture",
    )
)  # fmt: skip
"""When an object was made. The same answer to the same question, made again, is the same object."""


@dataclass(frozen=True)
class Instance:
    """Which instance a file is.

    Attributes:
        study_uid, series_uid, uid: ``StudyInstanceUID``, ``SeriesInstanceUID``,
            ``SOPInstanceUID``.
    """

    study_uid: str
    series_uid: str
    uid: str

    @classmethod
    def of(cls, content: bytes, where: object, kind: type[CystgridError]) -> Instance:
        """From a file's content.

        Raises:
            CystgridError: of ``kind``, naming ``where``: no DICOM file, or a UID is missing.
        """
        header = _parsed(content, where, kind, stop_before_pixels=True)
        keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        uids = [sound_uid(value_of(header, keyword)) for keyword in (*keywords, "SOPClassUID")]
        missing = [
            name for name, uid in zip((*keywords, "SOPClassUID"), uids, strict=True) if not uid
        ]
        if missing:
            raise kind(
                where,
                got=f"an instance without {', '.join(missing)}",
                expected="the UIDs by which DICOM tells objects apart",
                do="look at this object where it comes from; it cannot be used",
            )
        return cls(*uids[:3])


def same_object(one: bytes, other: bytes) -> bool:
    """Whether two files of one SOPInstanceUID hold the same.

    Neither the file meta group, which the writer of the file makes, nor ``MAKING_TIMES`` count.
    """
    if one == other:
        return True
    try:
        with quietly():
            first, second = (dcmread(io.BytesIO(each), force=True) for each in (one, other))
            return bool(_without_times(first) == _without_times(second))
    except Exception:  # whatever pydicom meets in a damaged object: then it is not known to be same
        return False


def read_content(path: Path, kind: type[CystgridError]) -> bytes:
    """A file's bytes.

    Raises:
        CystgridError: of ``kind``: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise kind(
            path, got=f"no readable file ({error.strerror})", expected="a DICOM file",
            do="check the path",
        ) from error  # fmt: skip


def _without_times(dataset: Dataset) -> Dataset:
    def drop(level: Dataset, element: Any) -> None:
        if element.keyword in MAKING_TIMES:
            del level[element.tag]

    dataset.walk(drop)
    return dataset


def _parsed(content: bytes, where: object, kind: type[CystgridError], **options: bool) -> Dataset:
    try:
        with quietly():
            return dcmread(io.BytesIO(content), **options)
    except (InvalidDicomError, EOFError, ValueError, KeyError, AttributeError, OSError) as error:
        raise kind(
            where,
            got=f"no DICOM file ({type(error).__name__})",
            expected="a DICOM file",
            do="leave it out",
        ) from error
