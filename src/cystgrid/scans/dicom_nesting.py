"""The inside of sequences (PS3.5 7.5), checked before pydicom takes them apart.

pydicom takes what is left where an element claims to reach beyond its item, so that a damaged
length can take the next element's bytes, or hide it. Here everything has to end where it says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.datadict import DicomDictionary

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, element_name

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
DELIMITERS = frozenset((ITEM, ITEM_END, SEQUENCE_END))
UNDEFINED_LENGTH = 0xFFFFFFFF
LONG_KINDS = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
"""Value representations whose length takes 4 bytes, after 2 that mean nothing (table 7.1-1)."""

SHORT_KINDS = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN",
     b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US")
)  # fmt: skip
LAST_BYTE = 1 << 62
"""Of a file, for a sequence whose end is marked rather than counted: reading finds the real one."""

DEEPEST = 16
"""Sequences in sequences; functional groups need 4."""


@dataclass(frozen=True)
class Nesting:
    """What a walk through a sequence needs to know.

    Attributes:
        stream: of elements.
        path: its file, for messages.
        implicit: whether elements do not state their value representation.
        little: whether bytes come in little-endian order.
    """

    stream: BinaryIO
    path: Path
    implicit: bool
    little: bool

    def check(self, tag: int, length: int) -> None:
        """Go through a sequence; ``stream`` stands at its first item, and again afterwards.

        Args:
            tag: of the sequence, for messages.
            length: of its value, which lies inside the file.

        Raises:
            ScanError: an item or element in it does not end where it says.
        """
        start = self.stream.tell()
        try:
            self._items(tag, length, LAST_BYTE, 1, self.implicit)
        except struct.error as error:
            raise self._broken(tag, "a sequence cut short") from error
        self.stream.seek(start)

    def _items(self, tag: int, length: int, limit: int, depth: int, implicit: bool) -> None:
        if depth > DEEPEST:
            raise self._broken(tag, f"sequences nested more than {DEEPEST} deep")
        end = limit if length == UNDEFINED_LENGTH else self.stream.tell() + length
        while self.stream.tell() < end:
            found, size = self._head()
            if (found, size, length) == (SEQUENCE_END, 0, UNDEFINED_LENGTH):
                return
            if found != ITEM:
                raise self._broken(tag, "something else than items")
            self._elements(tag, size, end, depth, implicit)
        if length == UNDEFINED_LENGTH or self.stream.tell() != end:
            raise self._broken(tag, "items that do not end where the sequence does")

    def _elements(self, tag: int, size: int, limit: int, depth: int, implicit: bool) -> None:
        """The elements of one item."""
        end = limit if size == UNDEFINED_LENGTH else self.stream.tell() + size
        if end > limit:
            raise self._broken(tag, "an item that reaches beyond its sequence")
        last = -1
        while self.stream.tell() < end:
            found, kind, length = self._element_head(implicit)
            if (found, size, length) == (ITEM_END, UNDEFINED_LENGTH, 0):
                return
            if found in DELIMITERS or found <= last:
                raise self._broken(found, "something else than elements in the order of their tags")
            last, at = found, self.stream.tell()
            if length != UNDEFINED_LENGTH and at + length > end:
                raise self._broken(found, "an element that reaches beyond its item")
            if kind == b"SQ" or length == UNDEFINED_LENGTH:
                # a sequence of unknown kind is written implicitly (PS3.5 6.2.2)
                self._items(found, length, end, depth + 1, implicit or kind == b"UN")
            else:
                self.stream.seek(at + length)
        if size == UNDEFINED_LENGTH or self.stream.tell() != end:
            raise self._broken(tag, "elements that do not end where their item does")

    def _head(self) -> tuple[int, int]:
        """A tag and a length of 4 bytes."""
        order = "<" if self.little else ">"
        group, element, size = struct.unpack(f"{order}HHI", self.stream.read(8))
        return group << 16 | element, size

    def _element_head(self, implicit: bool) -> tuple[int, bytes, int]:
        """Tag, value representation and length; ``stream`` stands at the value."""
        tag, length = self._head()
        if tag in DELIMITERS:
            return tag, b"", length
        if implicit:
            known = DicomDictionary.get(tag, ("UN",))[0]
            return tag, b"SQ" if known == "SQ" else b"UN", length
        order = "<" if self.little else ">"
        kind = struct.pack(f"{order}I", length)[:2]
        if kind in LONG_KINDS:
            (length,) = struct.unpack(f"{order}I", self.stream.read(4))
        elif kind in SHORT_KINDS:
            (length,) = struct.unpack(f"{order}H", struct.pack(f"{order}I", length)[2:])
        else:
            raise self._broken(tag, "an element of no known value representation")
        return tag, kind, length

    def _broken(self, tag: int, got: str) -> ScanError:
        return ScanError(
            f"{path_text(self.path)}: {element_name(tag)}",
            got=got,
            expected="a whole DICOM file",
            do=EXPORT_AGAIN,
        )
