"""Cases 1 to 7 and 25: NIfTI files that are damaged, lie about their size, or are none."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from catalogue.framework import Made, case, cases_of, real
from catalogue.sound import (
    GZIP_START,
    HEADER_BYTES,
    SECRET,
    SECRET_DATE,
    dim,
    edited,
    gzipped,
    nifti,
)

MEBIBYTE = 2**20
FLIPS = 40


def put(folder: Path, content: bytes, suffix: str = ".nii") -> Path:
    """Write a scan under a name that holds a person's."""
    path = folder / f"{SECRET}-{SECRET_DATE}{suffix}"
    path.write_bytes(content)
    return path


def header_with(folder: Path, fields: dict) -> Path:
    return put(folder, nifti(**fields))


@case(1, "refuse", ".nii cut short in its voxels", "bytes", letter="a")
def cut_in_voxels(folder):
    return put(folder, nifti()[:-100])


@case(1, "refuse", ".nii cut short in its header", "too early|bytes", letter="b")
def cut_in_header(folder):
    return put(folder, nifti()[:200])


@case(2, "refuse", ".nii.gz cut short in its voxels", "gzip|ends too early", letter="a")
def cut_gzip(folder):
    return put(folder, gzipped(nifti())[:-3000], ".nii.gz")


@case(2, "refuse", ".nii.gz without its last 4 bytes", "gzip", letter="b")
def cut_gzip_trailer(folder):
    return put(folder, gzipped(nifti())[:-4], ".nii.gz")


def flipped(content: bytes, byte: int, bit: int = 0) -> bytes:
    return content[:byte] + bytes([content[byte] ^ 1 << bit]) + content[byte + 1 :]


@case(3, "refuse", ".nii.gz with one bit flipped in a voxel", "gzip|CRC", letter="a")
def flip_in_body(folder):
    return put(folder, flipped(gzipped(nifti()), -2000), ".nii.gz")


@case(3, "refuse", ".nii.gz with one bit flipped in its CRC", "gzip|CRC", letter="b")
def flip_in_crc(folder):
    return put(folder, flipped(gzipped(nifti()), -6), ".nii.gz")


@case(3, "refuse", ".nii.gz with one bit flipped anywhere", letter="c", page=False)
def flip_anywhere(folder):
    """Many places of a really packed file, its own header left out: its time means nothing."""
    packed = gzip.compress(nifti(), mtime=0)
    rng = np.random.default_rng(3)
    places = rng.integers(len(GZIP_START), len(packed), FLIPS)
    rows = []
    for number, place in enumerate(places):
        (folder / str(number)).mkdir()
        content = flipped(packed, int(place), int(rng.integers(8)))
        rows.append({"t2": str(put(folder / str(number), content, ".nii.gz"))})
    return Made(rows)


@case(4, "refuse", "32767 x 32767 x 32767 voxels claimed by a tiny file", "dim", "32767")
def enormous(folder):
    return header_with(folder, {"dim": dim(32767, 32767, 32767)})


@case(5, "refuse", ".nii.gz that claims 2 GB and holds 512 bytes", "dim|bytes")
def false_promise(folder):
    header = edited(nifti(), dim=dim(400, 400, 3200), datatype=16, bitpix=32)
    return put(folder, gzipped(header[:512]), ".nii.gz")


def zeros_bomb(start: bytes, mebibytes: int) -> bytes:
    """A gzip stream of ``start`` and so many MiB of zeros, packed once and repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = bytes(MEBIBYTE)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = zlib.crc32(start)
    for _ in range(mebibytes):
        crc = zlib.crc32(zeros, crc)
    size = (len(start) + mebibytes * MEBIBYTE) % 2**32
    tail = crc.to_bytes(4, "little") + size.to_bytes(4, "little")
    return GZIP_START + first + block * mebibytes + packer.flush() + tail


@case(6, "refuse", "gzip bomb, 2 MB for the 2 GiB that its header claims", "dim", letter="a")
def bomb(folder):
    header = nifti(dim=dim(1024, 1024, 512), datatype=16, bitpix=32)[: HEADER_BYTES + 4]
    return put(folder, zeros_bomb(header, 2048), ".nii.gz")


@case(6, "refuse", "gzip bomb behind a small scan", "bytes after", "10912", letter="b")
def bomb_behind(folder):
    return put(folder, zeros_bomb(nifti(), 512), ".nii.gz")


cases_of(
    {
        "a": ("refuse", "a byte after the voxels of a .nii", (nifti() + b"x", ".nii"), "bytes"),
        "b": (
            "refuse",
            "a byte after the voxels inside a .nii.gz",
            (gzipped(nifti() + b"x"), ".nii.gz"),
            "bytes",
        ),
        "c": (
            "refuse",
            "text after the stream of a .nii.gz",
            (gzipped(nifti()) + SECRET.encode(), ".nii.gz"),
            "gzip",
        ),
    },
    lambda folder, argument: put(folder, *argument),
    7,
)


@case(25, "refuse", "an empty .nii", "empty", letter="a")
def empty(folder):
    return put(folder, b"")


@case(25, "refuse", "an empty folder named .nii", "no MR|folder|directory", letter="b")
def directory(folder):
    path = folder / f"{SECRET}.nii"
    path.mkdir()
    return path


@case(25, "refuse", "JSON named .nii", "NIfTI", letter="c")
def json_named_nii(folder):
    return put(folder, f'{{"patient": "{SECRET}", "born": {SECRET_DATE}}}'.encode() * 20)


@case(25, "refuse", "a text file", "NIfTI", "DICOM", letter="d")
def text_file(folder):
    return put(folder, f"Report on {SECRET}".encode() * 30, ".txt")


@case(25, "refuse", "a real file named .nii that is none", "NIfTI", letter="e", real=True)
def real_not_nifti(folder):
    return put(folder, real("odd_nifti/not-nifti.nii").read_bytes())
