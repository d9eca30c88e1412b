"""Lossless JPEG against an encoder written from the standard's text, and against damage."""

import struct

import numpy as np
import pytest

from cystgrid.scans.jpeg_lossless import decode

SIZES = 17
LENGTH = 5
"""Every size of a difference, 0 to 16, has a code of 5 bits: its own number."""

PREDICTORS = {
    1: lambda a, b, c: a,
    2: lambda a, b, c: b,
    3: lambda a, b, c: c,
    4: lambda a, b, c: a + b - c,
    5: lambda a, b, c: a + ((b - c) >> 1),
    6: lambda a, b, c: b + ((a - c) >> 1),
    7: lambda a, b, c: (a + b) >> 1,
}
"""ITU-T T.81 table H.1."""


def difference_bits(difference):
    """H.1.2.2: the code of its size, then its own bits, those of a negative one less 1."""
    difference = (difference + 2**15) % 2**16 - 2**15
    if difference == -(2**15):
        return f"{16:05b}"
    size = abs(difference).bit_length()
    own = difference if difference > 0 else difference + 2**size - 1
    return f"{size:05b}" + (f"{own:0{size}b}" if size else "")


def interval(samples, predictor, middle):
    bits = []
    for (row, column), sample in np.ndenumerate(samples):
        left = int(samples[row, column - 1]) if column else None
        above = int(samples[row - 1, column]) if row else None
        if row == 0:
            guess = middle if left is None else left
        elif left is None:
            guess = above
        else:
            guess = PREDICTORS[predictor](left, above, int(samples[row - 1, column - 1]))
        bits.append(difference_bits(int(sample) - guess))
    whole = "".join(bits)
    whole += "1" * (-len(whole) % 8)
    return int(whole, 2).to_bytes(len(whole) // 8).replace(b"\xff", b"\xff\x00")


def marker(code, content):
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def encode(image, precision=16, predictor=1, shift=0, rows_each=0):
    """A stream of one component; ``rows_each`` rows between restart markers."""
    samples = image >> shift
    rows, columns = image.shape
    counts = [SIZES if length == LENGTH else 0 for length in range(1, 17)]
    parts = np.split(samples, range(rows_each, rows, rows_each)) if rows_each else [samples]
    coded = [interval(part, predictor, 1 << (precision - shift - 1)) for part in parts]
    joined = coded[0]
    for number, part in enumerate(coded[1:]):
        joined += bytes((0xFF, 0xD0 + number % 8)) + part
    return (
        b"\xff\xd8"
        + marker(0xE0, b"any")
        + marker(0xC3, struct.pack(">BHHBBBB", precision, rows, columns, 1, 1, 0x11, 0))
        + marker(0xC4, bytes((0, *counts, *range(SIZES))))
        + marker(0xDD, struct.pack(">H", rows_each * columns))
        + marker(0xDA, bytes((1, 1, 0, predictor, 0, shift)))
        + joined
        + b"\xff\xd9"
    )


def noise(precision, shape=(23, 19)):
    return np.random.default_rng(precision).integers(0, 2**precision, shape, dtype=np.uint16)


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("precision", [2, 8, 12, 16])
def test_every_predictor_and_precision(predictor, precision):
    image = noise(precision)
    assert np.array_equal(decode(encode(image, precision, predictor)), image)


@pytest.mark.parametrize("rows_each", [1, 2, 5, 23])
def test_restart_intervals(rows_each):
    image = noise(12)
    assert np.array_equal(decode(encode(image, 12, 4, rows_each=rows_each)), image)


def test_point_transform_loses_the_lowest_bits_only():
    image = noise(12)
    assert np.array_equal(decode(encode(image, 12, 7, shift=3)), image >> 3 << 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_thin_images(shape):
    image = noise(16, shape)
    for predictor in PREDICTORS:
        assert np.array_equal(decode(encode(image, 16, predictor)), image)


def test_an_image_longer_than_one_block_of_bits():
    image = noise(16, (500, 500))
    stream = encode(image)
    assert len(stream) > 2**18
    assert np.array_equal(decode(stream), image)


def test_damage_is_refused_with_one_kind_of_error():
    """Each byte cut off, and 2000 changed: an image of the same size, or a ``ValueError``."""
    stream = encode(noise(12), 12, 6)
    for end in range(len(stream)):
        with pytest.raises(ValueError, match=r"\w"):
            decode(stream[:end])
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(stream)
        damaged[random.integers(len(stream))] ^= 1 << random.integers(8)
        try:
            assert decode(bytes(damaged)).dtype == np.uint16
        except ValueError:
            refused += 1
    assert refused > 500


@pytest.mark.parametrize("more", [b"\xff\x00", b"\x00\xff", b"more"])
def test_bytes_after_the_image_or_in_it_are_refused(more):
    stream = encode(noise(12), 12)
    with pytest.raises(ValueError, match=r"\w"):
        decode(stream[:-2] + more + b"\x12" + stream[-2:])
    with pytest.raises(ValueError, match="after the end"):
        decode(stream + more)
    assert np.array_equal(decode(stream + b"\0"), noise(12))  # padded to an even length
