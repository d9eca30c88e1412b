"""Which files of a folder make up the one MR series that is meant."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_tags import as_uid, optional_number, read_dataset, tag_name, text
from cystgrid.scans.settings import ReadLimits

CLASSIC = frozenset({MRImageStorage})
ENHANCED = frozenset({EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage})
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
PREAMBLE_BYTES, PREFIX = 128, b"DICM"
INDEX_TAGS = [
    "SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Rows", "Columns",
    "NumberOfFrames",
]  # fmt: skip
SERIES_SHOWN = 20

SEQUENCE_WORDS = frozenset((
    "t1", "t1w", "t2", "t2w", "pd", "pdw", "flair", "stir", "dwi", "adc", "trace", "swi", "mrcp",
    "tse", "fse", "fspgr", "haste", "ssfse", "vibe", "lava", "thrive", "mprage", "blade",
    "propeller", "space", "cube", "trufi", "fiesta", "bffe", "tfe", "tfl", "ffe", "fl2d", "fl3d",
    "flash", "gre", "se", "epi", "ep2d", "dixon", "mdixon", "ideal", "opp", "in", "out", "ip",
    "op", "phase", "water", "fat", "w", "f", "fs", "spair", "spir", "nativ", "native", "pre",
    "post", "art", "arterial", "ven", "venous", "portal", "delayed", "tra", "ax", "axial", "cor",
    "coronal", "sag", "sagittal", "obl", "loc", "localizer", "localiser", "scout", "survey", "2d",
    "3d", "bh", "rt", "trig", "navi", "dyn", "p2", "mpr", "sub", "map", "sense",
))  # fmt: skip
"""Words of a series' description that are shown. The rest is not: it may be a person's name."""


@dataclass(frozen=True)
class DicomFile:
    """One MR object, as much as is needed to know its series."""

    path: Path
    series_uid: str
    enhanced: bool
    label: str
    size: str
    frames: int


@dataclass(frozen=True)
class Series:
    """The files of one series, sorted by path, and what lay beside them."""

    uid: str
    files: tuple[DicomFile, ...]
    notes: tuple[str, ...]


def find_series(folder: Path, series_uid: str | None, limits: ReadLimits) -> Series:
    """The series ``series_uid`` of a folder and its sub-folders, or the only one there is.

    Files that are not DICOM and DICOM objects that are not MR images are left out and counted in
    the notes. Links to folders are not followed.

    Raises:
        ScanError: no such series; several series and none named (each is listed); a damaged DICOM
            file, which could belong to the series; more files than ``limits`` allow.
    """
    ignored: Counter[str] = Counter()
    by_uid: dict[str, list[DicomFile]] = {}
    for path in _walk(folder, limits):
        found = _index(path, limits, ignored)
        if found is not None:
            by_uid.setdefault(found.series_uid, []).append(found)
    if series_uid is None and len(by_uid) == 1:
        series_uid = next(iter(by_uid))
    if series_uid not in by_uid:
        raise _no_series(folder, series_uid, by_uid, ignored)
    notes = (f"Ignored in the folder: {_counts(ignored)}.",) if ignored else ()
    return Series(series_uid, tuple(by_uid[series_uid]), notes)


def _walk(folder: Path, limits: ReadLimits) -> Iterator[Path]:
    count = 0
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > limits.max_files:
                raise ScanError(
                    folder,
                    got=f"more than {limits.max_files} files",
                    expected="the folder of one series",
                    do="give the series' own folder, or raise max_files",
                )
            yield Path(parent) / name


def _index(path: Path, limits: ReadLimits, ignored: Counter[str]) -> DicomFile | None:
    """The file's place among the series; ``None``, counted, if it is no MR image."""
    if not is_dicom(path):
        if path.suffix.lower() in DICOM_SUFFIXES:
            raise ScanError(
                path,
                got="a file without the DICM prefix at byte 128",
                expected="DICOM, as its name says",
                do="export it from the archive again, or take it out of the folder",
            )
        ignored["file that is not DICOM"] += 1
        return None
    if path.stat().st_size > limits.max_file_bytes:
        raise ScanError(
            path,
            got=f"{path.stat().st_size} bytes",
            expected=f"at most {limits.max_file_bytes}",
            do="raise max_file_bytes",
        )
    declared = _declared_kind(path)
    if declared and declared not in CLASSIC | ENHANCED:
        ignored[declared.name] += 1
        return None
    header = read_dataset(path, stop_before_pixels=True, specific_tags=INDEX_TAGS)
    kind = _uid(header, "SOPClassUID", path)
    if declared and kind != declared:
        raise ScanError(
            f"{path}: {tag_name('SOPClassUID')}",
            got="another kind of object than the file meta information declares",
            expected=declared.name,
            do="export the file from the archive again, or take it out of the folder",
        )
    if kind not in CLASSIC | ENHANCED:
        ignored[kind.name] += 1
        return None

    def listed(keyword: str) -> str:
        found = optional_number(header, keyword, path)
        return "unknown" if found is None else f"{found:g}"

    words = re.split(r"[^A-Za-z0-9]+", text(header, "SeriesDescription", path))
    shown = [word for word in words if word.lower() in SEQUENCE_WORDS]
    return DicomFile(
        path=path,
        series_uid=_uid(header, "SeriesInstanceUID", path),
        enhanced=kind in ENHANCED,
        label=" ".join([f"number {listed('SeriesNumber')}", *shown]),
        size=f"{listed('Columns')} x {listed('Rows')}",
        frames=int(optional_number(header, "NumberOfFrames", path) or 1),
    )


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICM prefix after its preamble (PS3.10 7.1)."""
    if not path.is_file():  # a dangling link, a socket
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(PREAMBLE_BYTES + len(PREFIX))[PREAMBLE_BYTES:] == PREFIX
    except OSError as error:
        raise ScanError(
            path,
            got=f"a file that cannot be opened ({error.strerror})",
            expected="a readable file",
            do="check its permissions, or take it out of the folder",
        ) from error


def _declared_kind(path: Path) -> UID:
    """SOP class in the file's meta information, empty where it is not stated.

    A deflated MR image is refused here: pydicom inflates the whole data set at once, without bound.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta = read_file_meta_info(path)
            kind = as_uid(str(meta.get("MediaStorageSOPClassUID") or ""))
            syntax = as_uid(str(meta.get("TransferSyntaxUID") or ""))
    except Exception as error:
        raise ScanError(
            path,
            got=f"unreadable file meta information ({type(error).__name__})",
            expected="a whole DICOM file",
            do="export it from the archive again, or take it out of the folder",
        ) from error
    if syntax == DeflatedExplicitVRLittleEndian and (not kind or kind in CLASSIC | ENHANCED):
        raise ScanError(
            f"{path}: {tag_name('TransferSyntaxUID')}",
            got=f"{syntax} ({syntax.name})",
            expected="a data set that is not deflated",
            do="convert it first, with `dcmconv +te` of DCMTK for instance",
        )
    return kind


