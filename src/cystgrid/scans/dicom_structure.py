"""The structure of a DICOM data set (PS3.5 chapter 7), checked while it is parsed.

No element reaches beyond the end of the file, tags ascend, and whatever follows the pixels is
elements too: a damaged tag or length cannot hide an element, or shift pixels, unseen.
"""

from __future__ import annotations

import struct
from io import SEEK_CUR, SEEK_END
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag

from cystgrid.errors import ScanError, path_text
from cystgrid.quiet import quietly
from cystgrid.scans.dicom_nesting import LONG_KINDS, SHORT_KINDS, Nesting
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, at_tag, cannot_be_parsed, element_name

ELEMENT_HEAD = 8
ITEM_HEAD = struct.Struct("<II")
ITEM, SEQUENCE_END = 0xE000FFFE, 0xE0DDFFFE
"""(FFFE,E000) and (FFFE,E0DD), as two little-endian halves read as one number."""

UNDEFINED_LENGTH = 0xFFFFFFFF
LAST_TAG = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, PIXEL_DATA))
"""PixelData, and FloatPixelData and DoubleFloatPixelData, which no MR image has."""

NESTED_TAGS = frozenset((0x00209222, 0x52009229, 0x52009230))
"""Sequences that are looked into: DimensionIndexSequence, SharedFunctionalGroupsSequence and
PerFrameFunctionalGroupsSequence."""

KINDS = frozenset(kind.decode() for kind in LONG_KINDS | SHORT_KINDS)
"""Value representations (PS3.5 6.2)."""

PIXEL_KINDS = frozenset(("OB", "OW"))


def stream_size(stream: BinaryIO) -> int:
    """Bytes of the whole stream, which stays where it stands."""
    at = stream.tell()
    size = stream.seek(0, SEEK_END)
    stream.seek(at)
    return size


class Walk:
    """Looks at each element on the top level before pydicom reads it, and stops at the pixels."""

    def __init__(
        self,
        stream: BinaryIO,
        path: Path,
        after: int,
        until: int = LAST_TAG,
        nesting: Nesting | None = None,
    ) -> None:
        self.tell = stream.tell
        self.size = stream_size(stream)
        self.path = path
        self.last, self.until, self.nesting = after, until, nesting
        self.pixels_at: int | None = None
        self.pixel_bytes: int | None = None
        self.stopped = False

    def __call__(self, found: BaseTag, kind: str | None, length: int) -> bool:
        """Whether to stop before this element; ``stream`` stands at its value."""
        tag = int(found)  # compares in a tenth of the time
        if tag > self.until:
            self.stopped = True
            return True
        if tag <= self.last:
            raise ScanError(
                f"{path_text(self.path)}: {element_name(tag)}",
                got=f"an element after {element_name(self.last)}",
                expected="elements in the order of their tags, each once",
                do=EXPORT_AGAIN,
            )
        self.last = tag
        allowed = PIXEL_KINDS if tag == PIXEL_DATA else KINDS
        if kind is not None and kind not in allowed:
            raise ScanError(
                f"{path_text(self.path)}: {element_name(tag)}",
                got="a value representation that no such element has",
                expected="a whole DICOM file",
                do=EXPORT_AGAIN,
            )
        at = self.tell()
        if length != UNDEFINED_LENGTH and at + length > self.size:
            raise ScanError(
                f"{path_text(self.path)}: {element_name(tag)}",
                got=f"an element with a length of {length} bytes, of which {self.size - at} are "
                "there",
                expected="a whole DICOM file",
                do=EXPORT_AGAIN,
            )
        if tag in NESTED_TAGS and self.nesting is not None:
            self.nesting.check(tag, length)
        if tag not in PIXEL_TAGS:
            return False
        if tag == PIXEL_DATA:
            self.pixels_at = at
            self.pixel_bytes = None if length == UNDEFINED_LENGTH else length
        self.stopped = True
        return True


def check_end(stream: BinaryIO, walk: Walk, implicit: bool, little: bool) -> None:
    """Whatever stands after the pixels is elements too: bytes lost or added there shift pixels."""
    stream.seek(walk.pixels_at or 0)
    if walk.pixel_bytes is None:
        _skip_fragments(stream, walk)
    else:
        stream.seek(walk.pixel_bytes, SEEK_CUR)
    left = walk.size - stream.tell()
    if left >= ELEMENT_HEAD:
        parsed(stream, Walk(stream, walk.path, after=PIXEL_DATA), implicit, little, [PIXEL_DATA])
    elif left:
        raise _after_pixels(walk.path, f"{left} bytes after them that are no element")


def _skip_fragments(stream: BinaryIO, walk: Walk) -> None:
    """Go over the items of encapsulated pixels (PS3.5 A.4), which are always little endian."""
    while True:
        head = stream.read(ELEMENT_HEAD)
        tag, length = ITEM_HEAD.unpack(head) if len(head) == ELEMENT_HEAD else (0, 0)
        if (tag, length) == (SEQUENCE_END, 0):
            return
        if tag != ITEM or stream.tell() + length > walk.size:
            raise _after_pixels(walk.path, "no end of their fragments")
        stream.seek(length, SEEK_CUR)


def _after_pixels(path: Path, got: str) -> ScanError:
    return ScanError(
        at_tag(path, "PixelData"),
        got=got,
        expected="the end of the file, or further elements",
        do=EXPORT_AGAIN,
    )


def parsed(
    stream: BinaryIO, walk: Walk, implicit: bool, little: bool, tags: list[BaseTag] | None = None
) -> Dataset:
    """The elements from where ``stream`` stands to where ``walk`` stops.

    Args:
        stream: of elements.
        walk: a new one on that stream.
        implicit: whether elements do not state their value representation.
        little: whether bytes come in little-endian order.
        tags: the elements that are kept; all if it is None.

    Raises:
        ScanError: they do not hold together.
    """
    try:
        with quietly():
            found = data_element_generator(
                stream, implicit, little, stop_when=walk, specific_tags=tags
            )
            elements = Dataset({element.tag: element for element in found})
    except ScanError:
        raise
    except Exception as error:
        raise cannot_be_parsed(walk.path, error) from error
    if not walk.stopped and stream.tell() < walk.size:
        raise ScanError(
            walk.path,
            got="an element that ends an item outside of a sequence",
            expected="a whole DICOM file",
            do=EXPORT_AGAIN,
        )
    return elements
