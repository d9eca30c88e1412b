"""One DICOM file, parsed once: the elements that reading needs, and where its pixels begin."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_deflate import inflate
from cystgrid.scans.dicom_nesting import Nesting
from cystgrid.scans.dicom_structure import LAST_TAG, Walk, check_end, parsed, stream_size
from cystgrid.scans.dicom_tags import (
    EXPORT_AGAIN,
    as_uid,
    at_tag,
    text,
)
from cystgrid.scans.settings import ReadLimits

PREAMBLE_BYTES, PREFIX = 128, b"DICM"
META_LENGTH = struct.Struct("<HH2sHI")
"""The element that opens the meta information and says how long the rest of it is."""

LAST_META_TAG = 0x0002FFFF
SMALL_FILE_BYTES = 2**20
"""A file of up to this size is read into memory to be parsed, in half the time."""


@dataclass(frozen=True)
class FileMeta:
    """What a file says of itself before its data set begins.

    Attributes:
        kind: SOP class, empty where it is not stated.
        syntax: transfer syntax.
        ends_at: the data set's first byte.
    """

    kind: UID
    syntax: UID
    ends_at: int


@dataclass(frozen=True)
class Header:
    """A data set up to its pixels.

    Attributes:
        path: its file.
        meta: what the file says of itself.
        elements: those elements that were asked for.
        pixels_at: first byte of the value of PixelData, counted in the file, or in the inflated
            data set of a deflated one; ``None`` where there are no pixels.
        pixel_bytes: length of that value; ``None`` where it is encapsulated, or absent.
    """

    path: Path
    meta: FileMeta
    elements: Dataset
    pixels_at: int | None
    pixel_bytes: int | None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file for reading; every way in which the system refuses it is a ``ScanError``."""
    try:
        with path.open("rb") as stream:
            yield BytesIO(stream.read()) if stream_size(stream) <= SMALL_FILE_BYTES else stream
    except OSError as error:
        raise ScanError(
            path,
            got=f"a file that cannot be read ({error.strerror})",
            expected="a readable file",
            do="check it and its permissions, or take it out of the folder",
        ) from error


def has_prefix(stream: BinaryIO) -> bool:
    """Whether DICM stands after a preamble (PS3.10 7.1), of which nothing is looked at."""
    return stream.read(PREAMBLE_BYTES + len(PREFIX))[PREAMBLE_BYTES:] == PREFIX


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICM prefix after its preamble."""
    if not path.is_file():  # a dangling link, a socket
        return False
    with opened(path) as stream:
        return has_prefix(stream)


def read_meta(stream: BinaryIO, path: Path, limits: ReadLimits) -> FileMeta:
    """The file meta information, which begins after the prefix (PS3.10 7.1)."""
    size = stream_size(stream)
    if size > limits.max_file_bytes:
        raise ScanError(
            path,
            got=f"{size} bytes",
            expected=f"at most {limits.max_file_bytes}",
            do="raise max_file_bytes",
        )
    start = stream.read(META_LENGTH.size)
    group, element, form, bytes_of_length, length = META_LENGTH.unpack(
        start.ljust(META_LENGTH.size, b"\0")
    )
    ends_at = stream.tell() + length
    if (group, element, form, bytes_of_length) != (2, 0, b"UL", 4) or ends_at > size:
        raise ScanError(
            at_tag(path, "FileMetaInformationGroupLength"),
            got="nothing" if (group, element) != (2, 0) else f"{length} bytes of a file of {size}",
            expected="the length of the file meta information",
            do="export the file from the archive again, or take it out of the folder",
        )
    meta = BytesIO(stream.read(length))
    walk = Walk(meta, path, after=0, until=LAST_META_TAG)
    elements = parsed(meta, walk, implicit=False, little=True)
    if walk.stopped:
        raise ScanError(
            path,
            got="an element of another group inside of the file meta information",
            expected="elements of group 0002",
            do="export the file from the archive again, or take it out of the folder",
        )
    stated = text(elements, "MediaStorageSOPClassUID", path)
    kind = as_uid(stated)
    if stated and not kind:
        raise ScanError(
            at_tag(path, "MediaStorageSOPClassUID"), got="no UID", expected="a UID", do=EXPORT_AGAIN
        )
    return FileMeta(
        kind=kind,
        syntax=as_uid(text(elements, "TransferSyntaxUID", path)),
        ends_at=ends_at,
    )


def read_elements(
    stream: BinaryIO,
    path: Path,
    meta: FileMeta,
    tags: list[BaseTag],
    limits: ReadLimits,
    until: int = LAST_TAG,
) -> Header:
    """The data set from where ``stream`` stands, after the meta information, up to its pixels.

    Args:
        stream: of the whole file.
        path: its name, for messages.
        meta: what was read before.
        tags: the elements that are kept; the others' lengths are followed, and no more.
        limits: bound what a deflated data set may become.
        until: the last tag that is looked at.

    Raises:
        ScanError: no transfer syntax is stated, or the data set does not hold together.
    """
    if not meta.syntax:
        raise ScanError(
            at_tag(path, "TransferSyntaxUID"), got="no UID", expected="a UID", do=EXPORT_AGAIN
        )
    data_set = _data_set(stream, path, meta, limits)
    implicit = meta.syntax == ImplicitVRLittleEndian
    little = meta.syntax != ExplicitVRBigEndian
    nesting = Nesting(data_set, path, implicit, little)
    walk = Walk(data_set, path, after=LAST_META_TAG, until=until, nesting=nesting)
    elements = parsed(data_set, walk, implicit, little, tags)
    if walk.pixels_at is not None:
        check_end(data_set, walk, implicit, little)
    return Header(path, meta, elements, walk.pixels_at, walk.pixel_bytes)


@contextmanager
def opened_data_set(path: Path, meta: FileMeta, limits: ReadLimits) -> Iterator[BinaryIO]:
    """The stream that ``Header.pixels_at`` counts in, once more."""
    with opened(path) as stream:
        stream.seek(meta.ends_at)
        yield _data_set(stream, path, meta, limits)


def _data_set(stream: BinaryIO, path: Path, meta: FileMeta, limits: ReadLimits) -> BinaryIO:
    """A stream of elements: the file's own, or the inflated ones of a deflated data set."""
    if meta.syntax != DeflatedExplicitVRLittleEndian:
        return stream
    return inflate(stream, path, limits)
