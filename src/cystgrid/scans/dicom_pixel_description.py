"""Where a file's stored values are and how they are stored, before any of them is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom_header import FileMeta, Header
from cystgrid.scans.dicom_syntaxes import LOSSY_SYNTAXES, UNCOMPRESSED, check_syntax
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, at_tag, integer, tag_name, text
from cystgrid.scans.settings import ReadLimits

MAX_SIDE = 2**16 - 1
"""``Rows`` and ``Columns`` are 16-bit."""

BITS_ALLOCATED = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """Where a file's stored values are and how they are stored (PS3.3 C.7.6.3).

    Attributes:
        path: the file.
        meta: what the file says of itself.
        at: first byte of the value of PixelData, counted as in ``Header``.
        rows, columns, frames: how many.
        bits_allocated: of each value in the file.
        bits_stored: of these, the bits that count, the lowest ones.
        signed: whether values are in two's complement.
        inverted: whether the lowest value is the brightest, as in MONOCHROME1.
        lossy: whether the image says that it was compressed with loss.
        excess: bytes beyond the last frame.
    """

    path: Path
    meta: FileMeta
    at: int
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool
    lossy: bool
    excess: int

    @property
    def syntax(self) -> UID:
        """Transfer syntax."""
        return self.meta.syntax

    @property
    def compressed(self) -> bool:
        """Whether the value of PixelData is made of encapsulated fragments (PS3.5 A.4)."""
        return self.meta.syntax not in UNCOMPRESSED

    @property
    def range(self) -> tuple[int, int]:
        """Lowest and highest value that ``bits_stored`` can hold."""
        half = 2 ** (self.bits_stored - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was flagged or is fixed while reading."""
        flags = {
            f"{self.excess} bytes beyond the declared pixels were ignored.": self.excess > 0,
            "MONOCHROME1 was turned to MONOCHROME2, bright stays bright.": self.inverted,
            "The images were compressed with loss before they were stored.": self.lossy,
        }
        return tuple(note for note, holds in flags.items() if holds)


def describe_pixels(header: Header, limits: ReadLimits) -> PixelDescription:
    """The description of a file's pixels, checked against the file; no pixel is read.

    Raises:
        ScanError: no or too few pixels, one image of more than ``max_voxels``, more than one
            sample a pixel, impossible bit depths, or a transfer syntax that no decoder reads.
    """
    elements, path = header.elements, header.path
    frames = integer(elements, "NumberOfFrames", path, 1, limits.max_voxels, default=1)
    rows = integer(elements, "Rows", path, 1, MAX_SIDE)
    columns = integer(elements, "Columns", path, 1, MAX_SIDE)
    if rows * columns > limits.max_voxels:
        raise ScanError(
            f"{path_text(path)}: {tag_name('Rows')}, Columns",
            got=f"{rows} x {columns} pixels",
            expected=f"at most {limits.max_voxels}",
            do="check the file, or raise max_voxels",
        )
    allocated, stored, signed = _bits(elements, path)
    inverted = _is_inverted(elements, path)
    if header.pixels_at is None:
        raise ScanError(
            at_tag(path, "PixelData"), got="nothing", expected="an image", do=EXPORT_AGAIN
        )
    syntax = header.meta.syntax
    if syntax not in UNCOMPRESSED:
        check_syntax(syntax, path)
        excess = 0
    else:
        excess = _excess(header, rows * columns * frames * allocated // 8, allocated)
    return PixelDescription(
        path=path,
        meta=header.meta,
        at=header.pixels_at,
        rows=rows,
        columns=columns,
        frames=frames,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed,
        inverted=inverted,
        lossy=syntax in LOSSY_SYNTAXES or text(elements, "LossyImageCompression", path) == "01",
        excess=excess,
    )


def _bits(elements: Dataset, path: Path) -> tuple[int, int, bool]:
    """Bits allocated and stored, and whether values are signed."""
    integer(elements, "SamplesPerPixel", path, 1, 1)
    allocated = integer(elements, "BitsAllocated", path, 8, 32)
    stored = integer(elements, "BitsStored", path, 1, allocated)
    integer(elements, "HighBit", path, stored - 1, stored - 1)
    signed = integer(elements, "PixelRepresentation", path, 0, 1)
    if allocated not in BITS_ALLOCATED:
        raise ScanError(
            at_tag(path, "BitsAllocated"), got=allocated, expected="8, 16 or 32", do=EXPORT_AGAIN
        )
    return allocated, stored, bool(signed)


def _is_inverted(elements: Dataset, path: Path) -> bool:
    kind = text(elements, "PhotometricInterpretation", path)
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise ScanError(
            at_tag(path, "PhotometricInterpretation"),
            got="colour, or nothing",
            expected="MONOCHROME1 or MONOCHROME2",
            do="give the series of grey images",
        )
    return kind == "MONOCHROME1"


def _excess(header: Header, expected: int, bits_allocated: int) -> int:
    """Bytes beyond the uncompressed pixels, apart from padding to an even length."""
    found = header.pixel_bytes
    if found is None or found < expected:
        raise ScanError(
            at_tag(header.path, "PixelData"),
            got="encapsulated pixels" if found is None else f"{found} bytes",
            expected=f"{expected} bytes",
            do="the file is cut short or its Rows and Columns are wrong: export it again",
        )
    if bits_allocated == 8 and header.meta.syntax == ExplicitVRBigEndian:
        raise ScanError(
            at_tag(header.path, "BitsAllocated"),
            got="8 bits in a big-endian file, whose bytes may or may not be swapped",
            expected="a little-endian file",
            do="convert it first, with `dcmconv +te` of DCMTK for instance",
        )
    return found - expected if found > expected + expected % 2 else 0
