"""Compressed pixels by the letter: whole by their markers, then decoded by another decoder.

The entropy-coded bytes of JPEG, JPEG-LS and JPEG 2000 have no checksum. But a stream that is cut or
has lost a piece shows it: its end marker is missing, or its lengths do not add up. What is left is
decoded by SimpleITK, from a file of the barest header, so that nothing but the stream counts.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from dicom_walk import MalformedError

JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
SOI, EOI, SOS = 0xFFD8, 0xFFD9, 0xFFDA
FRAME_MARKERS = {0xFFC3, 0xFFF7}
"""Start of a frame: lossless JPEG (SOF3), JPEG-LS (SOF55)."""

SOC, SIZ, SOT, EOC = 0xFF4F, 0xFF51, 0xFF90, 0xFFD9


def decode_stream(
    stream: bytes, syntax: str, shape: tuple[int, int], dtype: np.dtype, bits: int, scratch: Path
) -> np.ndarray:
    """``(rows, columns)``; ``MalformedError`` where the stream is not whole or has another size."""
    if syntax in JPEG_2000:
        found = _check_jpeg_2000(stream)
    else:
        found = _check_jpeg(stream, syntax in JPEG_LS)
    if found != shape:
        raise MalformedError(f"a stream of {found}, described as {shape}")
    scratch.write_bytes(_bare_file(stream, syntax, shape, dtype, bits))
    try:
        decoded = sitk.GetArrayFromImage(sitk.ReadImage(str(scratch)))
    except RuntimeError as error:
        raise MalformedError("SimpleITK refuses the stream") from error
    return decoded.reshape(shape)


def _short(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise MalformedError("a stream cut short")
    return int.from_bytes(data[at : at + 2], "big")


def _check_end(data: bytes, at: int) -> None:
    if data[at:] not in (b"", b"\0"):
        raise MalformedError("bytes after the stream's end")


def _check_jpeg(data: bytes, is_ls: bool) -> tuple[int, int]:
    """ISO 10918-1 annex B, ISO 14495-1 annex C: marker segments, one scan, the end."""
    if _short(data, 0) != SOI:
        raise MalformedError("no JPEG stream")
    at, size = 2, (0, 0)
    while True:
        marker, length = _short(data, at), _short(data, at + 2)
        if marker < 0xFFC0 or at + 2 + length > len(data):
            raise MalformedError("no JPEG marker where one should be")
        if marker in FRAME_MARKERS:
            size = (_short(data, at + 5), _short(data, at + 7))
        at += 2 + length
        if marker == SOS:
            break
    highest_stuffed = 0x7F if is_ls else 0x00
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise MalformedError("a JPEG stream without its end")
        if data[at + 1] > highest_stuffed:
            break
        at += 2
    if _short(data, at) != EOI:
        raise MalformedError("a marker amid JPEG's entropy-coded bytes")
    _check_end(data, at + 2)
    return size


def _check_jpeg_2000(data: bytes) -> tuple[int, int]:
    """ISO 15444-1 annex A: main header, tile-parts of the lengths they state, the end."""
    if _short(data, 0) != SOC or _short(data, 2) != SIZ or len(data) < 50:
        raise MalformedError("no JPEG 2000 codestream")
    right, bottom, left, top = struct.unpack(">4I", data[8:24])
    at = 2
    while (marker := _short(data, at)) != SOT:
        if marker < 0xFF00:
            raise MalformedError("no JPEG 2000 marker where one should be")
        at += 2 + _short(data, at + 2)
    while _short(data, at) == SOT:
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        if length < 14 or at + length > len(data):
            raise MalformedError("a tile-part of an impossible length")
        at += length
    if _short(data, at) != EOC:
        raise MalformedError("a JPEG 2000 codestream without its end")
    _check_end(data, at + 2)
    return bottom - top, right - left


def _bare_file(stream: bytes, syntax: str, shape, dtype: np.dtype, bits: int) -> bytes:
    """The least DICOM file that holds one image."""
    stream += b"\0" * (len(stream) % 2)
    items = [b"", stream]
    pixels = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items)
    meta = _element(0x00020010, "UI", syntax.encode())
    signed = int(dtype.kind == "i")
    numbers = {0x00280010: shape[0], 0x00280011: shape[1],
               0x00280100: 8 * dtype.itemsize, 0x00280101: bits, 0x00280102: bits - 1,
               0x00280103: signed}  # fmt: skip
    body = _element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7")
    body += _element(0x00280002, "US", struct.pack("<H", 1))
    body += _element(0x00280004, "CS", b"MONOCHROME2")
    for tag, number in numbers.items():
        body += _element(tag, "US", struct.pack("<H", number))
    head = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    group = _element(0x00020000, "UL", struct.pack("<I", len(meta)))
    return (
        bytes(128) + b"DICM" + group + meta + body + head + pixels + b"\xfe\xff\xdd\xe0" + bytes(4)
    )


def _element(tag: int, vr: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode() + struct.pack(
        "<H", len(value)
    ) + value  # fmt: skip
