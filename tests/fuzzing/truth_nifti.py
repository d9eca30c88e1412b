"""What a damaged, uncompressed NIfTI file states, and which of its bytes may state another scan.

A ``.nii`` has no checksum. These bytes ARE the scan, and no reader can know what stood there
before: voxels, ``scl_slope``/``scl_inter``, sform, qform (with ``pixdim``), and the layout
(``dim``, ``datatype``, ``bitpix``, ``vox_offset``) where it still accounts for every byte of the
file. Under gzip there is a checksum, and nothing may differ.
"""

from __future__ import annotations

import gzip
import math
import zlib

import nibabel as nib
import numpy as np
from fuzz_nifti import header_type

STATES = {
    "scl_slope": "scale", "scl_inter": "scale",
    "sform_code": "sform", "srow_x": "sform", "srow_y": "sform", "srow_z": "sform",
    "qform_code": "qform", "pixdim": "qform", "quatern_b": "qform", "quatern_c": "qform",
    "quatern_d": "qform", "qoffset_x": "qform", "qoffset_y": "qform", "qoffset_z": "qform",
    "dim": "layout", "datatype": "layout", "bitpix": "layout", "vox_offset": "layout",
}  # fmt: skip
"""Header fields that state the scan, by the name of the class that is counted."""

FIXED = ("sizeof_hdr", "magic")
"""Fields with one legal value."""


class NoStatementError(Exception):
    """The damage touched something else than statements, or they contradict each other."""


def touched(original: bytes, damaged: bytes) -> set[str]:
    """Which statements the damaged bytes belong to, from their ranges alone."""
    if len(original) != len(damaged):
        raise NoStatementError("the file has another length")
    kind = header_type(original)
    assert kind is not None
    fields = kind[0]
    one, other = (np.frombuffer(data, np.uint8) for data in (original, damaged))
    differing = one != other
    names = set()
    for name in fields.names:
        at = fields.fields[name][1]
        if differing[at : at + fields[name].itemsize].any():
            if name in FIXED:
                raise NoStatementError(f"{name} changed")
            names.add(STATES.get(name, ""))
    first = int(np.frombuffer(original[: fields.itemsize], fields)[0]["vox_offset"])
    if differing[first:].any():
        names.add("voxels")
    return names - {""}


def stated(data: bytes, choice: str) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine by nibabel, once the header's layout is known to fill the file."""
    kind = header_type(data)
    if kind is None:
        raise NoStatementError("no header")
    header = np.frombuffer(data[: kind[0].itemsize], kind[0])[0]
    rank = int(header["dim"][0])
    counts = [int(count) for count in header["dim"][1 : rank + 1]]
    size = int(header["vox_offset"]) + math.prod(counts) * int(header["bitpix"]) // 8
    if size != len(data) or min(counts, default=0) < 1:
        raise NoStatementError("dim, bitpix and vox_offset do not add up to the file")
    image_type = nib.Nifti1Image if kind[0].itemsize == 348 else nib.Nifti2Image
    try:
        image = image_type.from_bytes(data)
        with np.errstate(all="ignore"):
            voxels = image.get_fdata()
    except Exception as error:
        raise NoStatementError(f"nibabel refuses: {error}") from error
    return _chosen(voxels, choice), _affine(image)


def _chosen(voxels: np.ndarray, choice: str) -> np.ndarray:
    """The volume or label after ``#``; NaN and infinities as the reader promises to fill them."""
    name, _, number = choice.partition("=")
    flat = voxels.reshape(*voxels.shape[:3], -1)
    voxels = flat[..., int(number) if name == "volume" else 0]
    if flat.shape[-1] > 1 and name != "volume":
        raise NoStatementError("several volumes")
    if name == "label":
        return (voxels == int(number)).astype(float)
    finite = np.isfinite(voxels)
    return voxels if finite.all() else np.where(finite, voxels, voxels[finite].min())


def _affine(image) -> np.ndarray:
    """The sform if it is one, else the qform: the order that NIfTI-1 recommends."""
    sform, code = image.get_sform(coded=True)
    void = not np.isfinite(sform).all() or not sform[:3, :3].any() if code else True
    qform = image.header.get_qform(coded=True)[0]
    if void and qform is None:
        raise NoStatementError("neither form is set")
    return qform if void else sform


def unpacked(data: bytes) -> bytes:
    """What a sound gzip stream holds, to its last byte."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise NoStatementError(f"gzip: {error}") from error
