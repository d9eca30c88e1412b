"""What an archive is asked, and the studies and instances that it lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset

from cystgrid.errors import ArchiveError, UsageError
from cystgrid.quiet import quietly

MOST_INSTANCES = 100_000
"""Of one study. An archive that lists more repeats itself."""

UID_TEXT = re.compile(r"[0-9]+(\.[0-9]+)*")
DATE_RANGE = re.compile(r"[0-9]{8}|[0-9]{8}-([0-9]{8})?|-[0-9]{8}")


def sound_uid(stated: object) -> str:
    """The UID, or nothing where ``stated`` is none: it becomes a file's name (PS3.5, 9.1)."""
    text = str(stated or "").strip(" \0")
    return text if len(text) <= 64 and UID_TEXT.fullmatch(text) else ""


def value_of(header: Dataset, keyword: str) -> Any:
    """An element's value; None where pydicom can make no sense of it."""
    try:
        with quietly():  # pydicom's warnings repeat the value, a patient's id, say
            return header.get(keyword)
    except Exception:  # it is decoded only now, and raises whatever it meets
        return None


def asked_uid(stated: str, option: str) -> str:
    """A UID that a user typed.

    Raises:
        UsageError: it is none.
    """
    found = sound_uid(stated)
    if not found:
        raise UsageError(
            option,
            got=repr(stated),
            expected="a StudyInstanceUID: digits and dots, at most 64",
            do="copy it from `cystgrid pacs find`",
        )
    return found


@dataclass(frozen=True)
class Query:
    """Which studies are looked for; what is empty matches everything.

    Attributes:
        study_uid: ``StudyInstanceUID``.
        patient: ``PatientID``; ``*`` and ``?`` are wildcards.
        date: ``YYYYMMDD``, or a range ``YYYYMMDD-YYYYMMDD`` with an open end.
        modality: of which the study has a series: ``MR``.
        description: ``StudyDescription``; with wildcards.
        limit: studies listed, at most.
    """

    study_uid: str = ""
    patient: str = field(default="", repr=False)
    date: str = ""
    modality: str = ""
    description: str = ""
    limit: int = 1000

    def __post_init__(self) -> None:
        if self.date and not DATE_RANGE.fullmatch(self.date):
            raise UsageError(
                "--date",
                got=repr(self.date),
                expected="YYYYMMDD or YYYYMMDD-YYYYMMDD, either end open",
                do="write it so: 20240101-20240131",
            )
        for value in (self.patient, self.modality, self.description):
            if "\\" in value or not value.isprintable():
                raise UsageError(
                    "--patient, --modality or --description",
                    got="a backslash or a character that cannot be printed",
                    expected="one value, * and ? as wildcards",
                    do="ask for one value at a time",
                )

    @property
    def filters(self) -> dict[str, str]:
        """DICOM keywords and the values that they must match."""
        stated = {
            "StudyInstanceUID": self.study_uid,
            "PatientID": self.patient,
            "StudyDate": self.date,
            "ModalitiesInStudy": self.modality.upper(),
            "StudyDescription": self.description,
        }
        return {keyword: value for keyword, value in stated.items() if value}


STUDY_KEYWORDS = (
    "StudyInstanceUID", "PatientID", "StudyDate", "StudyDescription", "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
INSTANCE_KEYWORDS = ("SOPInstanceUID", "SeriesInstanceUID", "SOPClassUID")


@dataclass(frozen=True)
class StudyRow:
    """One study as the archive lists it; its ``repr`` names nobody.

    Attributes:
        study_uid: ``StudyInstanceUID``.
        patient: ``PatientID``; shown only by the command that looks for it.
        date: ``YYYYMMDD`` or empty.
        description: as the scanner wrote it.
        modalities: those in the study, sorted; empty where the archive does not say.
        series, instances: how many; None where the archive does not say.
    """

    study_uid: str
    patient: str = field(repr=False)
    date: str
    description: str = field(repr=False)
    modalities: tuple[str, ...]
    series: int | None
    instances: int | None

    @classmethod
    def of(cls, answer: Dataset, where: str) -> StudyRow:
        """From a C-FIND or QIDO-RS answer.

        Raises:
            ArchiveError: it holds no UID.
        """
        uid = sound_uid(value_of(answer, "StudyInstanceUID"))
        date = str(value_of(answer, "StudyDate") or "")
        if not uid:
            of_day = f" of {date}" if re.fullmatch("[0-9]{8}", date) else ""  # by which it is found
            raise _no_uid(where, f"a study{of_day}", "StudyInstanceUID")
        modalities = value_of(answer, "ModalitiesInStudy") or ()
        several = isinstance(modalities, Sequence) and not isinstance(modalities, str)
        listed = modalities if several else [modalities]
        return cls(
            uid,
            str(value_of(answer, "PatientID") or ""),
            date,
            str(value_of(answer, "StudyDescription") or ""),
            tuple(sorted(filter(None, map(str, listed)))),
            _count(answer, "NumberOfStudyRelatedSeries"),
            _count(answer, "NumberOfStudyRelatedInstances"),
        )


Odd = Callable[[ArchiveError], None]
"""Told of one study of a list that is no use; may raise."""


def refuse(error: ArchiveError) -> None:
    """What becomes of a list with such a study where nothing else is said.

    Raises:
        ArchiveError: always.
    """
    raise error


def study_rows(answers: Iterable[Dataset], where: str, odd: Odd) -> Iterator[StudyRow]:
    """The studies of a list; ``odd`` is told of each answer without a UID."""
    for answer in answers:
        try:
            row = StudyRow.of(answer, where)
        except ArchiveError as error:
            odd(error)
        else:
            yield row


@dataclass(frozen=True, order=True)
class InstanceRow:
    """One instance as the archive lists it.

    Attributes:
        series_uid, uid: ``SeriesInstanceUID``, ``SOPInstanceUID``.
        kind: ``SOPClassUID``; empty where the archive does not say.
    """

    series_uid: str
    uid: str
    kind: str = ""

    @classmethod
    def of(cls, answer: Dataset, where: str, series_uid: str = "") -> InstanceRow:
        """From a C-FIND or QIDO-RS answer, of a series that may be known already.

        Raises:
            ArchiveError: a UID is missing.
        """
        uid = sound_uid(value_of(answer, "SOPInstanceUID"))
        series_uid = sound_uid(series_uid) or sound_uid(value_of(answer, "SeriesInstanceUID"))
        if not uid or not series_uid:
            raise _no_uid(where, "an instance", "SOPInstanceUID and SeriesInstanceUID")
        return cls(series_uid, uid, sound_uid(value_of(answer, "SOPClassUID")))


def distinct(found: Sequence[InstanceRow], where: str) -> tuple[InstanceRow, ...]:
    """Sorted, each once.

    Raises:
        ArchiveError: one UID stands in two series.
    """
    by_uid: dict[str, InstanceRow] = {}
    for one in found:
        if by_uid.setdefault(one.uid, one).series_uid != one.series_uid:
            raise ArchiveError(
                where,
                got=f"instance {one.uid} in two series",
                expected="every SOPInstanceUID once",
                do="have the archive's administrator look at this study",
            )
    return tuple(sorted(by_uid.values()))


def _count(answer: Dataset, keyword: str) -> int | None:
    try:
        return int(value_of(answer, keyword))
    except (TypeError, ValueError, OverflowError):
        return None


def _no_uid(where: str, what: str, keyword: str) -> ArchiveError:
    return ArchiveError(
        where,
        got=f"{what} without {keyword}",
        expected="the UIDs of everything that it lists",
        do="have the archive's administrator look at this study",
    )
