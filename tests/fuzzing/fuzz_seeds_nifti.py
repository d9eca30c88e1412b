"""NIfTI seeds: both versions and byte orders, many voxel types, placed by one form or by two."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
from fuzz_seeds import CANARY, Seed, distinct_voxels, oblique_affine

SHAPE = (7, 6, 5)


def nifti_seeds() -> tuple[Seed, ...]:
    """Plain files first, then those under gzip."""
    plain = {
        "nii int16": _nifti("i2", 4000),
        "nii uint8, sform only": _nifti("u1", 255, forms="s"),
        "nii float32, qform only": _nifti("f4", 4000, forms="q"),
        "nii float64": _nifti("f8", 4000),
        "nii int32 scaled, big-endian": _nifti("i4", 4000, order=">", scale=(0.5, -3.0)),
        "nii int8, extensions": _nifti("i1", 100, extensions=2),
        "nii-2 uint16": _nifti("u2", 60000, version=2),
        "nii-2 float32, big-endian, extension": _nifti(
            "f4", 4000, version=2, order=">", extensions=1
        ),
    }
    seeds = [_one(kind, "nii", content) for kind, content in plain.items()]
    series = _nifti("i2", 4000, shape=(*SHAPE, 3))
    seeds.append(_one("nii 4-D, one volume", "nii", series, choice="volume=1"))
    labels = _nifti("u1", 3)
    seeds.append(_one("nii mask, one label of three", "nii", labels, choice="label=2", mask=True))
    seeds.append(
        _one("nii uint16, gzip after", "nii", _nifti("u2", 60000), name="nii.gz", wrap=packed)
    )
    for kind, content in {
        "gz int16": packed(_nifti("i2", 4000)),
        "gz float32, stored blocks": packed(_nifti("f4", 4000, extensions=1), level=0),
        "gz nii-2 int32 scaled": packed(_nifti("i4", 4000, version=2, scale=(0.5, -3.0))),
        "gz with name and two members": _two_members(_nifti("u2", 60000)),
    }.items():
        seeds.append(_one(kind, "gz", content, name="nii.gz"))
    mask = packed(_nifti("u1", 1))
    return (*seeds, _one("gz mask", "gz", mask, name="nii.gz", mask=True))


def packed(content: bytes, level: int = 6) -> bytes:
    """One gzip member without name and time."""
    return gzip.compress(content, level, mtime=0)


def _two_members(content: bytes) -> bytes:
    """A stream may be several members (RFC 1952 2.2); this one names its file, too."""
    first, second = packed(content[:500]), packed(content[500:])
    named = first[:3] + b"\x08" + first[4:10] + CANARY.encode() + b"\0" + first[10:]
    return named + second


def _one(kind, family, content, *, name="nii", **more) -> Seed:
    target = f"{CANARY}.{name}"
    return Seed(kind, family, {target: content}, target, **more)


def _nifti(
    dtype, top, *, shape=SHAPE, version=1, order="<", forms="qs", scale=None, extensions=0
) -> bytes:
    voxels = distinct_voxels(shape, top).astype(order + dtype)
    image_type = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    header = image_type.header_class(endianness=order)
    header["descrip"], header["db_name" if version == 1 else "aux_file"] = CANARY, CANARY
    image = image_type(voxels, None, header=header, dtype=voxels.dtype)
    affine = oblique_affine()
    image.set_qform(affine if "q" in forms else None, code=1 if "q" in forms else 0)
    image.set_sform(affine if "s" in forms else None, code=1 if "s" in forms else 0)
    if "q" not in forms:
        image.header.set_zooms((*np.linalg.norm(affine[:3, :3], axis=0), 1.0)[: len(shape)])
    image.header.set_xyzt_units("mm")
    for number in range(extensions):
        text = f"{CANARY} {number} " + "x" * 30 * number
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", text.encode()))
    content = bytearray(image.to_bytes())
    if scale is not None:  # written by hand: nibabel would choose its own factor
        at = 112 if version == 1 else 176
        kind = f"{order}f4" if version == 1 else f"{order}f8"
        content[at : at + 2 * np.dtype(kind).itemsize] = np.array(scale, kind).tobytes()
    return bytes(content)
