"""Damage to NIfTI that knows the header's fields, and to gzip that knows the stream's parts."""

from __future__ import annotations

import gzip
import zlib

import nibabel as nib
import numpy as np
from fuzz_bytes import FLOATS, INTEGERS, damage_bytes, flip_bits

HEADER_BYTES = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
SPATIAL = ("qform_code", "sform_code", "pixdim", "quatern_b", "quatern_c", "quatern_d",
           "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")  # fmt: skip
STRUCTURAL = ("sizeof_hdr", "dim", "datatype", "bitpix", "vox_offset", "scl_slope", "scl_inter",
              "xyzt_units", "magic", "intent_code", "slice_code", "dim_info")  # fmt: skip
DATATYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 2304, 9999)
GZIP_HEADER = 10


def header_type(data: bytes) -> tuple[np.dtype, str] | None:
    """Fields and byte order of a NIfTI header, ``None`` where the first bytes are of no header."""
    for order in "<>":
        size = int(np.frombuffer(data[:4].ljust(4, b"\0"), f"{order}i4")[0])
        if size in HEADER_BYTES and len(data) >= size:
            return HEADER_BYTES[size].template_dtype.newbyteorder(order), order
    return None


def damage_nifti(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Half of the time a field of the header, else any bytes."""
    kind = header_type(data)
    if kind is None or rng.random() < 0.4:
        return damage_bytes(rng, data)
    fields, order = kind
    draw = rng.random()
    if draw < 0.08:
        return _swap_dims(rng, data, fields)
    if draw < 0.14:
        return _extension(rng, data, fields, order)
    name = str(rng.choice(SPATIAL if draw < 0.55 else STRUCTURAL))
    return _put_field(rng, data, fields, name)


def _put_field(rng, data: bytes, fields: np.dtype, name: str) -> tuple[bytes, str]:
    header = np.frombuffer(data[: fields.itemsize], fields)[0].copy()
    if name == "datatype":
        header[name] = rng.choice(DATATYPES)
        if rng.random() < 0.5 and int(header[name]) in nib.nifti1.data_type_codes.code:
            header["bitpix"] = 8 * nib.nifti1.data_type_codes.dtype[int(header[name])].itemsize
        what = int(header[name])
    elif header[name].dtype.kind == "S":
        header[name] = what = [b"n+1", b"n+2", b"ni1", b"", rng.bytes(4)][rng.integers(5)]
    else:
        what = _put_number(rng, header, name)
    return header.tobytes() + data[fields.itemsize :], f"{name} = {what!r}"


def _put_number(rng, header, name: str) -> object:
    """A number at the edge of its type, a small one, or one near what was there."""
    values = np.atleast_1d(header[name])
    at = int(rng.integers(values.size))
    number = values[at]
    if values.dtype.kind == "f":
        nearby = float(number) * float(rng.choice([1 + 1e-6, 1.001, 1.5, -1, 2]))
        number = nearby if rng.random() < 0.4 else float(rng.choice(FLOATS))
        with np.errstate(over="ignore"):
            values[at] = number
    else:
        limits = np.iinfo(values.dtype)
        fitting = [i for i in INTEGERS if limits.min <= i <= limits.max]
        small = int(number) + int(rng.integers(-2, 3))
        small = min(max(small, limits.min), limits.max)
        number = small if rng.random() < 0.4 else fitting[rng.integers(len(fitting))]
        values[at] = number
    if np.ndim(header[name]):
        header[name][at] = values[at]
    else:
        header[name] = values[0]
    return (at, number)


def _swap_dims(rng, data: bytes, fields: np.dtype) -> tuple[bytes, str]:
    """Sizes in another order: the file is as long as its header says, and yet another scan."""
    header = np.frombuffer(data[: fields.itemsize], fields)[0].copy()
    header["dim"][1:4] = rng.permutation(header["dim"][1:4])
    return header.tobytes() + data[fields.itemsize :], f"dim = {header['dim'].tolist()}"


def _extension(rng, data: bytes, fields: np.dtype, order: str) -> tuple[bytes, str]:
    """The extension flag, or the size of the first extension."""
    at, kind = fields.itemsize, f"{order}i4"
    if rng.random() < 0.4:
        flag = bytes([int(rng.integers(256))])
        return data[:at] + flag + data[at + 1 :], f"extension flag = {flag!r}"
    size = int(rng.choice([0, 8, 16, 17, 32, 64, -16, 2**31 - 1, 2**31 - 16]))
    stored = np.array([size], kind).tobytes()
    return data[: at + 4] + stored + data[at + 8 :], f"extension size = {size}"


def damage_gzip(rng: np.random.Generator, data: bytes) -> tuple[bytes, str]:
    """Header, trailer, deflate stream, members; else any bytes."""
    if len(data) < 2 * GZIP_HEADER or rng.random() < 0.35:
        return damage_bytes(rng, data)
    kinds = (_gzip_header, _gzip_trailer, _gzip_stream, _gzip_member, _gzip_flags)
    return kinds[rng.choice(len(kinds), p=(0.2, 0.2, 0.35, 0.15, 0.1))](rng, data)


def _gzip_header(rng, data: bytes) -> tuple[bytes, str]:
    at = int(rng.integers(GZIP_HEADER))
    value = bytes([int(rng.integers(256))])
    return data[:at] + value + data[at + 1 :], f"gzip header byte {at} = {value!r}"


def _gzip_trailer(rng, data: bytes) -> tuple[bytes, str]:
    """CRC and length of the content (RFC 1952 2.3.1)."""
    part = int(rng.integers(3))
    damaged = {
        0: data[:-8] + rng.bytes(4) + data[-4:],
        1: data[:-4] + rng.bytes(4),
        2: data[: -int(rng.integers(1, 9))],
    }[part]
    return damaged, ("gzip CRC", "gzip length", "gzip trailer cut")[part] + " changed"


def _gzip_stream(rng, data: bytes) -> tuple[bytes, str]:
    """Bits of the deflate stream alone."""
    inner, what = flip_bits(rng, data[GZIP_HEADER:-8])
    return data[:GZIP_HEADER] + inner + data[-8:], f"deflate stream: {what}"


def _gzip_member(rng, data: bytes) -> tuple[bytes, str]:
    """Another member before or after, empty or not; zeros after; the member twice."""
    empty, full = gzip.compress(b"", mtime=0), gzip.compress(rng.bytes(100), mtime=0)
    versions = {
        "an empty member after": data + empty,
        "an empty member before": empty + data,
        "a member after": data + full,
        "the stream twice": data + data,
        "zeros after": data + b"\0" * int(rng.integers(1, 600)),
        "packed twice": gzip.compress(data, mtime=0),
        "a zlib stream": zlib.compress(data),
    }
    what = str(rng.choice(list(versions)))
    return versions[what], what


def _gzip_flags(rng, data: bytes) -> tuple[bytes, str]:
    """FLG says that extra fields, a name, a comment or a header CRC follow."""
    flags = int(rng.integers(1, 32))
    return data[:3] + bytes([flags]) + data[4:], f"gzip flags = {flags}"
