"""What is damaged: small scans of every form that the readers take, made when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

CANARY = "Doe-Secret"
"""Stands in folder and file names and in every text field that could hold a person's name."""

Files = dict[str, bytes]


@dataclass(frozen=True)
class Seed:
    """A sound scan, and what of it is damaged.

    Attributes:
        kind: its row in the table of results.
        family: ``nii``, ``gz`` (a gzip stream, protected by its CRC) or ``dicom``.
        files: what lies in the folder, by name.
        target: the file that is read, ``None`` for the folder.
        choice: what follows ``#`` in the reference.
        mask: whether it is read by ``read_mask``.
        wrap: packs a file's content after the damage was done, so that the damage lies beneath a
            checksum that holds.
    """

    kind: str
    family: str
    files: Files
    target: str | None = None
    choice: str = ""
    mask: bool = False
    wrap: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True)
class Mutant:
    """A seed's files after the damage, and the story of it, one sentence each."""

    files: Files
    target: str | None
    story: tuple[str, ...]


def oblique_affine(spacing: tuple[float, float, float] = (0.9, 1.1, 3.5)) -> np.ndarray:
    """An affine tilted about every axis, so that no number of it is 0 or 1 by chance."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [11, -7, 17], degrees=True).as_matrix() * spacing
    affine[:3, 3] = [-31.5, 12.25, 140.0]
    return affine


def distinct_voxels(shape: tuple[int, ...], top: int, seed: int = 0) -> np.ndarray:
    """Integers from 0 to ``top``, each voxel unlike its neighbours."""
    return np.random.default_rng(seed).integers(0, top + 1, shape)


@cache
def all_seeds() -> tuple[Seed, ...]:
    """Every seed, always in the same order."""
    from fuzz_seeds_dicom import dicom_seeds
    from fuzz_seeds_nifti import nifti_seeds

    return (*nifti_seeds(), *dicom_seeds())