def _uid(header: Dataset, keyword: str, path: Path) -> UID:
    stated = text(header, keyword, path)
    found = as_uid(stated)
    if not found:
        raise ScanError(
            f"{path}: {tag_name(keyword)}",
            got="no UID" if stated else "nothing",
            expected="a UID",
            do="export the file from the archive again, or take it out of the folder",
        )
    return found


def _no_series(
    folder: Path,
    wanted: str | None,
    by_uid: dict[str, list[DicomFile]],
    ignored: Counter[str],
) -> ScanError:
    if not by_uid:
        beside = f" ({_counts(ignored)})" if ignored else ""
        return ScanError(folder, got=f"no MR image{beside}", expected="one MR series",
                         do="give the folder that holds the series' DICOM files")  # fmt: skip
    listed = "; ".join(_line(uid, by_uid[uid]) for uid in sorted(by_uid)[:SERIES_SHOWN])
    more = f"; and {len(by_uid) - SERIES_SHOWN} more" if len(by_uid) > SERIES_SHOWN else ""
    return ScanError(
        folder,
        got=f"{len(by_uid)} series: {listed}{more}",
        expected="one series" if wanted is None else f"series {wanted} among them",
        do="name the one that is meant after the folder, as FOLDER#SeriesInstanceUID",
    )


def _line(uid: str, files: list[DicomFile]) -> str:
    images = sum(file.frames for file in files)
    return f"{uid} ({files[0].label}, {images} images of {files[0].size})"


def _counts(ignored: Counter[str]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(ignored.items()))
