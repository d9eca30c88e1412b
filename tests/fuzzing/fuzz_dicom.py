"""Damage to one DICOM file that knows where its elements, lengths, items and pixels lie."""

from __future__ import annotations

import struct

import numpy as np
from dicom_walk import (
    ITEM,
    ITEM_END,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    VRS,
    Element,
    MalformedError,
    walk,
)
from fuzz_bytes import damage_bytes
from pydicom.datadict import tag_for_keyword

SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.201", "1.2.3.4", "",
)  # fmt: skip
KEYWORDS = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
    "RescaleIntercept", "Rows", "Columns", "NumberOfFrames", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation", "PixelData",
    "SeriesInstanceUID", "SOPClassUID", "TransferSyntaxUID", "FrameOfReferenceUID", "PatientID",
    "SpacingBetweenSlices", "SliceThickness", "EchoTime", "FileMetaInformationGroupLength",
    "MediaStorageSOPClassUID", "SmallestImagePixelValue",
)  # fmt: skip
TAGS = tuple(tag_for_keyword(keyword) for keyword in KEYWORDS)
LENGTHS = (0, 1, 2, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, UNDEFINED)
NUMBERS = (
    "nan", "inf", "-inf", "a", "", " ", "1e400", "1,5", "0", "-0", "-1", "1e-300", "1e30",
    "0x10", "1_000", "٣", "1\\2", "1.0000000000000001", "++1", "65536",
)  # fmt: skip
UIDS = (
    "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.7", "1.2.3", "", "x", "1.2.826.0.1.3680043.8.498.2",
)  # fmt: skip
DEEP = 4000


