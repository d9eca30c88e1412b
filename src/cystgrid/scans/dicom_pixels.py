"""Stored values of one DICOM file.

Uncompressed pixels are read straight from their place in the file, frame by frame; compressed ones
are decoded by ``dicom_codecs``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_codecs import decoded
from cystgrid.scans.dicom_header import opened_data_set
from cystgrid.scans.dicom_pixel_description import PixelDescription
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, at_tag
from cystgrid.scans.settings import ReadLimits


def stored_values(
    pixels: PixelDescription, frames: Sequence[int], limits: ReadLimits
) -> Iterator[NDArray[Any]]:
    """Stored values of some frames, before any rescaling, one frame at a time.

    Returns:
        ``(rows, columns)`` integers for each of ``frames`` (counted from 0), MONOCHROME1 already
        turned to MONOCHROME2's sense within the range of ``BitsStored``.

    Raises:
        ScanError: the file is cut short, cannot be decoded, or holds values beyond ``BitsStored``.
    """
    with opened_data_set(pixels.path, pixels.meta, limits) as stream:
        stream.seek(pixels.at)
        read = decoded if pixels.compressed else _uncompressed
        for stored in read(stream, pixels, frames):
            yield _within_bits(stored, pixels)


def _uncompressed(
    stream: BinaryIO, pixels: PixelDescription, frames: Sequence[int]
) -> Iterator[NDArray[Any]]:
    order = ">" if pixels.syntax == ExplicitVRBigEndian else "<"
    kind = np.dtype(f"{order}{'i' if pixels.signed else 'u'}{pixels.bits_allocated // 8}")
    count = pixels.rows * pixels.columns
    size = count * kind.itemsize
    for frame in frames:
        stream.seek(pixels.at + frame * size)
        content = stream.read(size)
        if len(content) < size:
            raise ScanError(
                at_tag(pixels.path, "PixelData"),
                got=f"{len(content)} of {size} bytes of an image",
                expected="a whole image",
                do=EXPORT_AGAIN,
            )
        yield np.frombuffer(content, dtype=kind).reshape(pixels.rows, pixels.columns)


def _within_bits(stored: NDArray[Any], pixels: PixelDescription) -> NDArray[Any]:
    """Refuse values beyond ``BitsStored``; mend signs and MONOCHROME1."""
    low, high = pixels.range
    least, most = stored.min(), stored.max()
    if low < 0 <= least and high < most <= high - low:
        # no sign extension: the unused bits of a negative value are zero, as PS3.5 8.1.1 allows
        stored = stored.astype(np.int64)
        stored = np.where(stored > high, stored - (high - low + 1), stored)
    elif least < low or most > high:
        raise ScanError(
            at_tag(pixels.path, "BitsStored"),
            got=f"stored values from {least} to {most}",
            expected=f"{low} to {high}",
            do=EXPORT_AGAIN,
        )
    return (low + high) - stored.astype(np.int64) if pixels.inverted else stored
