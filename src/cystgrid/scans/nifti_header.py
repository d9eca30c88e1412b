"""A NIfTI header, checked field by field before anything it promises is allocated or believed.

Fields and their meaning: NIfTI-1.1, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, and
NIfTI-2, https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

from cystgrid.errors import ScanError
from cystgrid.scans.intensities import MAX_MAGNITUDE
from cystgrid.scans.nifti_forms import read_affine
from cystgrid.scans.settings import ReadLimits, ReadSettings
from cystgrid.scans.volume import Affine

SIZE_FIELD_BYTES = 4
"""The header's own size comes first, and tells version and byte order."""

HEADER_BYTES = {1: 348, 2: 540}
MAGIC = {1: b"n+1\0", 2: b"n+2\0\r\n\x1a\n"}
MAGIC_AT = {1: 344, 2: 4}
EXTENSION_FLAG_BYTES = 4
"""Between the header and the first extension; so voxels begin at 352 or 544 at the earliest."""

VOXEL_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
    1024: "i8", 1280: "u8",
}  # fmt: skip
"""NIfTI ``datatype`` codes of one real number a voxel, as numpy types without byte order."""

MIN_SLOPE = 1e-18
"""A smaller factor is a broken one: the values would leave float32's range downwards."""

REFUSED_TYPES = {
    0: "unknown", 1: "1-bit", 32: "complex64", 128: "RGB", 255: "all", 1536: "float128",
    1792: "complex128", 2048: "complex256", 2304: "RGBA",
}  # fmt: skip


