"""The scan that DICOM files state, by the letter of the standard: a reader without pydicom.

It takes only what is beyond doubt, and is slow; it is the second opinion on damaged files that were
read, and no reader for use.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from codestreams import decode_stream
from dicom_walk import Element, MalformedError, inflated, walk
from fuzz_seeds import Files
from rle_decode import decode_rle

SYNTAX = 0x00020010
DEPTHS = (0x00180088, 0x00180050)
"""SpacingBetweenSlices and SliceThickness."""

CLASSIC, ENHANCED = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")
RLE = "1.2.840.10008.1.2.5"
DECIMAL = re.compile(r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *")
SHARED, PER_FRAME = 0x52009229, 0x52009230
GROUPS = {
    0x00200032: 0x00209113, 0x00200037: 0x00209116, 0x00280030: 0x00289110,
    0x00180088: 0x00289110, 0x00180050: 0x00289110, 0x00281052: 0x00289145, 0x00281053: 0x00289145,
}  # fmt: skip
"""The functional group that holds an attribute in an enhanced file (PS3.3 C.7.6.16)."""

Elements = dict[tuple[int, ...], Element]


@dataclass
class Plane:
    """One image of a damaged file."""

    position: np.ndarray
    orientation: np.ndarray
    spacing: np.ndarray
    depth: list[Element]
    values: np.ndarray
    alike: tuple[object, ...]


def is_image(data: bytes) -> bool:
    """Whether the prefix of a DICOM file is there."""
    return data[128:132] == b"DICM"


def stated(files: Files, series: str, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine (RAS+) by the letter of the standard, or ``MalformedError``.

    Args:
        files: the damaged files, by name.
        series: the UID of the series that is meant, empty for the only one.
        scratch: a file to write to.
    """
    planes: list[Plane] = []
    for name in sorted(files):
        if is_image(files[name]):
            planes += _planes(inflated(files[name]), series, scratch)
    if not planes:
        raise MalformedError("no image")
    return _stack(planes)


def has_undescribed_pixels(files: Files) -> bool:
    """Whether some file's uncompressed PixelData is longer than its description accounts for."""
    return any(is_image(data) and _excess(data) > 0 for data in files.values())


def _excess(data: bytes) -> int:
    try:
        return _excess_of({element.path: element for element in walk(inflated(data))})
    except MalformedError:  # of no image that the second opinion took
        return 0


def _excess_of(elements: Elements) -> int:
    pixels = elements.get((0x7FE00010,))
    if pixels is None or pixels.fragments:
        return 0
    frames = int(_numbers(elements, (0x00280008,), 1)[0]) if (0x00280008,) in elements else 1
    bits = frames * np.prod([_short(elements, t) for t in (0x00280010, 0x00280011, 0x00280100)])
    described = int(bits) // 8
    return len(pixels.value) - described - described % 2


def _planes(data: bytes, series: str, scratch: Path) -> list[Plane]:
    elements = {element.path: element for element in walk(data)}
    kind = _text(elements, 0x00080016)
    own_series = _text(elements, 0x0020000E)
    if kind != _text(elements, 0x00020002):
        raise MalformedError("two statements about the kind of object")
    if kind not in (CLASSIC, ENHANCED) or (series and own_series != series):
        return []
    frames = int(_numbers(elements, (0x00280008,), 1)[0]) if (0x00280008,) in elements else 1
    pixels = _pixels(elements, frames, scratch)
    names = (0x00100020, 0x00100010, 0x00200052, 0x00280004, 0x00280103, SYNTAX)
    alike = (own_series, pixels.shape[1:], *(_text(elements, tag) for tag in names))
    return [_plane(elements, kind, frame, pixels[frame], alike) for frame in range(frames)]


def _plane(elements: Elements, kind: str, frame: int, pixels, alike) -> Plane:
    def at(tag: int) -> tuple[int, ...]:
        if kind == CLASSIC:
            return (tag,)
        own = (PER_FRAME, frame, GROUPS[tag], 0, tag)
        return own if own in elements else (SHARED, 0, GROUPS[tag], 0, tag)

    scale = [at(0x00281053) in elements, at(0x00281052) in elements]
    if scale[0] != scale[1]:
        raise MalformedError("a slope without an intercept, or the other way round")
    if all(scale):
        slope, intercept = (
            float(_numbers(elements, at(tag), 1)[0]) for tag in (0x00281053, 0x00281052)
        )
        pixels = pixels * slope + intercept
    return Plane(
        position=_numbers(elements, at(0x00200032), 3),
        orientation=_numbers(elements, at(0x00200037), 6),
        spacing=_numbers(elements, at(0x00280030), 2),
        depth=[elements[at(tag)] for tag in DEPTHS if at(tag) in elements],
        values=pixels,
        alike=(*alike, all(scale)),
    )


def _numbers(elements: Elements, path: tuple[int, ...], count: int) -> np.ndarray:
    if path not in elements or elements[path].vr not in ("DS", "IS"):
        raise MalformedError(f"no {path[-1]:08x}")
    parts = elements[path].value.rstrip(b"\0 ").decode("latin-1").split("\\")
    if len(parts) != count or not all(DECIMAL.fullmatch(part) for part in parts):
        raise MalformedError(f"{path[-1]:08x} is not {count} decimal numbers")
    return np.array([float(part) for part in parts])


