"""Damage that knows nothing of formats: what disks, cables and careless programs do to bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Damage = Callable[[np.random.Generator, bytes], tuple[bytes, str]]
"""From sound bytes to damaged ones, and what was done."""

INTEGERS = (0, 1, -1, 2**7 - 1, 2**8 - 1, 2**15 - 1, -(2**15), 2**16 - 1, 2**31 - 1, -(2**31),
            2**32 - 1, 2**32 - 2, 2**63 - 1, -(2**63))  # fmt: skip
FLOATS = (0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-40, 1e9, 0.5)
EXTENSION = 3000
"""Most bytes that are added at the end."""


def damage_bytes(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """One of the kinds below; bit flips most often."""
    kinds: tuple[Damage, ...] = (
        flip_bits, set_bytes, truncate, extend, delete_block, repeat_block, swap_blocks,
        put_integer,
    )  # fmt: skip
    weights = (0.3, 0.15, 0.1, 0.1, 0.1, 0.08, 0.07, 0.1)
    if len(data) < 8:
        return extend(rng, data)
    return kinds[rng.choice(len(kinds), p=weights)](rng, data)


def flip_bits(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """One bit, or a few."""
    count = int(rng.choice([1, 1, 1, 2, 8]))
    places = rng.integers(0, 8 * len(data), count)
    damaged = bytearray(data)
    for place in places:
        damaged[place // 8] ^= 1 << int(place % 8)
    return bytes(damaged), f"flipped bit {', '.join(f'{p % 8} of byte {p // 8}' for p in places)}"


def set_bytes(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """A run of bytes becomes 0, 255 or noise."""
    at, count = _block(rng, data, 64)
    filling = [b"\0" * count, b"\xff" * count, rng.bytes(count)][rng.integers(3)]
    return data[:at] + filling + data[at + count :], f"set {count} bytes from {at}"


def truncate(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Cut off the end: a few bytes, or any number."""
    kept = len(data) - int(rng.integers(1, 17)) if rng.random() < 0.4 else rng.integers(len(data))
    kept = max(0, int(kept))
    return data[:kept], f"cut to {kept} bytes"


def extend(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Zeros, noise or the file's own beginning after its end."""
    count = int(rng.choice([1, 2, 4, 16, rng.integers(1, EXTENSION)]))
    tail = [b"\0" * count, rng.bytes(count), data[:count]][rng.integers(3)]
    return data + tail, f"added {count} bytes"


def delete_block(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """What follows moves forward."""
    at, count = _block(rng, data, 512)
    return data[:at] + data[at + count :], f"deleted {count} bytes from {at}"


def repeat_block(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """A block comes twice in a row."""
    at, count = _block(rng, data, 512)
    return data[: at + count] + data[at:], f"repeated {count} bytes from {at}"


def swap_blocks(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Two blocks of one size change places."""
    size = int(rng.choice([1, 2, 4, 16, 64]))
    if len(data) < 2 * size:
        return flip_bits(rng, data)
    one = int(rng.integers(0, len(data) - 2 * size + 1))
    other = int(rng.integers(one + size, len(data) - size + 1))
    damaged = bytearray(data)
    damaged[one : one + size], damaged[other : other + size] = (
        data[other : other + size],
        data[one : one + size],
    )
    return bytes(damaged), f"swapped {size} bytes at {one} and {other}"


def put_integer(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """A number at the edge of its type, at any even place."""
    size = int(rng.choice([2, 4, 8]))
    number = int(rng.choice(np.array(INTEGERS, dtype=object)))
    at = 2 * int(rng.integers(0, max(1, (len(data) - size) // 2)))
    order = "little" if rng.random() < 0.7 else "big"
    stored = (number % 2 ** (8 * size)).to_bytes(size, order)
    return data[:at] + stored + data[at + size :], f"put {number} into {size} bytes at {at}"


def _block(rng: np.random.Generator, data: bytes, most: int) -> tuple[int, int]:
    count = int(rng.integers(1, min(most, len(data)) + 1))
    return int(rng.integers(0, len(data) - count + 1)), count