@dataclass(frozen=True)
class NiftiHeader:
    """What a header says, once it is known to make sense.

    Attributes:
        shape: voxels of one volume along ``(i, j, k)``.
        volumes: how many volumes of that shape lie one after another.
        volume: which of them is meant, counted from 0.
        dtype: type and byte order of a stored voxel.
        extensions_at: byte at which extensions may begin.
        offset: byte at which the voxels begin; the header's extensions lie before it.
        slope: factor from stored to true values, ``None`` where values are stored as they are.
        intercept: added after ``slope``.
        affine: ``(4, 4)``, voxel centres to mm, RAS+.
        byte_order: ``"<"`` or ``">"``.
        has_extensions: whether blocks of other software lie between header and voxels.
        notes: what was assumed or ignored.
    """

    shape: tuple[int, int, int]
    volumes: int
    volume: int
    dtype: np.dtype[Any]
    extensions_at: int
    offset: int
    slope: float | None
    intercept: float
    affine: Affine
    byte_order: str
    has_extensions: bool
    notes: tuple[str, ...]

    @property
    def voxel_count(self) -> int:
        """Number of voxels of one volume."""
        return math.prod(self.shape)

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume as it is stored."""
        return self.voxel_count * self.dtype.itemsize

    @property
    def total_bytes(self) -> int:
        """Bytes of the whole uncompressed file."""
        return self.offset + self.volumes * self.volume_bytes


def detect_version(start: bytes, where: str) -> tuple[int, str]:
    """NIfTI version (1 or 2) and byte order (``"<"`` or ``">"``) from a file's first 4 bytes.

    Raises:
        ScanError: no NIfTI begins like this.
    """
    for version, size in HEADER_BYTES.items():
        for order in ("<", ">"):
            if start == np.array(size, f"{order}i4").tobytes():
                return version, order
    raise ScanError(
        where,
        got="a file that does not begin like NIfTI",
        expected="a NIfTI-1 or NIfTI-2 file",
        do="give a .nii or .nii.gz file, or a DICOM folder",
    )


def _check_magic(block: bytes, version: int, where: str) -> None:
    at, magic = MAGIC_AT[version], MAGIC[version]
    found = block[at : at + len(magic)]
    if found == magic:
        return
    pair = found.startswith((b"ni1", b"ni2"))
    raise ScanError(
        f"{where}: magic",
        got="half of a .hdr/.img pair" if pair else f"the bytes {found.hex(' ')}",
        expected=f"{magic.hex(' ')}, one file with header and voxels",
        do="convert the scan to a single .nii or .nii.gz file",
    )


def parse_header(
    block: bytes,
    version: int,
    order: str,
    where: str,
    *,
    volume: int | None,
    settings: ReadSettings,
) -> NiftiHeader:
    """Check every field that matters of a header.

    Args:
        block: the header's 348 or 540 bytes and the 4 bytes of the extension flag.
        version: 1 or 2.
        order: ``"<"`` or ``">"``.
        where: the file, for messages.
        volume: which volume is meant, counted from 0; None where there is only one.
        settings: bounds on voxels and bytes, and which form counts.

    Raises:
        ScanError: a field is impossible, the scan cannot be placed in space, or there is no such
            volume.
    """
    kind = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    size = HEADER_BYTES[version]
    _check_magic(block, version, where)
    fields = kind(block[:size], endianness=order, check=False)
    shape, volumes = _shape(fields["dim"], where, settings.limits)
    chosen, choice_notes = _chosen_volume(shape, volumes, volume, where)
    slope, intercept = _scaling(float(fields["scl_slope"]), float(fields["scl_inter"]), where)
    affine, notes = read_affine(fields, shape, settings.nifti_form, where)
    header = NiftiHeader(
        shape=shape,
        volumes=volumes,
        volume=chosen,
        dtype=_voxel_type(int(fields["datatype"]), int(fields["bitpix"]), order, where),
        extensions_at=size + EXTENSION_FLAG_BYTES,
        offset=_offset(float(fields["vox_offset"]), size, where, settings.limits),
        slope=slope,
        intercept=intercept,
        affine=affine,
        byte_order=order,
        has_extensions=block[size] != 0,
        notes=(*choice_notes, *(_BIG_ENDIAN if order == ">" else ()), *notes),
    )
    if header.total_bytes > settings.limits.max_inflated_bytes:
        raise ScanError(
            f"{where}: dim",
            got=f"a claim of {header.total_bytes} bytes",
            expected=f"at most {settings.limits.max_inflated_bytes}",
            do="check the header, or raise max_inflated_bytes",
        )
    return header


def _shape(dim: Any, where: str, limits: ReadLimits) -> tuple[tuple[int, int, int], int]:
    """Voxels of one volume, and how many volumes there are."""
    rank, sizes = int(dim[0]), [int(count) for count in dim[1:]]
    if not 1 <= rank <= 7:
        raise ScanError(f"{where}: dim[0]", got=rank, expected="3", do=_CONVERT)
    used = sizes[:rank]
    shown = "x".join(map(str, used))
    if min(used) < 1:
        raise ScanError(f"{where}: dim", got=shown, expected="positive sizes", do=_CONVERT)
    if rank < 3 or math.prod(used[4:]) > 1:
        raise ScanError(
            f"{where}: dim",
            got=f"{shown}, {rank} dimensions",
            expected="3 dimensions, or 4 of which one volume is chosen",
            do="write the one volume to be used into a file of its own",
        )
    if math.prod(used[:3]) > limits.max_voxels:
        raise ScanError(
            f"{where}: dim",
            got=f"{shown} voxels",
            expected=f"at most {limits.max_voxels} in a volume",
            do="check the header, or raise max_voxels",
        )
    return (used[0], used[1], used[2]), math.prod(used[3:])


def _chosen_volume(
    shape: tuple[int, int, int], volumes: int, volume: int | None, where: str
) -> tuple[int, tuple[str, ...]]:
    """Which volume is meant, counted from 0, and a note where there was a choice."""
    if volume is None and volumes > 1:
        raise ScanError(
            f"{where}: dim",
            got=f"{'x'.join(map(str, (*shape, volumes)))}, {volumes} volumes",
            expected="one volume of 3 dimensions, or a choice",
            do=f"choose one after the path: FILE#volume=N, with N from 0 to {volumes - 1}",
        )
    chosen = volume or 0
    if not 0 <= chosen < volumes:
        raise ScanError(
            f"{where}: volume",
            got=chosen,
            expected=f"0 to {volumes - 1}" if volumes > 1 else "0: the file holds one volume",
            do="correct the choice; volumes are counted from 0",
        )
    if volumes == 1:
        return 0, ()
    return chosen, (f"Volume {chosen} of 0 to {volumes - 1} was taken.",)


def _voxel_type(code: int, bits: int, order: str, where: str) -> np.dtype[Any]:
    if code not in VOXEL_TYPES:
        raise ScanError(
            f"{where}: datatype",
            got=f"{code} ({REFUSED_TYPES.get(code, 'no NIfTI type')})",
            expected="one real number a voxel",
            do="convert the scan to integers or floats",
        )
    dtype = np.dtype(order + VOXEL_TYPES[code])
    if bits != 8 * dtype.itemsize:
        raise ScanError(
            f"{where}: bitpix", got=bits, expected=f"{8 * dtype.itemsize} for {dtype.name}",
            do=_CONVERT,
        )  # fmt: skip
    return dtype


def _offset(offset: float, header_bytes: int, where: str, limits: ReadLimits) -> int:
    first = header_bytes + EXTENSION_FLAG_BYTES
    if not (first <= offset <= limits.max_inflated_bytes and offset == int(offset)):
        raise ScanError(
            f"{where}: vox_offset",
            got=f"{offset:g}",
            expected=f"a whole number from {first} that lies inside the file",
            do=_CONVERT,
        )
    return int(offset)


def _scaling(slope: float, intercept: float, where: str) -> tuple[float | None, float]:
    """``scl_slope`` 0 means no scaling (NIfTI-1); nibabel writes NaN for the same."""
    if slope == 0 or (math.isnan(slope) and (math.isnan(intercept) or intercept == 0)):
        return None, 0.0
    for name, value, least in (("scl_slope", slope, MIN_SLOPE), ("scl_inter", intercept, 0.0)):
        if not least <= abs(value) <= MAX_MAGNITUDE:
            raise ScanError(
                f"{where}: {name}",
                got=f"{value:g}",
                expected=f"{least:g} to {MAX_MAGNITUDE:g} in size",
                do=_CONVERT,
            )
    return (None, 0.0) if (slope, intercept) == (1.0, 0.0) else (slope, intercept)


_BIG_ENDIAN = ("Stored in big-endian byte order, and turned round.",)

_CONVERT = "convert the scan from its DICOM images again"
