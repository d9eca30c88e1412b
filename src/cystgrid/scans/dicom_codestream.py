"""The size that a compressed image states in its own header, before anything decodes it.

A damaged or hostile frame may claim any size, and a decoder makes room for what is claimed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

JPEG_START, JPEG_2000_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
JPEG_FRAMES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), 0xCD, 0xCE,
                         0xCF, 0xF7))  # fmt: skip
"""Markers that open a frame (ITU-T T.81 table B.1; 0xF7 of JPEG-LS, T.87 C.1.1)."""

ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a length."""


@dataclass(frozen=True)
class CodedSize:
    """What a codestream says it holds."""

    rows: int
    columns: int
    components: int


def jpeg_size(frame: bytes) -> CodedSize | None:
    """Size in the first frame header of JPEG or JPEG-LS; ``None`` where there is none."""
    if not frame.startswith(JPEG_START):
        return None
    at = len(JPEG_START)
    while at + 9 < len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker in JPEG_FRAMES:
            rows, columns, components = struct.unpack_from(">HHB", frame, at + 5)
            return CodedSize(rows, columns, components)
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in ALONE:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
    return None


def jpeg_2000_size(frame: bytes) -> CodedSize | None:
    """Size in the SIZ marker of JPEG 2000 (T.800 A.5.1); ``None`` where there is none.

    A first component that is sampled more coarsely than the image is that much smaller.

    Some writers put the codestream into a JP2 file, which DICOM does not allow and decoders take.
    """
    at = frame.find(JPEG_2000_START)
    if at < 0 or at + 45 > len(frame):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    components, across, down = struct.unpack_from(">HxBB", frame, at + 40)
    if not across or not down:
        return None
    return CodedSize((bottom - top) // down, (right - left) // across, components)
