"""Decoding of compressed pixels, frame by frame."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, RLELossless

from cystgrid.errors import ScanError
from cystgrid.quiet import quietly
from cystgrid.scans.dicom_codestream import CodedSize, jpeg_2000_size, jpeg_size
from cystgrid.scans.dicom_pixel_description import PixelDescription
from cystgrid.scans.dicom_rle import check_segments
from cystgrid.scans.dicom_syntaxes import (
    DECODERS,
    JPEG_2000_FAMILY,
    JPEG_FAMILY,
    JPEG_LOSSLESS_FAMILY,
)
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, at_tag
from cystgrid.scans.jpeg_lossless import decode as decode_lossless

SIZES: dict[UID, Callable[[bytes], CodedSize | None]] = {
    **dict.fromkeys(JPEG_FAMILY, jpeg_size),
    **dict.fromkeys(JPEG_2000_FAMILY, jpeg_2000_size),
}
"""Where a frame states its size; run-length encoding does not, and its runs are followed."""

DECODER_LOGGERS = (logging.getLogger("openjpeg"), logging.getLogger("pydicom"))
"""Where decoders complain of an image that they decode all the same: run lengths that go beyond
it, for instance."""


def decoded(
    stream: BinaryIO, pixels: PixelDescription, frames: Sequence[int]
) -> Iterator[NDArray[Any]]:
    """Stored values ``(rows, columns)`` of some frames, one by one.

    Args:
        stream: stands at the start of the value of PixelData.
        pixels: their description, of a syntax that ``check_syntax`` lets pass.
        frames: which, counted from 0.

    Raises:
        ScanError: an image states another size than the file, or cannot be decoded.
    """
    start = stream.tell()
    try:
        _check_sizes(stream, pixels)
        stream.seek(start)
        decode = _by_us if pixels.syntax in JPEG_LOSSLESS_FAMILY else _by_library
        yield from decode(stream, pixels, frames)
    except ScanError:
        raise
    except Exception as error:  # each codec fails in its own ways; their texts are not shown
        raise _broken(pixels, type(error).__name__) from error


def _by_us(
    stream: BinaryIO, pixels: PixelDescription, frames: Sequence[int]
) -> Iterator[NDArray[Any]]:
    """Lossless JPEG, which knows no signs: samples are two's complement of their precision."""
    coded = list(generate_frames(stream, number_of_frames=pixels.frames))
    for frame in frames:
        samples = decode_lossless(coded[frame])
        yield samples.view(np.int16) if pixels.signed else samples


def _by_library(
    stream: BinaryIO, pixels: PixelDescription, frames: Sequence[int]
) -> Iterator[NDArray[Any]]:
    found = get_decoder(pixels.syntax).iter_array(
        stream,
        indices=frames,
        raw=True,
        decoding_plugin=DECODERS[pixels.syntax][0],
        # bits beyond BitsStored stay as they are, to be looked at, not masked away unseen
        correct_unused_bits=False,
        transfer_syntax_uid=pixels.syntax,
        pixel_keyword="PixelData",
        rows=pixels.rows,
        columns=pixels.columns,
        number_of_frames=pixels.frames,
        samples_per_pixel=1,
        bits_allocated=pixels.bits_allocated,
        bits_stored=pixels.bits_stored,
        pixel_representation=int(pixels.signed),
        photometric_interpretation="MONOCHROME2",
    )
    for _ in frames:
        with _listening() as listener:
            image, _properties = next(found)
        if listener.heard or image.shape != (pixels.rows, pixels.columns):
            raise _broken(pixels, "damaged, or of another size")
        yield np.asarray(image)


class _Listener(logging.Handler):
    """Keeps count of warnings of the thread that made it: others decode other images."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread, self.heard = threading.get_ident(), 0

    def emit(self, record: logging.LogRecord) -> None:
        self.heard += record.thread == self.thread


@contextmanager
def _listening() -> Iterator[_Listener]:
    """To what a decoder says of an image that it decodes all the same: such an image is damaged."""
    listener = _Listener()
    for logger in DECODER_LOGGERS:
        logger.addHandler(listener)
    try:
        with quietly():
            yield listener
    finally:
        for logger in DECODER_LOGGERS:
            logger.removeHandler(listener)


def _check_sizes(stream: BinaryIO, pixels: PixelDescription) -> None:
    expected = CodedSize(pixels.rows, pixels.columns, components=1)
    for frame in generate_frames(stream, number_of_frames=pixels.frames):
        if pixels.syntax == RLELossless:
            check_segments(frame, pixels.rows * pixels.columns, pixels.bits_allocated // 8)
            continue
        size = SIZES[pixels.syntax](frame)
        if size != expected:
            raise _broken(
                pixels,
                f"{size.columns} x {size.rows} x {size.components} pixels in the image itself"
                if size
                else "no image header",
            )


def _broken(pixels: PixelDescription, cause: str) -> ScanError:
    return ScanError(
        at_tag(pixels.path, "PixelData"),
        got=f"pixels that cannot be decoded as {pixels.syntax.name} ({cause})",
        expected=f"a whole image of {pixels.columns} x {pixels.rows} pixels",
        do=EXPORT_AGAIN,
    )