def damage_dicom(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Seven times in ten an element, else any bytes; the preamble now and then."""
    draw = rng.random()
    if draw < 0.02:
        at = int(rng.integers(132))
        return data[:at] + rng.bytes(1) + data[at + 1 :], f"preamble byte {at}"
    try:
        elements = walk(data) if draw > 0.3 else []
    except MalformedError:  # damaged already
        elements = []
    if not elements:
        return damage_bytes(rng, data)
    element = choose(rng, elements)
    kinds = (_length, _vr, _tag, _delete, _duplicate, _swap, change_value, _delimiter, _nest,
             _inside)  # fmt: skip
    weights = (0.12, 0.07, 0.07, 0.06, 0.06, 0.05, 0.35, 0.07, 0.03, 0.12)
    damaged, what = kinds[rng.choice(len(kinds), p=weights)](rng, data, element, elements)
    return damaged, f"{element.tag:08x} from byte {element.start}: {what}"


def choose(rng: np.random.Generator, elements: list[Element]) -> Element:
    """Any element, but twice in three one that matters for the reading."""
    telling = [element for element in elements if element.tag in TAGS]
    pool = telling if telling and rng.random() < 0.67 else elements
    return pool[rng.integers(len(pool))]


def _length(rng, data, element, elements):
    """The length's field alone: too long, too short, undefined, or covering the next element."""
    length = int.from_bytes(data[element.length_at :][: element.length_bytes], "little")
    following = [other.end - element.value_at for other in elements if other.start >= element.end]
    near = [length + step for step in (-2, -1, 1, 2, 8)] + following[:1] * 3
    new = int(rng.choice(near if rng.random() < 0.6 else np.array(LENGTHS, dtype=object)))
    new %= 2 ** (8 * element.length_bytes)
    stored = new.to_bytes(element.length_bytes, "little")
    end = element.length_at + element.length_bytes
    return data[: element.length_at] + stored + data[end:], f"length = {new}"


def _vr(rng, data, element, elements):
    vr = str(rng.choice(sorted(VRS))) if rng.random() < 0.7 else "??"
    at = element.start + 4
    return data[:at] + vr.encode() + data[at + 2 :], f"VR = {vr}"


def _tag(rng, data, element, elements):
    if rng.random() < 0.5:
        bit = int(rng.integers(32))
        stored = bytearray(data[element.start : element.start + 4])
        stored[bit // 8] ^= 1 << (bit % 8)
    else:
        tag = int(rng.choice((*TAGS, 0x00090010, ITEM, SEQUENCE_END, 0, 0xFFFFFFFF)))
        stored = _tag_bytes(tag)
    return data[: element.start] + stored + data[element.start + 4 :], f"tag = {stored.hex()}"


def _delete(rng, data, element, elements):
    return data[: element.start] + data[element.end :], "deleted"


def _duplicate(rng, data, element, elements):
    """Once more, right behind or anywhere between elements."""
    copy = data[element.start : element.end]
    at = element.end if rng.random() < 0.5 else elements[rng.integers(len(elements))].end
    return data[:at] + copy + data[at:], f"once more at byte {at}"


def _swap(rng, data, element, elements):
    other = elements[rng.integers(len(elements))]
    one, two = sorted((element, other), key=lambda each: each.start)
    if one.end > two.start:  # the same, or one inside the other
        return _delete(rng, data, element, elements)
    middle = data[one.end : two.start]
    moved = data[two.start : two.end] + middle + data[one.start : one.end]
    return data[: one.start] + moved + data[two.end :], f"swapped with {two.tag:08x}"


def _delimiter(rng, data, element, elements):
    """A delimiter or an item where none belongs."""
    tag = int(rng.choice([ITEM, ITEM_END, SEQUENCE_END]))
    size = int(rng.choice([0, 0, 8, UNDEFINED]))
    stored = _tag_bytes(tag) + struct.pack("<I", size)
    return data[: element.start] + stored + data[element.start :], f"{tag:08x} put before"


def _nest(rng, data, element, elements):
    """Sequences within sequences, closed or not."""
    depth = int(rng.choice([3, 50, 1200, DEEP]))
    opened = (
        _tag_bytes(0x00081140) + b"SQ\0\0" + struct.pack("<I", UNDEFINED)
        + _tag_bytes(ITEM) + struct.pack("<I", UNDEFINED)
    )  # fmt: skip
    closed = _tag_bytes(ITEM_END) + bytes(4) + _tag_bytes(SEQUENCE_END) + bytes(4)
    nested = opened * depth + closed * (depth if rng.random() < 0.5 else 0)
    return data[: element.start] + nested + data[element.start :], f"{depth} sequences put before"


def _inside(rng, data, element, elements):
    """Any damage to the value's bytes, the length left or set right."""
    damaged, what = damage_bytes(rng, data[element.value_at : element.end])
    if rng.random() < 0.5 and element.vr != "SQ" and not element.fragments:
        return replace_value(data, element, damaged), f"value, {what}, and its length"
    return data[: element.value_at] + damaged + data[element.end :], f"value, {what}"


def change_value(rng, data, element, elements):
    """Another value, well formed as an element, its length right."""
    value, what = new_value(rng, element)
    return replace_value(data, element, value), what


def new_value(rng: np.random.Generator, element: Element) -> tuple[bytes, str]:
    """A value for the element's VR: impossible, at the edge, or merely another."""
    if element.tag == 0x00020010:
        value = str(rng.choice(SYNTAXES)).encode()
    elif element.vr in ("DS", "IS"):
        value = _number_text(rng, element.value.decode("latin-1"))
    elif element.vr == "UI":
        value = str(rng.choice(UIDS)).encode()
    elif element.vr == "US":
        value = struct.pack("<H", int(rng.choice([0, 1, 2, 7, 8, 11, 12, 15, 16, 32, 34, 65535])))
    elif element.tag == PIXEL_DATA:
        value = element.value[: 2 * int(rng.integers(len(element.value) // 2 + 1))]
    elif element.vr == "CS":
        value = rng.choice([b"MONOCHROME1", b"MONOCHROME2", b"RGB", b"YES", b""])
    else:
        value = bytes([*rng.bytes(int(rng.integers(9)))])
    return bytes(value), f"value = {bytes(value[:40])!r}"


def _number_text(rng, text: str) -> bytes:
    parts = text.rstrip(" \0").split("\\")
    at = int(rng.integers(len(parts)))
    if rng.random() < 0.5:
        parts[at] = str(rng.choice(NUMBERS))
    else:
        try:
            number = float(parts[at])
        except ValueError:
            number = 1.0
        step = float(rng.choice([1e-9, 1e-4, 0.01, 1.0, 3.5, -3.5]))
        parts[at] = f"{number + step:.10f}"[:16]
    return "\\".join(parts).encode()


def replace_value(data: bytes, element: Element, value: bytes) -> bytes:
    """The element with another value; the lengths of sequences around it are set right, too."""
    value += (b"\0" if element.vr in ("UI", "OB", "OW") else b" ") * (len(value) % 2)
    if element.fragments:  # stays encapsulated: the value is cut, or it is not
        return data[: element.value_at] + value + data[element.end :]
    length = len(value) % 2 ** (8 * element.length_bytes)
    stored = length.to_bytes(element.length_bytes, "little")
    head = (
        data[: element.length_at]
        + stored
        + data[element.length_at + len(stored) : element.value_at]
    )
    damaged = bytearray(head + value + data[element.end :])
    _lengthen(damaged, data, element, len(value) - (element.end - element.value_at))
    return bytes(damaged)


def _lengthen(damaged: bytearray, data: bytes, element: Element, by: int) -> None:
    """Items and sequences that hold the element grow with it."""
    for at in _enclosing(data, element) if by else ():
        size = struct.unpack_from("<I", data, at)[0]
        if size != UNDEFINED:
            struct.pack_into("<I", damaged, at, size + by)


def _enclosing(data: bytes, element: Element) -> list[int]:
    """Where the lengths of the sequences and items around an element lie."""
    found = []
    for outer in walk(data):
        inside = outer.vr == "SQ" and outer.start < element.start and element.end <= outer.end
        if not inside:
            continue
        found.append(outer.length_at)
        at = outer.value_at
        while at + 8 <= element.start:
            size = struct.unpack_from("<I", data, at + 4)[0]
            if size == UNDEFINED or at + 8 + size >= element.end:
                found.append(at + 4)
                break
            at += 8 + size
    return found


def _tag_bytes(tag: int) -> bytes:
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF)
