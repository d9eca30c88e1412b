"""The markers of a lossless JPEG image (ITU-T T.81 annex B): what they say, and the coded bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cystgrid.scans.jpeg_huffman import Codes, huffman_tables

SOI, EOI, SOS, DHT, DRI, SOF3, RST0 = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD, 0xC3, 0xD0
SKIPPED = frozenset((*range(0xE0, 0xF0), 0xFE))
"""Application data and comments."""


@dataclass(frozen=True)
class LosslessScan:
    """One image of one component.

    Attributes:
        precision: bits of a sample.
        rows, columns: its size.
        codes: of its differences.
        predictor: 1 to 7 (table H.1).
        shift: bits that were taken off each sample before it was coded.
        restart: samples between restart markers; 0 for none.
        intervals: coded bytes between those markers, unstuffed.
    """

    precision: int
    rows: int
    columns: int
    codes: Codes
    predictor: int
    shift: int
    restart: int
    intervals: list[bytes]


def read_markers(stream: bytes) -> LosslessScan:
    """Everything that has to be known of an image to decode it.

    Raises:
        ValueError: it is no lossless image of one component, or its markers do not hold together.
    """
    if not stream.startswith(bytes((0xFF, SOI))):
        raise ValueError("no start of image")
    try:
        return _scan(stream)
    except struct.error as error:
        raise ValueError("a marker of another length") from error


def _scan(stream: bytes) -> LosslessScan:
    tables: dict[int, Codes] = {}
    seen: dict[int, bytes] = {}
    at = 2
    while SOS not in seen:
        marker, content, at = _segment(stream, at)
        if marker == DHT:
            tables.update(huffman_tables(content))
        elif marker in (SOF3, DRI, SOS) and marker not in seen:
            seen[marker] = content
        elif marker not in SKIPPED:
            raise ValueError(f"marker {marker:02X}")
    precision, rows, columns, components = struct.unpack(">BHHB3x", seen.get(SOF3, b""))
    selected, table, predictor, end, approximation = struct.unpack(">BxBBBB", seen[SOS])
    (restart,) = struct.unpack(">H", seen.get(DRI, bytes(2)))
    shift = approximation & 15
    if (components, selected, end) != (1, 1, 0) or table & 15 or table >> 4 not in tables:
        raise ValueError("several components, or no table of codes")
    if not (2 <= precision <= 16 and shift < precision and 1 <= predictor <= 7):
        raise ValueError("impossible parameters")
    if not rows or not columns or restart % columns:
        raise ValueError("an impossible size")
    codes, intervals = tables[table >> 4], _intervals(stream, at)
    return LosslessScan(precision, rows, columns, codes, predictor, shift, restart, intervals)


def _segment(stream: bytes, at: int) -> tuple[int, bytes, int]:
    """A marker, what follows it, and where the next one stands."""
    while stream[at : at + 2] == b"\xff\xff":  # fill bytes
        at += 1
    start, marker, length = struct.unpack_from(">BBH", stream, at)
    if start != 0xFF or length < 2 or at + 2 + length > len(stream):
        raise ValueError("no marker where one has to be")
    return marker, stream[at + 4 : at + 2 + length], at + 2 + length


def _intervals(stream: bytes, at: int) -> list[bytes]:
    """The bytes between restart markers, up to the end of the image, unstuffed (F.1.2.3)."""
    intervals = []
    start = at
    while True:
        at = stream.find(b"\xff", at)
        if at < 0 or at + 1 >= len(stream):
            raise ValueError("no end of image")
        marker = stream[at + 1]
        if marker in (0x00, 0xFF):
            at += 2 if marker == 0 else 1
            continue
        intervals.append(stream[start:at].rstrip(b"\xff").replace(b"\xff\x00", b"\xff"))
        if marker == EOI:
            if stream[at + 2 :].strip(b"\0"):
                raise ValueError("bytes after the end of image")
            return intervals
        if marker != RST0 + (len(intervals) - 1) % 8:
            raise ValueError(f"marker {marker:02X} inside of the image")
        start = at = at + 2
