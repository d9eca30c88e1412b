"""One bit flipped at each of many places of a ``.nii.gz``: who notices?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from fuzz_seeds import CANARY, oblique_affine
from fuzz_seeds_nifti import packed

from cystgrid.errors import ScanError
from cystgrid.scans.reading import read_scan

PLACES = 300
SHAPE = (40, 36, 12)


@dataclass(frozen=True)
class BitFlips:
    """How many flips each reader took for a sound scan, and how many of those scans were wrong."""

    places: int
    cystgrid_wrong: int
    nibabel_wrong: int


def flip_one_bit_each(folder: Path, places: int = PLACES, seed: int = 0) -> BitFlips:
    """Count the damaged files that read without an error to other voxels or another affine.

    The scan is a smooth blob in noise, int16, as an MR scan compresses.
    """
    rng = np.random.default_rng(seed)
    sound = packed(_scan(rng))
    path = folder / f"{CANARY}.nii.gz"
    path.write_bytes(sound)
    truths = [reader(path) for reader in (_by_cystgrid, _by_nibabel)]
    wrong = [0, 0]
    for place in rng.choice(8 * len(sound), places, replace=False):
        damaged = bytearray(sound)
        damaged[place // 8] ^= 1 << int(place % 8)
        path.write_bytes(damaged)
        for index, reader in enumerate((_by_cystgrid, _by_nibabel)):
            found = reader(path)
            wrong[index] += found is not None and not _same(found, truths[index])
    path.unlink()
    return BitFlips(places, *wrong)


def _scan(rng: np.random.Generator) -> bytes:
    grid = np.meshgrid(*(np.linspace(-1, 1, count) for count in SHAPE), indexing="ij")
    blob = 800 * np.exp(-2 * sum(axis**2 for axis in grid))
    image = nib.Nifti1Image((blob + rng.normal(100, 20, SHAPE)).astype("i2"), oblique_affine())
    image.set_qform(oblique_affine(), code=1)
    image.set_sform(oblique_affine(), code=1)
    image.header.set_xyzt_units("mm")
    return image.to_bytes()


def _by_cystgrid(path: Path):
    try:
        volume = read_scan(path)
    except ScanError:
        return None
    return volume.voxels, volume.affine


def _by_nibabel(path: Path):
    try:
        image = nib.load(path)
        return image.get_fdata(), image.affine
    except Exception:  # it has no error type of its own for damaged files
        return None


def _same(one, other) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))
