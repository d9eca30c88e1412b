"""DICOM's run-length encoding (PS3.5 annex G), decoded strictly: a second opinion on damage."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
from dicom_walk import MalformedError

HEADER = 64


def decode_rle(fragment: bytes, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """``(rows, columns)``; one segment for each byte of a pixel, the highest first."""
    if len(fragment) < HEADER:
        raise MalformedError("an RLE header cut short")
    count, *offsets = struct.unpack(f"<{HEADER // 4}I", fragment[:HEADER])
    if count != dtype.itemsize or offsets[0] != HEADER:
        raise MalformedError("an RLE header that does not fit the pixels")
    bounds = [*offsets[:count], len(fragment)]
    if bounds != sorted(bounds):
        raise MalformedError("RLE segments out of order")
    size = shape[0] * shape[1]
    planes = [_segment(fragment[a:b], size) for a, b in pairwise(bounds)]
    big = np.frombuffer(b"".join(planes), np.uint8).reshape(count, size).T
    return np.ascontiguousarray(big).view(dtype.newbyteorder(">")).reshape(shape)


def _segment(data: bytes, size: int) -> bytes:
    """PackBits; a segment holds its bytes, no fewer and no more, and a byte of padding."""
    found, at = bytearray(), 0
    while len(found) < size:
        if at >= len(data):
            raise MalformedError("an RLE segment cut short")
        code = data[at]
        if code < 128:
            run = data[at + 1 : at + 2 + code]
            if len(run) < code + 1:
                raise MalformedError("an RLE run cut short")
            found += run
            at += 2 + code
        elif code > 128:
            if at + 1 >= len(data):
                raise MalformedError("an RLE run cut short")
            found += data[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
    if len(found) != size or len(data) - at > 1:
        raise MalformedError("an RLE segment that is too long")
    return bytes(found)
