"""Inflating of deflated data sets (PS3.5 A.5), never beyond a limit.

A megabyte of such a file can stand for a gigabyte, so it is inflated in pieces and given up as soon
as the limit is passed. pydicom would inflate it whole.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_tags import EXPORT_AGAIN
from cystgrid.scans.settings import ReadLimits

DEFLATED_BYTES, INFLATED_BYTES = 2**16, 2**20
"""Sizes of the pieces that are read and made."""

PADDING = b"\0"
"""May follow, for an even length."""

MAX_BYTES_A_VOXEL, MAX_HEADER_BYTES = 4, 2**26
"""No image that may be read needs more: its voxels, and far larger a header than any is."""


def inflate(stream: BinaryIO, path: Path, limits: ReadLimits) -> BytesIO:
    """The data set that ``stream`` holds from here to its end, explicit VR little endian.

    Raises:
        ScanError: it is no deflated stream or ends too early, bytes follow it, or it holds more
            than ``max_inflated_bytes``, or than an image of ``max_voxels`` can need.
    """
    most = min(limits.max_inflated_bytes, MAX_BYTES_A_VOXEL * limits.max_voxels + MAX_HEADER_BYTES)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = BytesIO()
    while not inflater.eof:
        deflated = inflater.unconsumed_tail or stream.read(DEFLATED_BYTES)
        try:
            size = inflated.tell() + inflated.write(inflater.decompress(deflated, INFLATED_BYTES))
        except zlib.error as error:
            raise _broken(path, "a deflated data set that is damaged") from error
        if size > most:
            raise ScanError(
                path,
                got=f"a deflated data set of more than {most} bytes",
                expected=f"at most {most} bytes once inflated",
                do="check where the file comes from, or raise max_inflated_bytes or max_voxels",
            )
        if not deflated and not inflater.eof:
            raise _broken(path, "a deflated data set that ends too early")
    if inflater.unused_data + stream.read(len(PADDING) + 1) not in (b"", PADDING):
        raise _broken(path, "bytes after the end of the deflated data set")
    inflated.seek(0)
    return inflated


def _broken(path: Path, got: str) -> ScanError:
    return ScanError(path, got=got, expected="one whole deflated data set", do=EXPORT_AGAIN)
