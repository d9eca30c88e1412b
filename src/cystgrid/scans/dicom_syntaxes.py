"""Compressed transfer syntaxes: which are read, and what decodes them."""

from __future__ import annotations

from pathlib import Path

from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_tags import at_tag

UNCOMPRESSED = frozenset((
    ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
))  # fmt: skip

JPEG_LOSSLESS_FAMILY = (JPEGLossless, JPEGLosslessSV1)
"""Decoded by ``jpeg_lossless``."""

JPEG_FAMILY = (
    *JPEG_LOSSLESS_FAMILY, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSLossless, JPEGLSNearLossless,
)  # fmt: skip
JPEG_2000_FAMILY = (JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)

DECODERS = {
    RLELossless: ("pydicom", "pydicom"),
    **dict.fromkeys((JPEGBaseline8Bit, JPEGExtended12Bit), ("pillow", "pillow")),
    **dict.fromkeys((JPEGLSLossless, JPEGLSNearLossless), ("pyjpegls", "pyjpegls")),
    **dict.fromkeys(JPEG_2000_FAMILY, ("pylibjpeg", "pylibjpeg pylibjpeg-openjpeg")),
}
"""For the other compressed syntaxes, pydicom's one name of the decoder and the packages to install;
all are permissively licensed. One decoder each: the same file gives the same voxels everywhere, and
none is tried that reads a damaged image as if it were whole, or ends the program on it, as gdcm
does with lossless JPEG."""

READ = frozenset((*UNCOMPRESSED, *JPEG_LOSSLESS_FAMILY, *DECODERS))
"""Every transfer syntax that is read, where its decoder is installed."""

LOSSY_SYNTAXES = frozenset((JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless))
"""Never without loss. JPEG 2000 may be; LossyImageCompression tells."""


def check_syntax(syntax: UID, path: Path) -> None:
    """Refuse by name a compressed transfer syntax that nothing installed decodes."""
    if syntax in JPEG_LOSSLESS_FAMILY:
        return
    decoder, packages = DECODERS.get(syntax, ("", ""))
    if decoder and decoder in get_decoder(syntax).available_plugins:
        return
    raise ScanError(
        at_tag(path, "TransferSyntaxUID"),
        got=f"{syntax} ({syntax.name}), which no installed decoder reads",
        expected="uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000 pixels",
        do=f"install its decoder, `pip install {packages}`"
        if packages
        else "convert it first, with `gdcmconv --raw` or `dcmdjpeg` for instance",
    )
