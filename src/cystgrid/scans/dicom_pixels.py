"""Stored values of one DICOM file, decoded once its description is known to make sense."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_tags import as_uid, integer, read_dataset, tag_name, text, value

BITS_ALLOCATED = (8, 16, 32)
_COPY = "export the series from the archive again"


def read_stored(path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Stored values of a file, before any rescaling.

    Returns:
        ``(frames, rows, columns)`` integers, MONOCHROME1 already turned to MONOCHROME2's sense
        within the range of ``BitsStored``; and notes.

    Raises:
        ScanError: no or too few pixels, more than one sample a pixel, impossible bit depths, or a
            transfer syntax that no installed decoder reads.
    """
    dataset = read_dataset(path)
    low, high = _stored_range(dataset, path)
    inverted = _is_inverted(dataset, path)
    if value(dataset, "PixelData", path) is None:
        raise ScanError(
            f"{path}: {tag_name('PixelData')}", got="nothing", expected="an image", do=_COPY
        )
    syntax = _check_syntax(dataset, path)
    notes = () if syntax.is_compressed else _check_length(dataset, path)
    stored = _decode(dataset, path, syntax)
    if low < 0 and stored.min() >= 0 and high < stored.max() <= high - low:
        # no sign extension: the unused bits of a negative value are zero, as PS3.5 8.1.1 allows
        stored = stored.astype(np.int64)
        stored = np.where(stored > high, stored - (high - low + 1), stored)
    if stored.min() < low or stored.max() > high:
        raise ScanError(
            f"{path}: {tag_name('BitsStored')}",
            got=f"stored values from {stored.min()} to {stored.max()}",
            expected=f"{low} to {high}",
            do=_COPY,
        )
    if inverted:
        stored = (low + high) - stored.astype(np.int64)
        notes += ("MONOCHROME1 was turned to MONOCHROME2, bright stays bright.",)
    return stored, notes


def _stored_range(dataset: Dataset, path: Path) -> tuple[int, int]:
    integer(dataset, "SamplesPerPixel", path, 1, 1)
    allocated = integer(dataset, "BitsAllocated", path, 8, 32)
    stored = integer(dataset, "BitsStored", path, 1, allocated)
    integer(dataset, "HighBit", path, stored - 1, stored - 1)
    signed = integer(dataset, "PixelRepresentation", path, 0, 1)
    if allocated not in BITS_ALLOCATED:
        raise ScanError(
            f"{path}: {tag_name('BitsAllocated')}", got=allocated, expected="8, 16 or 32", do=_COPY
        )
    return (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)


def _is_inverted(dataset: Dataset, path: Path) -> bool:
    kind = text(dataset, "PhotometricInterpretation", path)
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise ScanError(
            f"{path}: {tag_name('PhotometricInterpretation')}",
            got="colour, or nothing",
            expected="MONOCHROME1 or MONOCHROME2",
            do="give the series of grey images",
        )
    return kind == "MONOCHROME1"


def _check_syntax(dataset: Dataset, path: Path) -> UID:
    """The transfer syntax, refused by name where nothing installed decodes it."""
    syntax = as_uid(text(dataset.file_meta, "TransferSyntaxUID", path))
    try:
        available = bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        available = False
    if not available:
        raise ScanError(
            f"{path}: {tag_name('TransferSyntaxUID')}",
            got=f"{syntax} ({syntax.name}), which no installed decoder reads"
            if syntax
            else "no UID",
            expected="uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000 pixels",
            do="convert it first, with `gdcmconv --raw` or `dcmdjpeg` for instance, or install a "
            "decoder: `pip install python-gdcm`",
        )
    return syntax


def _check_length(dataset: Dataset, path: Path) -> tuple[str, ...]:
    frames = integer(dataset, "NumberOfFrames", path, 1, 2**31, default=1)
    expected = frames * dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
    found = len(dataset.PixelData)
    if found < expected:
        raise ScanError(
            f"{path}: {tag_name('PixelData')}",
            got=f"{found} bytes",
            expected=f"{expected} bytes",
            do="the file is cut short or its Rows and Columns are wrong: export it again",
        )
    if found > expected + expected % 2:  # an odd length is padded to an even one (PS3.5 8.1.1)
        return (f"{found - expected} bytes beyond the declared pixels were ignored.",)
    return ()


def _decode(dataset: Dataset, path: Path, syntax: UID) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # bits beyond BitsStored stay as they are, to be looked at here, not masked away unseen
            options = {"raw": True, "correct_unused_bits": False}
            stored = np.asarray(pixel_array(dataset, **options))
    except Exception as error:
        raise ScanError(
            f"{path}: {tag_name('PixelData')}",
            got=f"pixels that cannot be decoded as {syntax.name} ({type(error).__name__})",
            expected="a whole image",
            do=_COPY,
        ) from error
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if stored.size % (rows * columns) or stored.shape[-2:] != (rows, columns):
        raise ScanError(
            f"{path}: {tag_name('PixelData')}",
            got=f"an image of {stored.shape}",
            expected=f"{rows} rows of {columns}",
            do=_COPY,
        )
    return stored.reshape(-1, rows, columns)
