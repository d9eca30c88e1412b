"""Cases 8 to 24: what a NIfTI header says."""

import shutil
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np

from catalogue.framework import Made, case, cases_of, real
from catalogue.nifti_file_cases import header_with, put
from catalogue.sound import (
    HEADER_BYTES,
    SECRET,
    T2,
    dim,
    edited,
    nifti,
)


def nifti2_of_200() -> bytes:
    header = nib.Nifti2Header()
    header["dim"][0] = 200
    return header.binaryblock + bytes(4)


cases_of({"": ("refuse", "a negative size", {"dim": dim(24, -22, 10)}, "dim", "-22")},
         header_with, 8)  # fmt: skip
cases_of(
    {
        "a": ("refuse", "a size of zero", {"dim": dim(24, 0, 10)}, "dim"),
        "b": ("refuse", "no dimensions", {"dim": [0, *dim(24, 22, 10)[1:]]}, "dim"),
    },
    header_with,
    9,
)
cases_of(
    {
        "a": ("refuse", "9 dimensions", nifti(dim=[9, *dim(24, 22, 10)[1:]]), "dim", r"\b9\b"),
        "b": ("refuse", "NIfTI-2 of 200 dimensions", nifti2_of_200(), "dim", "200"),
    },
    put,
    10,
)


def series_of(folder: Path, volumes: list[np.ndarray]) -> Path:
    """A 4-D file; volumes ``(i, j, k)``."""
    voxels = b"".join(volume.astype("<i2").tobytes(order="F") for volume in volumes)
    header = nifti(dim=dim(*T2.shape, len(volumes)))[: HEADER_BYTES + 4]
    return put(folder, header + voxels)


@case(11, "refuse", "4-D, several volumes", "dim", "24x22x10x3", letter="a")
def several_volumes(folder):
    return series_of(folder, [T2.voxels * 0, T2.voxels, T2.voxels[::-1]])


@case(11, "choose", "4-D, the volume named as `#volume=1`", letter="b")
def volume_named(folder):
    return f"{several_volumes(folder)}#volume=1"


@case(11, "refuse", "4-D, a volume named that is not there", "volume", "3", letter="c")
def volume_beyond(folder):
    return f"{several_volumes(folder)}#volume=3"


@case(11, "refuse", "a real 5-D file", "dim", letter="d", real=True)
def real_five_dimensions(folder):
    return put(folder, real("odd_nifti/5D_small.nii").read_bytes())


cases_of(
    {
        "a": ("refuse", "RGB voxels", {"datatype": 128, "bitpix": 24}, "datatype", "RGB"),
        "b": ("refuse", "complex voxels", {"datatype": 32, "bitpix": 64}, "datatype", "complex64"),
    },
    header_with,
    12,
)


def not_finite(folder: Path, count: int) -> Path:
    voxels = T2.voxels.copy()
    voxels.reshape(-1)[:count] = np.tile([np.nan, np.inf], count)[:count]
    return put(folder, nifti(T2.with_voxels(voxels), "<f4"))


cases_of(
    {
        "a": ("flag", "20 voxels NaN or infinite (0.4 %)", 20, r"\b20 NaN or infinite"),
        "b": ("refuse", "60 voxels NaN or infinite (1.1 %)", 60, r"\b60 NaN or infinite", r"1\.1%"),
    },
    not_finite,
    13,
)
cases_of(
    {
        "a": ("refuse", "scl_slope infinite", {"scl_slope": np.inf}, "scl_slope", "inf"),
        "b": (
            "refuse",
            "scl_slope NaN beside an intercept",
            {"scl_slope": np.nan, "scl_inter": 5},
            "scl_slope",
            "nan",
        ),
    },
    header_with,
    14,
)
cases_of({"": ("refuse", "scl_slope 1e38", {"scl_slope": 1e38}, "scl_slope", r"1e\+38")},
         header_with, 15)  # fmt: skip
