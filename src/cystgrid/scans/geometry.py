"""What an affine must fulfil before a scan counts as placed in space."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from cystgrid.errors import ScanError
from cystgrid.scans.volume import Affine

POSITION_TOLERANCE_MM = 0.1
"""How far two statements about one voxel's place may differ: a tenth of a fine MR pixel's size.
Rounding to float32 (NIfTI) or to 16 characters (DICOM) stays a hundred times below it."""

ORTHOGONALITY_TOLERANCE = 3e-4
"""Largest cosine between two axes of one grid: 0.1 mm across 300 mm. Direction cosines rounded to
four decimals stay below it, a gantry tilt of 0.02 degrees does not."""

SPACING_RANGE_MM = (0.01, 200.0)
"""Outside it a spacing is a wrong unit or a wrong field: no MR scanner makes such voxels."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts x to the left and y to the back (PS3.3 C.7.6.2.1.1), a ``Volume`` to the right and
front; applied once, from the left, to an affine that ends in LPS+."""


def check_affine(affine: Affine, where: str) -> None:
    """Refuse an affine that does not place voxels on an orthogonal grid of plausible spacing.

    Args:
        affine: ``(4, 4)``, voxel indices to mm.
        where: the file and the field the affine came from.

    Raises:
        ScanError: not finite, singular, sheared, or with a spacing outside ``SPACING_RANGE_MM``.
    """
    if not np.isfinite(affine).all():
        raise ScanError(
            where, got="numbers that are not finite", expected="a finite affine", do=_REWRITE
        )
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = SPACING_RANGE_MM
    if (spacing < low).any() or (spacing > high).any():
        raise ScanError(
            where,
            got=f"a voxel spacing of {_in_mm(spacing)}",
            expected=f"{low} to {high:g} mm along each axis",
            do=_REWRITE,
        )
    axes = affine[:3, :3] / spacing
    worst = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if worst > ORTHOGONALITY_TOLERANCE:
        angle = float(np.degrees(np.arccos(min(worst, 1.0))))
        raise ScanError(
            where,
            got=f"a sheared grid, two axes at {angle:.2f} degrees",
            expected="axes at right angles",
            do="resample the scan onto an orthogonal grid first",
        )


def corner_distance(one: Affine, other: Affine, shape: tuple[int, int, int]) -> float:
    """Largest distance in mm between the corners of a grid as two affines place them."""
    corners = np.array(
        [[*corner, 1] for corner in product(*[(0, count - 1) for count in shape])], dtype=float
    )
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def _in_mm(spacing: NDArray[np.float64]) -> str:
    return " x ".join(f"{step:.4g}" for step in spacing) + " mm"


_REWRITE = "convert the scan from its DICOM images again"
