"""The files of a folder, and which of them are MR images.

A link that leads out of the folder is refused (an import must not read what it was not given), and
so is a directory of a medium, DICOMDIR, that points out of it. DICOMDIR is not needed otherwise.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydicom.uid import (
    UID,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_directory import check_directory
from cystgrid.scans.dicom_elements import READ_TAGS
from cystgrid.scans.dicom_header import (
    FileMeta,
    Header,
    has_prefix,
    is_dicom,
    opened,
    read_elements,
    read_meta,
)
from cystgrid.scans.dicom_tags import as_uid, at_tag, tag_of, text
from cystgrid.scans.settings import ReadLimits

__all__ = ["CLASSIC", "DICOM_SUFFIXES", "ENHANCED", "is_dicom", "mr_header", "walk"]

CLASSIC = frozenset({MRImageStorage})
ENHANCED = frozenset({EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage})
SOP_CLASS = tag_of("SOPClassUID")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

_TAKE_OUT = "export it from the archive again, or take it out of the folder"


def walk(path: Path, limits: ReadLimits, ignored: Counter[str]) -> Iterator[Path]:
    """Every file of a folder and its sub-folders, or the one file ``path`` itself.

    Links to folders are not followed, and counted.

    Raises:
        ScanError: more files than ``max_files``, a folder that cannot be listed, or a link to a
            file that is not there or outside of the folder.
    """
    if not path.is_dir():
        yield path
        return
    root = path.resolve()
    waiting, count = [path], 0
    while waiting:
        for entry in _entries(waiting.pop(0)):
            inside = Path(entry.path)
            if entry.is_symlink():
                if entry.is_dir():
                    ignored["link to a folder, not followed"] += 1
                    continue
                _check_link(inside, root)
            if entry.is_dir():
                waiting.append(inside)
                continue
            count += 1
            if count > limits.max_files:
                raise ScanError(
                    path,
                    got=f"more than {limits.max_files} files",
                    expected="the folder of one series",
                    do="give the series' own folder, or raise max_files",
                )
            if entry.is_file():
                yield inside
            else:
                ignored["neither file nor folder"] += 1


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise ScanError(
            folder,
            got=f"a folder that cannot be listed ({error.strerror})",
            expected="a readable folder",
            do="check its permissions, or give the series' own folder",
        ) from error


def _check_link(link: Path, root: Path) -> None:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # nothing there, or links in a circle
        target = None
    if target is None or not target.is_relative_to(root):
        raise ScanError(
            link,
            got="a link that leads nowhere" if target is None else "a link that leads out of it",
            expected="files that lie in the folder given",
            do="put the file itself in its place, or take the link out of the folder",
        )


def mr_header(path: Path, limits: ReadLimits, ignored: Counter[str]) -> Header | None:
    """The header of an MR image; ``None``, counted in ``ignored``, of any other file.

    Raises:
        ScanError: a DICOM file, or one named so, that is damaged: it could be of the series meant.
    """
    with opened(path) as stream:
        if not has_prefix(stream):
            _check_name(path)
            ignored["file that is not DICOM"] += 1
            return None
        meta = read_meta(stream, path, limits)
        if meta.kind == MediaStorageDirectoryStorage:
            check_directory(stream, path, meta, limits)
        if meta.kind and meta.kind not in CLASSIC | ENHANCED:
            _check_no_mr_inside(stream, path, meta, limits)
            ignored[meta.kind.name] += 1
            return None
        header = read_elements(stream, path, meta, READ_TAGS, limits)
    kind = uid(header, "SOPClassUID")
    if meta.kind and kind != meta.kind:
        raise _two_kinds(path, meta)
    if kind not in CLASSIC | ENHANCED:
        ignored[kind.name] += 1
        return None
    return header


def _check_no_mr_inside(stream: BinaryIO, path: Path, meta: FileMeta, limits: ReadLimits) -> None:
    """Refuse an MR image whose damaged meta information declares another kind of object."""
    if meta.kind == MediaStorageDirectoryStorage:
        return
    try:
        header = read_elements(stream, path, meta, [SOP_CLASS], limits, until=SOP_CLASS)
    except ScanError:
        if meta.kind.name == meta.kind:  # of no known kind: its declaration may be the damage
            raise
        return  # no part of a series, sound or not
    if as_uid(text(header.elements, "SOPClassUID", path)) in CLASSIC | ENHANCED:
        raise _two_kinds(path, meta)


def _two_kinds(path: Path, meta: FileMeta) -> ScanError:
    return ScanError(
        at_tag(path, "SOPClassUID"),
        got="another kind of object than the file meta information declares",
        expected=meta.kind.name,
        do=_TAKE_OUT,
    )


def uid(header: Header, keyword: str) -> UID:
    """A UID that has to be there."""
    stated = text(header.elements, keyword, header.path)
    found = as_uid(stated)
    if not found:
        raise ScanError(
            at_tag(header.path, keyword),
            got="no UID" if stated else "nothing",
            expected="a UID",
            do=_TAKE_OUT,
        )
    return found


def _check_name(path: Path) -> None:
    if path.suffix.lower() in DICOM_SUFFIXES:
        raise ScanError(
            path,
            got="a file without the DICM prefix at byte 128",
            expected="DICOM, as its name says",
            do=_TAKE_OUT,
        )
