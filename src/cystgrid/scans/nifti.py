"""Strict NIfTI in, deterministic NIfTI out.

nibabel parses the header and turns quaternions into matrices; the bytes are read here, because a
reader that stops at the last voxel never checks a gzip stream's CRC, and one that trusts ``dim``
allocates whatever a damaged header asks for.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from numpy.typing import DTypeLike, NDArray

from cystgrid.errors import ScanError
from cystgrid.provenance import write_bytes
from cystgrid.scans.intensities import check_magnitude
from cystgrid.scans.nifti_header import (
    EXTENSION_FLAG_BYTES,
    HEADER_BYTES,
    SIZE_FIELD_BYTES,
    NiftiHeader,
    detect_version,
    parse_header,
)
from cystgrid.scans.settings import ReadLimits, ReadSettings
from cystgrid.scans.volume import Array, Volume

SUFFIXES = (".nii", ".nii.gz")
MAX_DEFLATE_RATIO = 1032
"""No deflate stream grows more than this (zlib's technical notes, "Maximum Compression Factor")."""

PIECE = 2**20
"""Voxels converted, or bytes skipped, at a time, so that memory holds the float32 result and little
more."""

EXTENSION_ALIGNMENT = 16
"""The size of a header extension is a multiple of it (NIfTI-1.1)."""

EXACT_INTEGERS = 2**24
"""Integers up to here are exact in float32."""

COMPRESSION_LEVEL = 4
"""About the size of gzip's usual level 6 for MR, in half the time."""


def read_nifti(path: Path, volume: int | None, settings: ReadSettings) -> Volume:
    """Read one 3-D scan, its axes as they are stored.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.
        volume: which volume of a 4-D file, counted from 0; None where there is only one.
        settings: its limits on voxels and bytes are checked before anything is allocated.

    Returns:
        The scan, scaled by ``scl_slope`` and ``scl_inter``; NaN and infinities as they are stored.

    Raises:
        ScanError: the file is damaged (including a gzip CRC that does not match), longer or shorter
            than its header says, not one real 3-D volume, or not placed in space with certainty.
    """
    limits = settings.limits
    packed = path.name.lower().endswith(".gz")
    try:
        size = _file_size(path, limits)
        with gzip.open(path) if packed else path.open("rb") as stream:
            return _read_stream(stream, path, size, packed, limits)
    except (OSError, EOFError, zlib.error) as error:
        raise ScanError(
            path,
            got=f"a damaged or unreadable file ({error})",
            expected="a whole gzip stream whose CRC matches" if packed else "a readable file",
            do="copy or download the file again",
        ) from error


def _file_size(path: Path, limits: ReadLimits) -> int:
    if not path.is_file():
        raise ScanError(path, got="no such file", expected="a NIfTI file", do="check the path")
    size = path.stat().st_size
    if not 0 < size <= limits.max_file_bytes:
        raise ScanError(
            path,
            got="an empty file" if size == 0 else f"{size} bytes",
            expected=f"1 to {limits.max_file_bytes} bytes",
            do="copy the file again, or raise max_file_bytes",
        )
    return size


def _read_stream(stream: Any, path: Path, size: int, packed: bool, limits: ReadLimits) -> Volume:
    where = str(path)
    start = stream.read(SIZE_FIELD_BYTES)
    version, order = detect_version(start, where)
    rest = HEADER_BYTES[version] + EXTENSION_FLAG_BYTES - len(start)
    block = start + _read_exactly(stream, rest, where)
    header = parse_header(block, version, order, where, limits)
    _check_size(header, size, packed, where)
    _skip_extensions(stream, header, len(block), where)
    flat, notes = _read_voxels(stream, header, where)
    if stream.read(1):  # this read is also what makes gzip compare its CRC
        raise ScanError(
            where,
            got=f"bytes after the {header.total_bytes} that the header accounts for",
            expected="none",
            do="copy or convert the scan again",
        )
    voxels = flat.reshape(header.shape, order="F")
    return Volume(voxels, header.affine, where, header.notes + notes)


def _check_size(header: NiftiHeader, size: int, packed: bool, where: str) -> None:
    possible = MAX_DEFLATE_RATIO * size if packed else size
    if header.total_bytes > possible:
        raise ScanError(
            where,
            got=f"{size} bytes" + (" of gzip" if packed else ""),
            expected=f"room for the {header.total_bytes} bytes that the header promises",
            do="the file is cut short or its header is wrong: copy it again",
        )


def _read_exactly(stream: BinaryIO, count: int, where: str) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise ScanError(
            where,
            got="a file that ends too early",
            expected=f"{count - len(found)} more bytes at least",
            do="the file is cut short: copy it again",
        )
    return found


def _skip(stream: BinaryIO, count: int, where: str) -> None:
    """Read over ``count`` bytes in pieces: a header may claim any number of them."""
    for first in range(0, count, PIECE):
        _read_exactly(stream, min(PIECE, count - first), where)


def _skip_extensions(stream: BinaryIO, header: NiftiHeader, at: int, where: str) -> None:
    """Walk over the blocks of other software; their content never matters, their sizes do."""
    while header.has_extensions and header.offset - at >= EXTENSION_ALIGNMENT:
        size = int(np.frombuffer(_read_exactly(stream, 4, where), f"{header.byte_order}i4")[0])
        if size % EXTENSION_ALIGNMENT or not 0 < size <= header.offset - at:
            raise ScanError(
                f"{where}: header extension at byte {at}",
                got=f"a size of {size}",
                expected=f"a multiple of 16 that ends before the voxels at {header.offset}",
                do="write the scan again without extensions",
            )
        _skip(stream, size - 4, where)
        at += size
    _skip(stream, header.offset - at, where)


def _read_voxels(
    stream: BinaryIO, header: NiftiHeader, where: str
) -> tuple[Array, tuple[str, ...]]:
    flat = np.empty(header.voxel_count, dtype=np.float32)
    rounded = False
    for first in range(0, flat.size, PIECE):
        count = min(PIECE, flat.size - first)
        stored = np.frombuffer(
            _read_exactly(stream, count * header.dtype.itemsize, where), header.dtype
        )
        if stored.dtype.kind in "iu" and stored.dtype.itemsize >= 4:
            rounded |= bool((stored > EXACT_INTEGERS).any() or (stored < -EXACT_INTEGERS).any())
        flat[first : first + count] = _scaled(stored, header, where)
    if rounded:
        return flat, (f"Integers beyond {EXACT_INTEGERS} were rounded to float32.",)
    return flat, ()


def _scaled(stored: NDArray[Any], header: NiftiHeader, where: str) -> NDArray[np.float64] | Array:
    if header.slope is None and stored.dtype.itemsize <= 2:
        return stored.astype(np.float32)
    with np.errstate(invalid="ignore"):  # infinities are counted later
        values = stored.astype(np.float64)
        if header.slope is not None:
            values = values * header.slope + header.intercept
    check_magnitude(values, where)
    return values


def write_nifti(volume: Volume, path: Path, dtype: DTypeLike = np.float32) -> None:
    """Write a scan as NIfTI-1 with qform and sform, code 1 (scanner), in mm.

    The same scan gives the same bytes; a reader sees the old file or the whole new one.

    Args:
        volume: the scan; its axes are written as they are.
        path: ends in ``.nii`` or ``.nii.gz``.
        dtype: type of a stored voxel; no scale factor is written.

    Raises:
        ValueError: ``dtype`` cannot hold the voxels exactly, or ``path`` has another suffix.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise ValueError(f"{path.name} ends in none of {', '.join(SUFFIXES)}")
    stored = volume.voxels.astype(dtype)
    if not np.array_equal(stored.astype(np.float32), volume.voxels):
        raise ValueError(f"{np.dtype(dtype).name} cannot hold the voxels of {path.name}")
    image = nib.Nifti1Image(stored, volume.affine)
    image.set_qform(volume.affine, code=1)
    image.set_sform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    write_bytes(path, _gzipped(content) if path.name.lower().endswith(".gz") else content)


def _gzipped(content: bytes) -> bytes:
    """Compress without a file name or a time, so that equal content gives equal bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(
        filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=packed, mtime=0
    ) as stream:
        stream.write(content)
    return packed.getvalue()