cases_of(
    {
        "a": ("refuse", "vox_offset NaN", {"vox_offset": np.nan}, "vox_offset", "nan"),
        "b": ("refuse", "vox_offset 1e9", {"vox_offset": 1e9}, "vox_offset|bytes"),
    },
    header_with,
    16,
)


@case(17, "fix", "big-endian", letter="a")
def big_endian(folder):
    return put(folder, nifti(dtype=">i2"))


@case(17, "fix", "a real big-endian file, beside its little-endian twin", letter="b", real=True,
      study='modalities = ["t2"]')  # fmt: skip
def real_big_endian(folder):
    rows = []
    for name in ("big", "little"):
        copied = str(shutil.copy(real(f"odd_nifti/{name}.nii.gz"), folder))
        rows.append({"t2": copied, "roi": "-160,-80,80,160,40,80"})
    return Made(rows[:1], rows[1])


ZERO = {"srow_x": 0, "srow_y": 0, "srow_z": 0}
NAN = {"srow_z": np.nan}
cases_of(
    {
        "a": ("refuse", "sform zero, no qform", {**ZERO, "qform_code": 0}, "sform"),
        "b": ("refuse", "sform NaN, no qform", {**NAN, "qform_code": 0}, "sform", "finite"),
        "c": ("fix", "sform zero beside a sound qform", ZERO, "sform.*qform was used"),
        "d": ("fix", "sform NaN beside a sound qform", NAN, "sform.*qform was used"),
    },
    header_with,
    18,
)
cases_of(
    {
        "": (
            "refuse",
            "qform_code and sform_code both 0",
            {"qform_code": 0, "sform_code": 0},
            "qform_code",
            "sform_code",
        )
    },
    header_with,
    19,
)


def mirrored(folder: Path, argument: None = None) -> Path:
    """The sform says that left is right."""
    return header_with(folder, {"srow_x": [5, 0, 0, -60]})


cases_of(
    {"a": ("refuse", "sform mirrors what qform says", None, "qform", "sform", "mm apart")},
    mirrored,
    20,
)
cases_of(
    {"b": ("choose", 'the same, the study says `nifti_form = "qform"`', None)},
    mirrored,
    20,
    study='reading.nifti_form = "qform"',
)
cases_of(
    {
        "": (
            "refuse",
            "a quaternion longer than 1",
            {"sform_code": 0, "quatern_b": 0.9, "quatern_c": 0.9},
            "qform|quatern",
        )
    },
    header_with,
    21,
)
cases_of(
    {
        "": (
            "refuse",
            "a sheared sform",
            {"qform_code": 0, "srow_x": [-5, 1, 0, 60]},
            "sform",
            "sheared",
        )
    },
    header_with,
    22,
)


def extended(folder: Path, size: int) -> Path:
    """A 32-byte extension that states another size."""
    content = edited(nifti(), vox_offset=HEADER_BYTES + 4 + 32)
    block = np.array([size, 6], "<i4").tobytes() + SECRET.encode().ljust(24, b"\0")
    return put(folder, content[:HEADER_BYTES] + b"\1\0\0\0" + block + content[HEADER_BYTES + 4 :])


cases_of(
    {
        "a": ("refuse", "a header extension of 1 GiB", 2**30, "extension", str(2**30)),
        "b": ("refuse", "a header extension of -16 bytes", -16, "extension", "-16"),
        "c": ("fix", "a sound header extension, with a name in it", 32),
    },
    extended,
    23,
)


@case(24, "fix", "the 48 axis orders and flips of one scan")
def orientations(folder):
    rows = []
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        turn = np.array(list(zip(axes, signs, strict=True)))
        voxels = nib.orientations.apply_orientation(T2.voxels, turn)
        affine = T2.affine @ nib.orientations.inv_ornt_aff(turn, T2.shape)
        name = "".join(f"{axis}{sign:+}" for axis, sign in turn)
        (folder / name).mkdir()
        rows.append({"t2": str(put(folder / name, nifti(type(T2)(voxels, affine))))})
    return Made(rows)
