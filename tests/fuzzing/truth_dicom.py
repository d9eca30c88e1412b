"""Which statements of DICOM files a damage has touched.

DICOM has no checksum. The values of ``STATES`` ARE the scan where they are legal and agree
throughout a series. A slice at an end of the stack may be absent or belong to another series:
nothing in the rest says how many there were.
"""

from __future__ import annotations

from dicom_stated import is_image
from dicom_walk import PIXEL_DATA, Element, MalformedError, inflated, walk
from fuzz_seeds import Files

STATES = {
    0x00200032: "ImagePositionPatient", 0x00200037: "ImageOrientationPatient",
    0x00280030: "PixelSpacing", 0x00281052: "RescaleIntercept", 0x00281053: "RescaleSlope",
    0x00280004: "PhotometricInterpretation", 0x00280010: "Rows, Columns",
    0x00280011: "Rows, Columns", 0x00280100: "bit depth", 0x00280101: "bit depth",
    0x00280102: "bit depth", 0x00280103: "PixelRepresentation", 0x7FE00010: "PixelData",
    0x00080016: "SOPClassUID", 0x0020000E: "SeriesInstanceUID",
    0x00180088: "depth of a single slice", 0x00180050: "depth of a single slice",
}  # fmt: skip
"""Elements that state the scan, by the name of the class that is counted."""

SYNTAX = 0x00020010
TELLING = frozenset((*STATES, SYNTAX, 0x00280002, 0x00280008, 0x00283000))
"""Beside them: elements that change the reading, and have no other value that could be meant."""

DEPTHS = (0x00180088, 0x00180050)
"""SpacingBetweenSlices and SliceThickness: they matter to a slice that is alone."""

PADDED = ("UI", "CS", "DS", "IS")
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")


def touched(original: Files, damaged: Files, series: str) -> set[str]:
    """Which statements differ; ``MalformedError`` where anything else that matters does."""
    names: set[str] = set()
    alone = len(original) == 1 and (0x00280008,) not in _telling(*original.values())
    ignored = () if alone else DEPTHS
    for before, after in _pairs(original, damaged, series):
        if after is None:
            names.add("slice absent")
            continue
        one, other = _telling(before, ignored), _telling(after, ignored)
        if one.keys() != other.keys():
            raise MalformedError("an element that matters came or went")
        for path in one:
            if one[path] != other[path]:
                if path[-1] not in STATES or one[path][0] != other[path][0]:
                    raise MalformedError(f"{path[-1]:08x} or its VR changed")
                packed = path[-1] == PIXEL_DATA and _is_packed(after)
                names.add("PixelData, compressed" if packed else STATES[path[-1]])
    return names


def _is_packed(data: bytes) -> bool:
    """Whether pixels are compressed, or the whole data set is deflated."""
    (syntax,) = [
        e.value.decode("latin-1").rstrip("\0") for e in walk(inflated(data)) if e.tag == SYNTAX
    ]
    return syntax not in UNCOMPRESSED


def _pairs(original: Files, damaged: Files, series: str) -> list[tuple[bytes, bytes | None]]:
    """Each file of the seed that changed, and what became of it: by name, or by its own UID."""
    left = dict(damaged)
    changed = []
    for name, data in original.items():
        same = next((other for other, content in left.items() if content == data), None)
        if same is None:
            changed.append(name)
        else:
            del left[same]
    pairs: list[tuple[bytes, bytes | None]] = []
    for name in changed:
        heirs = [name] if name in left and is_image(left[name]) else []
        heirs += [other for other in left if _instance(left[other]) == _instance(original[name])]
        heir = left.pop(heirs[0]) if heirs else None
        pairs.append((original[name], heir))
    if any(is_image(data) and _belongs(data, series) for data in left.values()):
        raise MalformedError("a further image")
    return pairs


def _belongs(data: bytes, series: str) -> bool:
    if not series:
        return True
    values = {element.path: element.value for element in walk(inflated(data))}
    return values.get((0x0020000E,), b"").decode("latin-1").rstrip("\0 ") == series


def _instance(data: bytes) -> bytes:
    try:
        return next(e.value for e in walk(inflated(data)) if e.path == (0x00080018,))
    except (MalformedError, StopIteration):
        return b"" if is_image(data) else b"no image"


def _telling(
    data: bytes, ignored: tuple[int, ...] = ()
) -> dict[tuple[int, ...], tuple[str, bytes]]:
    found = [e for e in walk(inflated(data)) if e.tag in TELLING and e.tag not in ignored]
    if len({element.path for element in found}) < len(found):
        raise MalformedError("an element that matters twice")
    return {element.path: (element.vr, _unpadded(element)) for element in found}


def _unpadded(element: Element) -> bytes:
    """Text is compared without its padding, which many writers get wrong (PS3.5 6.2)."""
    return element.value.rstrip(b"\0 ") if element.vr in PADDED else element.value