def _text(elements: Elements, tag: int) -> str:
    found = elements.get((tag,))
    return "" if found is None else found.value.decode("latin-1").strip(" \0")


def _short(elements: Elements, tag: int) -> int:
    found = elements.get((tag,))
    if found is None or found.vr != "US" or len(found.value) != 2:
        raise MalformedError(f"no number in {tag:08x}")
    return int(struct.unpack("<H", found.value)[0])


def _pixels(elements: Elements, frames: int, scratch: Path) -> np.ndarray:
    """Stored values ``(frames, rows, columns)`` as MONOCHROME2."""
    rows, columns = _short(elements, 0x00280010), _short(elements, 0x00280011)
    allocated, bits = _short(elements, 0x00280100), _short(elements, 0x00280101)
    signed = _short(elements, 0x00280103)
    photometric = _text(elements, 0x00280004)
    if (
        allocated not in (8, 16, 32) or not 1 <= bits <= allocated or signed > 1
        or _short(elements, 0x00280102) != bits - 1 or _short(elements, 0x00280002) != 1
        or photometric not in ("MONOCHROME1", "MONOCHROME2") or min(rows, columns, frames) < 1
    ):  # fmt: skip
        raise MalformedError("an impossible description of pixels")
    element = elements.get((0x7FE00010,))
    if element is None:
        raise MalformedError("no pixels")
    dtype = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    stored = _stored(elements, element, (frames, rows, columns), dtype, scratch).astype(np.int64)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if signed and stored.min() >= 0 and high < stored.max() <= high - low:
        stored = np.where(stored > high, stored - (high - low + 1), stored)  # PS3.5 8.1.1
    if stored.min() < low or stored.max() > high:
        raise MalformedError("values beyond BitsStored")
    return low + high - stored if photometric == "MONOCHROME1" else stored


def _stored(elements, element, shape, dtype, scratch: Path) -> np.ndarray:
    syntax = _text(elements, SYNTAX)
    size = int(np.prod(shape)) * dtype.itemsize
    if syntax in UNCOMPRESSED and not element.fragments:
        if len(element.value) < size:
            raise MalformedError("PixelData shorter than described")
        return np.frombuffer(element.value[:size], dtype).reshape(shape)
    if not element.fragments or syntax in UNCOMPRESSED:
        raise MalformedError("pixels not packed as the transfer syntax says")
    if syntax == RLE:
        if len(element.fragments) != shape[0] + 1:
            raise MalformedError("not one fragment a frame")
        return np.stack([decode_rle(part, shape[1:], dtype) for part in element.fragments[1:]])
    if shape[0] != 1:
        raise MalformedError("several frames, which no seed has in this syntax")
    stream, bits = b"".join(element.fragments[1:]), _short(elements, 0x00280101)
    return decode_stream(stream, syntax, shape[1:], dtype, bits, scratch)[None]


def _depth(plane: Plane) -> float:
    """Of a slice that is alone: the first of ``DEPTHS`` that is a length."""
    texts = [element.value.decode("latin-1") for element in plane.depth]
    lengths = [float(text) for text in texts if DECIMAL.fullmatch(text)]
    found = next((length for length in lengths if length > 0), None)
    if found is None:
        raise MalformedError("a single slice of unknown depth")
    return found


def _stack(planes: list[Plane]) -> tuple[np.ndarray, np.ndarray]:
    first = planes[0]
    row, column = first.orientation.reshape(2, 3)
    for plane in planes:
        if plane.alike != first.alike:
            raise MalformedError("images that do not belong together")
        if not (np.allclose(plane.orientation, first.orientation, rtol=0, atol=1e-3)
                and np.allclose(plane.spacing, first.spacing, rtol=1e-3)):  # fmt: skip
            raise MalformedError("images on different grids")
    if abs(np.linalg.norm(row) - 1) > 1e-3 or abs(np.linalg.norm(column) - 1) > 1e-3 or abs(
        row @ column
    ) > 1e-3 or min(first.spacing) <= 0:  # fmt: skip
        raise MalformedError("impossible directions or spacing")
    normal = np.cross(row, column)
    planes = sorted(planes, key=lambda plane: float(plane.position @ normal))
    heights = np.array([plane.position @ normal for plane in planes])
    gaps = np.diff(heights)
    if gaps.size and (gaps.min() < 0.1 or np.abs(gaps / np.median(gaps) - 1).max() > 0.011):
        raise MalformedError("slices missing or twice")
    step = float(gaps.mean()) if gaps.size else _depth(planes[0])
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = row * first.spacing[1], column * first.spacing[0]
    lps[:3, 2], lps[:3, 3] = normal * step, planes[0].position
    for k, plane in enumerate(planes):
        if np.linalg.norm(plane.position - (lps @ [0, 0, k, 1])[:3]) > 0.11:
            raise MalformedError("a slice beside the stack")
    voxels = np.stack([plane.values.T for plane in planes], axis=2)
    return voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
