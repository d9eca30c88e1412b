"""Whether run-length encoded pixels (PS3.5 annex G) are whole: decoders take what there is."""

from __future__ import annotations

import struct
from itertools import pairwise

HEADER = struct.Struct("<16I")
"""Number of segments, then where each begins."""

NO_RUN = 128
"""A control byte that stands for nothing; below are literal bytes, above repeated ones."""


def check_segments(frame: bytes, pixels: int, bytes_a_pixel: int) -> None:
    """Follow the runs of one frame without decoding them.

    Args:
        frame: its fragment.
        pixels: of one image.
        bytes_a_pixel: each has a segment of its own, the highest first.

    Raises:
        ValueError: a segment holds more or fewer bytes than pixels, or its last run is cut short.
    """
    if len(frame) < HEADER.size:
        raise ValueError("a header cut short")
    count, *offsets = HEADER.unpack_from(frame)
    bounds = [*offsets[:count], len(frame)]
    if count != bytes_a_pixel or bounds[0] != HEADER.size or bounds != sorted(bounds):
        raise ValueError("a header that does not fit the pixels")
    for start, end in pairwise(bounds):
        _check_segment(frame, start, end, pixels)


def _check_segment(frame: bytes, at: int, end: int, pixels: int) -> None:
    found = 0
    while at < end and found < pixels:
        control = frame[at]
        if control < NO_RUN:
            at, found = at + control + 2, found + control + 1
        elif control > NO_RUN:
            at, found = at + 2, found + 257 - control
        else:
            at += 1
    if found != pixels or not 0 <= end - at <= 1:  # one byte may pad to an even length
        raise ValueError("a segment of another length")
