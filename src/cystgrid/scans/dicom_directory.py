"""DICOMDIR, the directory of a medium (PS3.3 F, PS3.10 8.6).

cystgrid finds files by looking at them, so a directory is never followed. One that points out of
its medium is no honest directory, and the folder it lies in is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_header import FileMeta, read_elements
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, at_tag, tag_of, value, words
from cystgrid.scans.settings import ReadLimits

MAX_DIRECTORY_BYTES = 2**25
"""Some 80,000 records; a DVD holds fewer images."""

OUTSIDE = frozenset(("", ".", ".."))
SEPARATORS = ("/", "\\", ":", "\0")
"""In no component of a file's id: it would be a path or a drive of some system."""


def check_directory(stream: BinaryIO, path: Path, meta: FileMeta, limits: ReadLimits) -> None:
    """Refuse a directory whose records name files that are not below its own folder.

    Args:
        stream: of the whole file, read up to the end of its meta information.
        path: its name, for messages.
        meta: what was read before.
        limits: as for any file.

    Raises:
        ScanError: a ReferencedFileID with ``..``, an empty component, a separator or a drive; or
            the directory cannot be parsed.
    """
    size = path.stat().st_size
    if size > MAX_DIRECTORY_BYTES:
        raise ScanError(
            path,
            got=f"a DICOMDIR of {size} bytes",
            expected=f"at most {MAX_DIRECTORY_BYTES}",
            do="take it out of the folder: it is not needed",
        )
    header = read_elements(stream, path, meta, [tag_of("DirectoryRecordSequence")], limits)
    for number, record in enumerate(value(header.elements, "DirectoryRecordSequence", path) or []):
        components = words(record, "ReferencedFileID", path)
        if any(part in OUTSIDE or any(mark in part for mark in SEPARATORS) for part in components):
            raise ScanError(
                at_tag(path, "ReferencedFileID"),
                got=f"a way out of the folder, in record {number + 1}",
                expected="names of files and folders below it",
                do=f"do not trust this medium: {EXPORT_AGAIN}",
            )
