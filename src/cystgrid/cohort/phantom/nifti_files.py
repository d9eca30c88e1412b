"""NIfTI files whose bytes depend on nothing but their content."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cystgrid.provenance import write_bytes
from cystgrid.scans.volume import Affine

COMPRESSION = 1
"""gzip's level: noise hardly shrinks, so speed counts."""
SCANNER_CODE = 1
"""NIfTI's code for coordinates of the scanner, in qform and sform."""


def write_nifti(path: Path, voxels: NDArray[np.number], affine: Affine) -> None:
    """Write ``voxels (i, j, k)`` as gzipped NIfTI-1 with equal qform and sform, in mm.

    Args:
        path: ends in ``.nii.gz``.
        voxels: int16, uint8 or float32, stored as they are, without slope.
        affine: ``(4, 4)`` voxel centres to mm, RAS+; axes at right angles.
    """
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, code=SCANNER_CODE)
    image.set_qform(affine, code=SCANNER_CODE)
    image.header.set_xyzt_units("mm")
    write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=COMPRESSION, mtime=0))
