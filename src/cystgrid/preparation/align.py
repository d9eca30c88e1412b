"""One scan onto another's grid, by what their headers say of the patient's space.

Stacking T1 and T2 by slice index would pair unlike anatomy: their grids differ in matrix, spacing,
slice thickness and angle. Every voxel of the reference grid asks for its own world position.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cystgrid.scans.volume import Affine, Array, Volume

OVERLAP_SAMPLES = 48
"""Sample points along each axis when two scans' overlap is measured: exact to about 2 %."""


@dataclass(frozen=True)
class Block:
    """A box of whole voxels of a grid: ``start`` to ``stop`` (exclusive) along ``(i, j, k)``."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along ``(i, j, k)``."""
        i, j, k = (stop - start for start, stop in zip(self.start, self.stop, strict=True))
        return i, j, k


@dataclass(frozen=True)
class WorldBox:
    """A box along the patient's axes: ``low`` to ``high`` in mm, RAS+."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @classmethod
    def around(
        cls,
        scan: Volume,
        low: tuple[float, float, float] | None = None,
        high: tuple[float, float, float] | None = None,
    ) -> WorldBox:
        """The box around a part of a scan, which may be oblique.

        Args:
            scan: in whose grid the part is given.
            low: its lower edge in fractional voxel indices, or None for the scan's own.
            high: its upper edge; a whole scan runs from -0.5 to its size less 0.5.
        """
        first = (-0.5, -0.5, -0.5) if low is None else low
        last = tuple(size - 0.5 for size in scan.shape) if high is None else high
        corners = scan.world(np.array(list(product(*zip(first, last, strict=True)))))
        return cls._of(corners.min(axis=0), corners.max(axis=0))

    @classmethod
    def _of(cls, low: NDArray[np.float64], high: NDArray[np.float64]) -> WorldBox:
        i, j, k = (float(edge) for edge in low)
        x, y, z = (float(edge) for edge in high)
        return cls((i, j, k), (x, y, z))

    def grown(self, margin_mm: float) -> WorldBox:
        """The box with so many mm more on every side."""
        return self._of(np.array(self.low) - margin_mm, np.array(self.high) + margin_mm)

    def at_least(self, side_mm: float) -> WorldBox:
        """The box, its shorter sides grown evenly to a length in mm."""
        half = np.maximum(np.array(self.high) - np.array(self.low), side_mm) / 2
        return self._of(self.centre - half, self.centre + half)

    def within(self, other: WorldBox) -> WorldBox | None:
        """The part of the box inside another, or None where they do not meet."""
        low = np.maximum(self.low, other.low)
        high = np.minimum(self.high, other.high)
        return self._of(low, high) if bool((low < high).all()) else None

    @property
    def centre(self) -> NDArray[np.float64]:
        """``(3,)`` mm, RAS+."""
        return np.array([(a + b) / 2 for a, b in zip(self.low, self.high, strict=True)])


def moved(moving: Volume, transform: Affine) -> Volume:
    """The same voxels at other places: only the affine changes, so nothing is interpolated twice.

    Args:
        moving: the scan.
        transform: ``(4, 4)``; takes a point of the reference scan's world, mm RAS+, to where
            ``moving`` shows it by its header.

    Returns:
        The scan, placed where the reference scan shows the same anatomy.
    """
    affine = np.linalg.inv(transform) @ moving.affine
    return Volume(moving.voxels, affine, moving.source, moving.notes)


def resample_onto(moving: Volume, affine: Affine, block: Block) -> tuple[Array, NDArray[np.bool_]]:
    """Linear interpolation of ``moving`` at the voxel centres of a block of another grid.

    Args:
        moving: the scan to resample.
        affine: ``(4, 4)`` of the other grid, voxel centres to mm RAS+.
        block: which of that grid's voxels.

    Returns:
        The values, float32, of the block's shape, 0 where ``moving`` has no voxel; and where it
        has one (a voxel reaches half its extent to each side of its centre).
    """
    to_moving = np.linalg.inv(moving.affine) @ affine
    matrix = to_moving[:3, :3]
    offset = matrix @ np.array(block.start) + to_moving[:3, 3]
    values = ndimage.affine_transform(
        moving.voxels, matrix, offset, block.shape, output=np.float32, order=1, mode="nearest"
    )
    covered = _covered(matrix, offset, block.shape, moving.shape)
    values[~covered] = 0
    return values, covered


def covered_by(scan: Volume, affine: Affine, block: Block) -> NDArray[np.bool_]:
    """Which voxel centres of a block of another grid fall into a scan's voxels."""
    to_scan = np.linalg.inv(scan.affine) @ affine
    matrix = to_scan[:3, :3]
    offset = matrix @ np.array(block.start) + to_scan[:3, 3]
    return _covered(matrix, offset, block.shape, scan.shape)


def _covered(
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    shape: tuple[int, ...],
    extent: tuple[int, int, int],
) -> NDArray[np.bool_]:
    """Which points ``matrix @ index + offset`` fall into a grid of ``extent`` voxels."""
    steps = np.ogrid[tuple(slice(0, count) for count in shape)]
    covered = np.ones(shape, dtype=bool)
    for axis in range(3):
        position = offset[axis] + sum(matrix[axis, n] * steps[n] for n in range(3))
        covered &= (position >= -0.5) & (position <= extent[axis] - 0.5)
    return covered


def overlap(reference: Volume, moving: Volume) -> float:
    """Share of the reference scan's volume that ``moving`` covers, in per cent.

    Measured at evenly spaced points, ``OVERLAP_SAMPLES`` along each axis.
    """
    to_moving = np.linalg.inv(moving.affine) @ reference.affine
    shape = np.array(reference.shape)
    # point n lies in the middle of the n-th of equal parts of the axis
    scale = np.diag(shape / OVERLAP_SAMPLES)
    first = 0.5 * shape / OVERLAP_SAMPLES - 0.5
    matrix = to_moving[:3, :3] @ scale
    offset = to_moving[:3, :3] @ first + to_moving[:3, 3]
    covered = _covered(matrix, offset, (OVERLAP_SAMPLES,) * 3, moving.shape)
    return 100.0 * float(covered.mean())
