"""Huffman codes of differences, as lossless JPEG has them (ITU-T T.81 annexes C and H).

Codes are looked up at every bit of the stream at once, and then followed from one to the next,
which takes some 10 ms for an image of 256 x 256.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CODE_BITS = 16
"""Length of the longest code, and largest size of a difference."""

BLOCK_BYTES = 2**18
"""So many are looked up at once; some 20 MB."""


@dataclass(frozen=True)
class Codes:
    """What any 16 bits begin with.

    Attributes:
        lengths: bits of the code, 0 where they begin with none.
        sizes: bits of the difference that follows; 16 for the one without bits of its own.
        steps: bits of both.
    """

    lengths: NDArray[np.uint8]
    sizes: NDArray[np.uint8]
    steps: NDArray[np.uint8]


def huffman_tables(content: bytes) -> dict[int, Codes]:
    """The codes that a DHT marker holds, by their numbers (annex C).

    Raises:
        ValueError: they are no table of codes.
    """
    tables = {}
    while content:
        counts, number = content[1 : 1 + CODE_BITS], content[0]
        values = content[1 + CODE_BITS : 1 + CODE_BITS + sum(counts)]
        if len(counts) < CODE_BITS or len(values) < sum(counts) or max(values, default=0) > 16:
            raise ValueError("an impossible table of codes")
        lengths = np.repeat(np.arange(1, CODE_BITS + 1), list(counts))
        spans = 1 << (CODE_BITS - lengths)  # of the numbers that start with the code
        known = int(spans.sum())
        if known > 1 << CODE_BITS:
            raise ValueError("an impossible table of codes")
        length, size = np.zeros((2, 1 << CODE_BITS), dtype=np.uint8)
        length[:known] = np.repeat(lengths, spans)
        size[:known] = np.repeat(np.frombuffer(values, dtype=np.uint8), spans)
        tables[number] = Codes(length, size, length + size % CODE_BITS)
        content = content[1 + CODE_BITS + sum(counts) :]
    return tables


def decoded_differences(coded: bytes, count: int, codes: Codes) -> NDArray[np.uint16]:
    """Differences modulo 2**16.

    Args:
        coded: bytes, unstuffed.
        count: how many differences they hold; they must fill ``coded`` to its last byte.
        codes: what they are coded by.

    Raises:
        ValueError: bits that are no code, or more or fewer differences than ``count``.
    """
    padded = np.frombuffer(coded + bytes(8), dtype=np.uint8)
    ends, at, missing = len(coded) * 8, 0, count
    found: list[NDArray[np.uint16]] = []
    while missing and at < ends:
        first_byte, last_byte = at // 8, min(len(coded), at // 8 + BLOCK_BYTES)
        steps = _steps_at_every_bit(padded, first_byte, last_byte, codes)
        path: list[int] = []
        here = at % 8
        while here < len(steps) and len(path) < missing:
            path.append(here)
            here += steps[here]
        found.append(_differences_at(padded, np.array(path) + 8 * first_byte, codes))
        missing -= len(path)
        at = 8 * first_byte + here
    if missing or at > ends or ends - at >= 8:
        raise ValueError("more or fewer samples than declared")
    return np.concatenate(found)


def _steps_at_every_bit(padded: NDArray[np.uint8], first: int, last: int, codes: Codes) -> bytes:
    """How many bits the code and the difference take that would begin at each bit."""
    three = sum(padded[first + n : last + n].astype(np.uint32) << (16 - 8 * n) for n in range(3))
    shifts = np.arange(8, 0, -1, dtype=np.uint32)
    window = (np.asarray(three)[:, None] >> shifts).astype(np.uint16)  # 16 bits from each
    return codes.steps[window].tobytes()


def _differences_at(
    padded: NDArray[np.uint8], places: NDArray[np.int64], codes: Codes
) -> NDArray[np.uint16]:
    """The differences whose codes begin at these bits (H.1.2.2)."""
    first, offset = places // 8, (places % 8).astype(np.uint64)
    five = sum(padded[first + n].astype(np.uint64) << np.uint64(32 - 8 * n) for n in range(5))
    window = (np.asarray(five) >> (np.uint64(8) - offset)) & np.uint64(0xFFFFFFFF)
    code = window >> np.uint64(16)
    length, size = codes.lengths[code].astype(np.int64), codes.sizes[code].astype(np.int64)
    if not length.all():
        raise ValueError("bits that are no code")
    tail = (window.astype(np.int64) << length) & 0xFFFFFFFF
    extra = tail >> (32 - size)
    negative = extra < (1 << size) >> 1
    differences = np.where(negative, extra - (1 << size) + 1, extra)
    differences[size == CODE_BITS] = 1 << 15  # the one difference without bits of its own
    return np.asarray(differences, dtype=np.int64).astype(np.uint16)
