"""A strict little parser of DICOM's encoding (PS3.5 7 and annex A), which owes pydicom nothing.

It says where every element of a sound file lies, so that each part can be damaged, and what a
damaged file still says by the letter of the standard. Anything against the letter is a
``MalformedError``: unknown VRs, odd lengths, items that do not end where they say, bytes that
belong to nothing. Only the order of elements is left to the caller: it changes nothing of what
they say.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR
from pydicom.valuerep import VR

IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
"""VRs with a 4-byte length after two reserved bytes (PS3.5 table 7.1-1)."""

VRS = frozenset(str(vr) for vr in VR if len(vr) == 2)
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF
FIRST = 132
MAX_DEPTH = 20


class MalformedError(Exception):
    """Not a whole DICOM file by the letter of the standard."""


Path = tuple[int, ...]
"""Tag; for an element inside a sequence: tag, item, tag, item, ..., tag."""


@dataclass(frozen=True)
class Element:
    """One element, where it lies (``start`` to ``end``) and where its length and value do."""

    path: Path
    vr: str
    start: int
    length_at: int
    length_bytes: int
    value_at: int
    end: int
    value: bytes
    fragments: tuple[bytes, ...] = ()

    @property
    def tag(self) -> int:
        return self.path[-1]


def inflated(data: bytes) -> bytes:
    """A deflated file's content as if it had been written plainly; other files as they are."""
    try:
        meta, at = _meta(data)
    except MalformedError:
        return data
    if _syntax(meta) != DEFLATED:
        return data
    packer = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = packer.decompress(data[at:])
    except zlib.error as error:
        raise MalformedError(f"deflate stream: {error}") from error
    if not packer.eof or packer.unused_data not in (b"", b"\0"):
        raise MalformedError("deflate stream without its end, or with more after it")
    return data[:at] + plain


def deflated(data: bytes) -> bytes:
    """The opposite of ``inflated``; for a file that says it is deflated."""
    try:
        at = _meta(data)[1]
    except MalformedError:
        return data
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data[at:]) + packer.flush()
    return data[:at] + packed + b"\0" * (len(packed) % 2)


def walk(data: bytes) -> list[Element]:
    """All elements of an inflated file in the order of their bytes, those of sequences included."""
    meta, at = _meta(data)
    syntax = _syntax(meta)
    if syntax == BIG_ENDIAN:
        raise MalformedError("big-endian")
    elements = list(meta)
    _data_set(data, at, len(data), (), syntax == IMPLICIT, elements, None)
    return elements


def _syntax(meta: list[Element]) -> str:
    found = [element.value for element in meta if element.tag == 0x00020010]
    if len(found) != 1:
        raise MalformedError("no transfer syntax")
    return found[0].rstrip(b"\0").decode("latin-1")


def _meta(data: bytes) -> tuple[list[Element], int]:
    if data[128:FIRST] != b"DICM":
        raise MalformedError("no DICM prefix")
    meta: list[Element] = []
    at = FIRST
    while len(data) - at >= 8 and data[at : at + 2] == b"\x02\0":
        at = _element(data, at, len(data), (), False, meta)
    return meta, at


def _data_set(data, at, end, path, implicit, into, closing) -> int:
    """Parse elements up to ``end``, or past the delimiter ``closing``."""
    while at < end:
        if not path and at > FIRST and not any(data[at:]):
            return end  # media are padded with zeros to whole blocks
        if closing is not None and _tag(data, at, end) == closing:
            if struct.unpack_from("<I", data, at + 4)[0]:
                raise MalformedError("a delimiter with a length")
            return at + 8
        at = _element(data, at, end, path, implicit, into)
    if closing is not None or at != end:
        raise MalformedError("a data set that does not end where it should")
    return at


def _tag(data, at, end) -> int:
    if end - at < 8:
        raise MalformedError("an element cut short")
    group, number = struct.unpack_from("<HH", data, at)
    return group << 16 | number


def _element(data, start, end, path, implicit, into) -> int:
    tag = _tag(data, start, end)
    vr, length_at, length_bytes = _vr(data, start, tag, implicit)
    at = length_at + length_bytes
    if at > end or tag >> 16 == 0xFFFE:
        raise MalformedError("no element")
    length = int.from_bytes(data[length_at:at], "little")
    here, slot = (*path, tag), len(into)
    fragments: tuple[bytes, ...] = ()
    if length == UNDEFINED and tag == PIXEL_DATA and vr in ("OB", "OW"):
        fragments, stop = _fragments(data, at, end)
    elif vr == "SQ":
        stop = _sequence_or_opaque(data, at, end, length, here, implicit, into)
    elif length == UNDEFINED or length % 2 or at + length > end:
        raise MalformedError(f"length {length} of {tag:08x}")
    else:
        stop = at + length
    value = b"" if vr == "SQ" else data[at:stop]
    found = Element(here, vr, start, length_at, length_bytes, at, stop, value, fragments)
    into.insert(slot, found)
    return stop


def _vr(data, start, tag, implicit) -> tuple[str, int, int]:
    if implicit:
        try:
            return dictionary_VR(tag)[:2], start + 4, 4
        except KeyError:
            return "UN", start + 4, 4
    vr = data[start + 4 : start + 6].decode("latin-1")
    if vr not in VRS:
        raise MalformedError(f"VR of {tag:08x}")
    return (vr, start + 8, 4) if vr in LONG_VRS else (vr, start + 6, 2)


def _sequence_or_opaque(data, at, end, length, path, implicit, into) -> int:
    """A sequence of stated length may be passed over; then nothing inside it says anything."""
    before = len(into)
    try:
        return _sequence(data, at, end, length, path, implicit, into)
    except MalformedError:
        if length == UNDEFINED or at + length > end:
            raise
        del into[before:]
        return at + length


def _sequence(data, at, end, length, path, implicit, into) -> int:
    if len(path) > 2 * MAX_DEPTH:
        raise MalformedError("nested too deep")
    stop = end if length == UNDEFINED else at + length
    if stop > end:
        raise MalformedError("a sequence beyond its data set")
    number = 0
    while at < stop:
        tag, size = _tag(data, at, stop), struct.unpack_from("<I", data, at + 4)[0]
        at += 8
        if tag == SEQUENCE_END and size == 0 and length == UNDEFINED:
            return at
        if tag != ITEM or (size != UNDEFINED and at + size > stop):
            raise MalformedError("no item")
        inside = (*path, number)
        if size == UNDEFINED:
            at = _data_set(data, at, stop, inside, implicit, into, ITEM_END)
        else:
            at = _data_set(data, at, at + size, inside, implicit, into, None)
        number += 1
    if length == UNDEFINED:
        raise MalformedError("a sequence without its end")
    return at


def _fragments(data, at, end) -> tuple[tuple[bytes, ...], int]:
    """Offset table and fragments of encapsulated pixels (PS3.5 A.4)."""
    found = []
    while True:
        tag, size = _tag(data, at, end), struct.unpack_from("<I", data, at + 4)[0]
        at += 8
        if tag == SEQUENCE_END and size == 0:
            return tuple(found), at
        if tag != ITEM or size % 2 or at + size > end:
            raise MalformedError("no fragment")
        found.append(data[at : at + size])
        at += size
