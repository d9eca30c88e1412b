"""The region of interest, as an axis-aligned box on the reference scan's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.manifest import is_box
from cystgrid.errors import CohortError
from cystgrid.scans.reading import read_mask
from cystgrid.scans.volume import Volume

SAME_GRID_MM = 0.5
"""A mask whose corners lie this near a scan's was drawn on that scan; half a fine pixel."""


@dataclass(frozen=True)
class Region:
    """A box in fractional voxel indices of one grid; voxel ``n`` covers ``n - 0.5`` to ``n + 0.5``.

    Attributes:
        low, high: lower and upper edge along ``(i, j, k)``.
        flags: what a reader of the results should know.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    flags: tuple[str, ...] = ()


def find_region(roi: str | None, scans: Sequence[Volume], where: str) -> Region:
    """Place a region of interest on the first scan's grid.

    Args:
        roi: path of a mask, ``x0,x1,y0,y1,z0,z1`` in mm RAS+, or None for the whole scan.
        scans: canonical scans of the patient; the first is the reference grid.
        where: the patient, for messages.

    Returns:
        The part of the region inside the reference scan.

    Raises:
        CohortError: the region is empty, not a box, or outside the reference scan.
        ScanError: the mask cannot be read.
    """
    reference = scans[0]
    flags: tuple[str, ...] = ()
    if roi is None:
        low, high = np.full(3, -0.5), np.array(reference.shape) - 0.5
    elif is_box(roi):
        low, high = _box_edges(roi, reference, where)
    else:
        mask = read_mask(roi)
        low, high = _mask_edges(mask, reference, where)
        flags = _mask_flags(mask, scans)
    return _inside(low, high, reference, where, flags)


def _box_edges(
    roi: str, reference: Volume, where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds on the reference grid of a box's 8 corners."""
    edges = np.array([float(part) for part in roi.split(",")]).reshape(3, 2)
    if not np.isfinite(edges).all() or (edges[:, 0] >= edges[:, 1]).any():
        raise CohortError(
            f"{where}: roi",
            got=roi,
            expected="x0,x1,y0,y1,z0,z1 in mm, finite, with x0 < x1, y0 < y1 and z0 < z1",
            do="correct the box",
        )
    corners = reference.index(np.array(list(product(*edges))))
    return corners.min(axis=0), corners.max(axis=0)


def _mask_edges(
    mask: Volume, reference: Volume, where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds on the reference grid of the mask's voxels, their half extents included."""
    inside = np.argwhere(mask.voxels > 0)
    if inside.size == 0:
        raise CohortError(
            f"{where}: roi",
            got="an empty mask",
            expected="at least one voxel set",
            do='draw the region, or set roi = "whole" in the study',
        )
    centres = reference.index(mask.world(inside))
    step = np.linalg.inv(reference.affine[:3, :3]) @ mask.affine[:3, :3]
    half = np.abs(step).sum(axis=1) / 2
    return centres.min(axis=0) - half, centres.max(axis=0) + half


def _mask_flags(mask: Volume, scans: Sequence[Volume]) -> tuple[str, ...]:
    notes = tuple(f"roi: {note}" for note in mask.notes)
    if any(_same_grid(mask, scan) for scan in scans):
        return notes
    return (*notes, "roi: the mask lies on neither scan's grid; it was placed by its own header.")


def _same_grid(one: Volume, other: Volume) -> bool:
    if one.shape != other.shape:
        return False
    corners = np.array(list(product(*[(0, count - 1) for count in one.shape])))
    apart = np.linalg.norm(one.world(corners) - other.world(corners), axis=1)
    return bool(apart.max() < SAME_GRID_MM)


def _inside(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    reference: Volume,
    where: str,
    flags: tuple[str, ...],
) -> Region:
    """The region cut to the reference scan, flagged with the share that was cut off."""
    shape = np.array(reference.shape)
    cut_low, cut_high = np.maximum(low, -0.5), np.minimum(high, shape - 0.5)
    kept = float(np.prod(np.clip(cut_high - cut_low, 0, None)) / np.prod(high - low))
    if kept <= 0:
        raise CohortError(
            f"{where}: roi",
            got="a region outside the scan",
            expected="a region that the scan covers",
            do="check that roi and scan are of one patient, and in mm RAS+",
        )
    if kept < 1 - 1e-3:
        flags = (*flags, f"roi: {1 - kept:.0%} of it lies outside the scan and was cut off.")
    edges = [tuple(float(edge) for edge in side) for side in (cut_low, cut_high)]
    return Region(
        (edges[0][0], edges[0][1], edges[0][2]), (edges[1][0], edges[1][1], edges[1][2]), flags
    )
