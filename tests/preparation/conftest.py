"""Small synthetic scans on disk, for every test of the preparation."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


def oblique(angles, spacing, origin=(0.0, 0.0, 0.0)):
    """(4, 4): axes turned by angles (degrees, about x, y, z)."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(angles)):
        c, s = np.cos(angle), np.sin(angle)
        one = np.eye(3)
        a, b = [n for n in range(3) if n != axis]
        one[a, a], one[a, b], one[b, a], one[b, b] = c, -s, s, c
        turn = one @ turn
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array(spacing)
    affine[:3, 3] = origin
    return affine


def grid(shape, affine):
    """World positions in mm of every voxel, (i, j, k, 3)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def centred(shape, spacing, angles=(0, 0, 0)):
    """An affine that puts the middle of the grid at the origin of the world."""
    affine = oblique(angles, spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def anatomy(world, contrast=(1.0, 0.6, 1.8)):
    """A body in world space: an ellipse with an organ at the right front, and a bright cyst."""
    x, y, z = np.moveaxis(np.asarray(world, dtype=float), -1, 0)
    body = (x / 90) ** 2 + (y / 65) ** 2 < 1
    organ = ((x - 40) / 30) ** 2 + ((y - 15) / 25) ** 2 + (z / 40) ** 2 < 1
    cyst = (x + 20) ** 2 + (y + 10) ** 2 + z**2 < 14**2
    values = 100.0 * contrast[0] * body
    values[organ] = 100 * contrast[1]
    values[cyst] = 100 * contrast[2]
    ripple = 1 + 0.05 * np.sin(x / 9) * np.cos(y / 11) * np.cos(z / 25)
    return (values * ripple + 1).astype(np.float32)


def write_nifti(path: Path, voxels, affine):
    image = nib.Nifti1Image(np.asarray(voxels), affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return str(path)


T1_SHAPE, T1_SPACING, T1_ANGLES = (64, 56, 24), (3.4, 3.4, 4.0), (4, 0, 6)
T2_SHAPE, T2_SPACING = (80, 64, 16), (2.6, 2.6, 6.0)


class Scans:
    """A folder with one patient's T1 and T2 on different grids, and the region on each of them."""

    def __init__(self, folder: Path, factor=1.0):
        folder.mkdir(parents=True, exist_ok=True)
        self.t1_affine = centred(T1_SHAPE, T1_SPACING, T1_ANGLES)
        self.t2_affine = centred(T2_SHAPE, T2_SPACING)
        t1, t2 = grid(T1_SHAPE, self.t1_affine), grid(T2_SHAPE, self.t2_affine)
        self.t2_voxels = anatomy(t2) * factor
        self.t1 = write_nifti(folder / "t1.nii.gz", anatomy(t1, (0.7, 1.2, 0.3)), self.t1_affine)
        self.t2 = write_nifti(folder / "t2.nii.gz", self.t2_voxels, self.t2_affine)
        masks = [(np.abs(w) < [30, 24, 20]).all(axis=-1).astype(np.uint8) for w in (t1, t2)]
        self.roi_t1 = write_nifti(folder / "roi_t1.nii.gz", masks[0], self.t1_affine)
        self.roi_t2 = write_nifti(folder / "roi_t2.nii.gz", masks[1], self.t2_affine)


@pytest.fixture
def scans(tmp_path):
    return Scans(tmp_path / "scans")


@pytest.fixture
def make_scans():
    return Scans


@pytest.fixture
def space():
    """The functions above, for tests to build their own grids."""

    class Space:
        pass

    for function in (oblique, grid, centred, anatomy, write_nifti):
        setattr(Space, function.__name__, staticmethod(function))
    return Space
