"""The one MR series that is meant, of all that a folder holds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_files import mr_header, uid, walk
from cystgrid.scans.dicom_header import Header
from cystgrid.scans.dicom_tags import optional_number, text
from cystgrid.scans.dicom_words import SEQUENCE_WORDS
from cystgrid.scans.settings import ReadLimits

SERIES_SHOWN = 20


@dataclass(frozen=True)
class Series:
    """The files of one series, sorted by path, and what lay beside them."""

    uid: str
    headers: tuple[Header, ...]
    notes: tuple[str, ...]


@dataclass
class _Found:
    """A series while its files are being found; ``headers`` stays empty if it cannot be meant."""

    first: Header
    images: int = 0
    headers: list[Header] = field(default_factory=list)


def find_series(path: Path, series_uid: str | None, limits: ReadLimits) -> Series:
    """The series ``series_uid`` of a folder and its sub-folders, or the only one there is.

    Files that are not DICOM and DICOM objects that are not MR images are left out and counted in
    the notes. Of series that are not meant, headers are read and none is kept.

    Args:
        path: a folder, or one file.
        series_uid: ``SeriesInstanceUID``; ``None`` where there is only one series.
        limits: bound every file and their number.

    Raises:
        ScanError: no such series; several series and none named (each is listed); a damaged DICOM
            file, which could belong to the series; a link or a DICOMDIR that leads out of the
            folder; more files than ``limits`` allow.
    """
    ignored: Counter[str] = Counter()
    found: dict[str, _Found] = {}
    for file in walk(path, limits, ignored):
        header = mr_header(file, limits, ignored)
        if header is None:
            continue
        its_uid = str(uid(header, "SeriesInstanceUID"))
        one = found.setdefault(its_uid, _Found(header))
        one.images += int(optional_number(header.elements, "NumberOfFrames", file) or 1)
        if series_uid == its_uid or (series_uid is None and len(found) == 1):
            one.headers.append(header)
    if series_uid is None and len(found) == 1:
        series_uid = next(iter(found))
    if series_uid not in found:
        raise _no_series(path, series_uid, found, ignored)
    headers = sorted(found[series_uid].headers, key=lambda header: header.path)
    notes = (f"Ignored in the folder: {_counts(ignored)}.",) if ignored else ()
    return Series(series_uid, tuple(headers), notes)


def _no_series(
    path: Path, wanted: str | None, found: dict[str, _Found], ignored: Counter[str]
) -> ScanError:
    if not found:
        beside = f" ({_counts(ignored)})" if ignored else ""
        return ScanError(path, got=f"no MR image{beside}", expected="one MR series",
                         do="give the folder that holds the series' DICOM files")  # fmt: skip
    listed = "; ".join(_line(uid, found[uid]) for uid in sorted(found)[:SERIES_SHOWN])
    more = f"; and {len(found) - SERIES_SHOWN} more" if len(found) > SERIES_SHOWN else ""
    return ScanError(
        path,
        got=f"{len(found)} series: {listed}{more}",
        expected="one series" if wanted is None else f"series {wanted} among them",
        do="name the one that is meant after the folder, as FOLDER#SeriesInstanceUID",
    )


def _line(series_uid: str, found: _Found) -> str:
    """A series as it is listed: numbers, and known words of its description."""
    elements, path = found.first.elements, found.first.path

    def listed(keyword: str) -> str:
        number = optional_number(elements, keyword, path)
        return "unknown" if number is None else f"{number:g}"

    words = re.split(r"[^A-Za-z0-9]+", text(elements, "SeriesDescription", path))
    shown = [word for word in words if word.lower() in SEQUENCE_WORDS]
    label = " ".join([f"number {listed('SeriesNumber')}", *shown])
    size = f"{listed('Columns')} x {listed('Rows')}"
    return f"{series_uid} ({label}, {found.images} images of {size})"


def _counts(ignored: Counter[str]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(ignored.items()))
