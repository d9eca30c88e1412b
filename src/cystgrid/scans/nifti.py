"""Strict NIfTI in, deterministic NIfTI out.

nibabel parses the header and turns quaternions into matrices; the bytes are read here, because a
reader that stops at the last voxel never checks a gzip stream's CRC, and one that trusts ``dim``
allocates whatever a damaged header asks for.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from numpy.typing import DTypeLike, NDArray

from cystgrid.errors import ScanError, path_text
from cystgrid.provenance import write_bytes
from cystgrid.scans.gzip_stream import MAGIC as GZIP_MAGIC
from cystgrid.scans.gzip_stream import GzipStream
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

MAX_EXTENSIONS = 1000
"""Header extensions of one file: no software writes more than a few; a compressed file can hold
millions of empty ones."""

EXACT_INTEGERS = 2**24
"""Integers up to here are exact in float32."""

LONGEST_DESCRIPTION = 79
"""Of a header's 80 bytes, the last is 0 (NIfTI-1.1)."""

COMPRESSION_LEVEL = 4
"""About the size of gzip's usual level 6 for MR, in half the time."""

Stream = BinaryIO | GzipStream
"""What the bytes come from; ``read`` gives fewer than asked for only at the end."""


def read_nifti(path: Path, volume: int | None, settings: ReadSettings) -> Volume:
    """Read one 3-D scan, its axes as they are stored.

    A 4-D file's other volumes are read over, so that its size and its checksum are checked too.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.
        volume: which volume of a 4-D file, counted from 0; None where there is only one.
        settings: its limits on voxels and bytes are checked before anything is allocated.

    Returns:
        The scan, scaled by ``scl_slope`` and ``scl_inter``; NaN and infinities as they are stored.

    Raises:
        ScanError: the file is damaged (including a gzip CRC that does not match), longer or shorter
            than its header says, holds no such volume or several of which none is chosen, or is
            not placed in space with certainty.
    """
    where = path_text(path)
    packed = path.name.lower().endswith(".gz")
    try:
        size = _file_size(path, settings.limits)
        with path.open("rb") as file:
            _check_packing(file, packed, where)
            stream = GzipStream(file, where) if packed else file
            try:
                header = _read_header(stream, volume, settings, where)
                _check_size(header, size, packed, where)
                return _read_volume(stream, header, where)
            except ScanError:
                if isinstance(stream, GzipStream):
                    stream.check()  # a damaged stream explains any strange content
                raise
    except OSError as error:
        raise ScanError(
            where,
            got=f"a file that cannot be read ({error.strerror or type(error).__name__})",
            expected="a readable file",
            do="check its permissions and its disk, or copy the file again",
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


def _check_packing(file: BinaryIO, packed: bool, where: str) -> None:
    """Hold a file's name against its first bytes, and go back before them."""
    found = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    if found and not packed:
        raise ScanError(
            where,
            got="a file compressed by gzip whose name does not say so",
            expected="plain NIfTI, or a name that ends in .nii.gz",
            do="rename it to end in .nii.gz",
        )
    if packed and not found:
        raise ScanError(
            where,
            got="a file that gzip has not compressed",
            expected="gzip, as its name says",
            do="rename it to end in .nii if it is plain NIfTI, or copy the file again",
        )


def _read_header(
    stream: Stream, volume: int | None, settings: ReadSettings, where: str
) -> NiftiHeader:
    start = stream.read(SIZE_FIELD_BYTES)
    version, order = detect_version(start, where)
    rest = HEADER_BYTES[version] + EXTENSION_FLAG_BYTES - len(start)
    block = start + _read_exactly(stream, rest, where)
    return parse_header(block, version, order, where, volume=volume, settings=settings)


def _read_volume(stream: Stream, header: NiftiHeader, where: str) -> Volume:
    """The chosen volume; the stream stands behind the header, and is read to its end."""
    _skip_extensions(stream, header, where)
    _skip(stream, header.volume * header.volume_bytes, where)
    flat, notes = _read_voxels(stream, header, where)
    _skip(stream, (header.volumes - header.volume - 1) * header.volume_bytes, where)
    if stream.read(1):  # this read is also what makes a gzip stream compare its CRC
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


def _read_exactly(stream: Stream, count: int, where: str) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise ScanError(
            where,
            got="a file that ends too early",
            expected=f"{count - len(found)} more bytes at least",
            do="the file is cut short: copy it again",
        )
    return found


def _skip(stream: Stream, count: int, where: str) -> None:
    """Read over ``count`` bytes in pieces: a header may claim any number of them."""
    for first in range(0, count, PIECE):
        _read_exactly(stream, min(PIECE, count - first), where)


def _skip_extensions(stream: Stream, header: NiftiHeader, where: str) -> None:
    """Walk over the blocks of other software; their content never matters, their sizes do."""
    at, count = header.extensions_at, 0
    while header.has_extensions and header.offset - at >= EXTENSION_ALIGNMENT:
        size = int(np.frombuffer(_read_exactly(stream, 4, where), f"{header.byte_order}i4")[0])
        count += 1
        if size % EXTENSION_ALIGNMENT or not 0 < size <= header.offset - at:
            raise ScanError(
                f"{where}: header extension at byte {at}",
                got=f"a size of {size}",
                expected=f"a multiple of 16 that ends before the voxels at {header.offset}",
                do="write the scan again without extensions",
            )
        if count > MAX_EXTENSIONS:
            raise ScanError(
                f"{where}: header extension at byte {at}",
                got=f"more than {MAX_EXTENSIONS} of them",
                expected=f"at most {MAX_EXTENSIONS}",
                do="write the scan again without extensions",
            )
        _skip(stream, size - 4, where)
        at += size
    _skip(stream, header.offset - at, where)


def _read_voxels(stream: Stream, header: NiftiHeader, where: str) -> tuple[Array, tuple[str, ...]]:
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
    if header.slope is None and stored.dtype.kind == "f" and stored.dtype.itemsize == 4:
        native = stored.astype(np.float32)
        check_magnitude(native, where)
        return native
    with np.errstate(invalid="ignore"):  # infinities are counted later
        values = stored.astype(np.float64)
        if header.slope is not None:
            values = values * header.slope + header.intercept
    check_magnitude(values, where)
    return values


def write_nifti(
    volume: Volume, path: Path, dtype: DTypeLike = np.float32, description: str = ""
) -> None:
    """Write a scan as NIfTI-1 with qform and sform, code 1 (scanner), in mm.

    The same scan gives the same bytes; a reader sees the old file or the whole new one.

    Args:
        volume: the scan; its axes are written as they are.
        path: ends in ``.nii`` or ``.nii.gz``.
        dtype: type of a stored voxel; no scale factor is written.
        description: for the header's ``descrip``, at most 79 characters of ASCII.

    Raises:
        ValueError: ``dtype`` cannot hold the voxels exactly, ``path`` has another suffix, or the
            description is too long.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise ValueError(f"{path.name} ends in none of {', '.join(SUFFIXES)}")
    if len(description.encode("ascii")) > LONGEST_DESCRIPTION:
        raise ValueError(f"a description of {len(description)} characters")
    stored = volume.voxels.astype(dtype)
    if not np.array_equal(stored.astype(np.float32), volume.voxels):
        raise ValueError(f"{np.dtype(dtype).name} cannot hold the voxels of {path.name}")
    image = nib.Nifti1Image(stored, volume.affine)
    image.set_qform(volume.affine, code=1)
    image.set_sform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode("ascii")
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
