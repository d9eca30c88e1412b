"""The crop a model sees: a square around the region of interest, in slices of 64 x 64 pixels.

The paper resizes a scan to 256 x 256 pixels in-plane, crops, and resizes each slice to 64 x 64. All
three run along the reference grid's own axes, so they compose into one matrix for the rows and one
for the columns: one interpolation instead of three, and pixel centres known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cystgrid.preparation.align import Block
from cystgrid.preparation.region import Region
from cystgrid.preparation.resample import linear_weights
from cystgrid.scans.volume import Affine, Array, Volume

TOUCH = 1e-6
"""In voxels: a region that only touches a slice's edge does not take that slice in."""


@dataclass(frozen=True)
class CropPlan:
    """Where a crop lies on its reference grid, and how it is sampled.

    Attributes:
        rows: ``(cell, j of block)`` sparse weights; row 0 is the most anterior.
        columns: ``(cell, i of block)`` sparse weights; column 0 is the patient's right.
        block: the reference voxels that the weights draw on; its ``k`` range is the crop's slices.
        affine: ``(4, 4)``; ``(column, row, slice, 1)`` of a pixel centre to mm RAS+.
        side_mm: side of the square.
    """

    rows: sparse.csr_array
    columns: sparse.csr_array
    block: Block
    affine: Affine
    side_mm: float


def plan_crop(
    reference: Volume, region: Region, *, margin_mm: float, in_plane: int, cell: int, slices: int
) -> CropPlan:
    """Lay a square around the region.

    The square's side is the region's longer in-plane extent plus a margin at both ends, so that
    shapes keep their aspect ratio. At the scan's border it is shifted inwards; where it is larger
    than the scan, it is centred on the scan and filled with 0. Of the slices, those within the
    margin are taken; then the nearest further ones, until there are ``slices`` or no more.

    Args:
        reference: canonical scan whose grid the crop follows.
        region: in indices of that grid.
        margin_mm: kept around the region, in each direction.
        in_plane: pixels along the longer in-plane side of the whole scan.
        cell: pixels along the crop's side.
        slices: how many slices are wanted at least.
    """
    spacing = np.array(reference.spacing)
    size = np.array(reference.shape)
    low, high = np.array(region.low), np.array(region.high)
    side = float(((high - low) * spacing)[:2].max() + 2 * margin_mm)
    side = min(side, float((size * spacing)[:2].max()))
    pixel = float((size * spacing)[:2].max()) / in_plane
    weights, starts, stops, firsts = [], [], [], []
    for axis in (0, 1):
        middle = _keep_inside((low + high)[axis] / 2, side / spacing[axis], size[axis])
        centres = middle + ((np.arange(cell) + 0.5) / cell - 0.5) * side / spacing[axis]
        centres = centres[::-1]  # i runs to the left in the picture, j up; both are turned round
        matrix = _axis_weights(size[axis], spacing[axis], pixel, centres)
        used = np.flatnonzero(np.diff(matrix.tocsc().indptr))
        start, stop = int(used[0]), int(used[-1]) + 1
        weights.append(sparse.csr_array(matrix[:, start:stop]))
        starts.append(start)
        stops.append(stop)
        firsts.append(float(centres[0]))
    first, last = _slices(low[2], high[2], margin_mm / spacing[2], size[2], slices)
    block = Block((starts[0], starts[1], first), (stops[0], stops[1], last))
    affine = _crop_affine(reference, side / cell, firsts, first)
    return CropPlan(weights[1], weights[0], block, affine, side)


def _keep_inside(middle: float, extent: float, size: int) -> float:
    """Shift an interval along an axis of ``size`` voxels inwards; centre it if it is longer."""
    if extent >= size:
        return (size - 1) / 2
    return float(np.clip(middle, extent / 2 - 0.5, size - 0.5 - extent / 2))


def _slices(low: float, high: float, margin: float, size: int, wanted: int) -> tuple[int, int]:
    """First slice and the one after the last, in indices of an axis of ``size`` slices."""
    reach = max(margin, 0.5)  # a slice that the region touches is taken even without a margin
    first = max(0, int(np.ceil(low - reach + TOUCH)))
    stop = min(size, int(np.floor(high + reach - TOUCH)) + 1)
    middle = (low + high) / 2
    while stop - first < min(wanted, size):
        below, above = middle - (first - 1), stop - middle
        if stop == size or (first > 0 and below <= above):
            first -= 1
        else:
            stop += 1
    return first, stop


def _axis_weights(
    size: int, spacing: float, pixel: float, centres: NDArray[np.float64]
) -> sparse.csr_array:
    """Weights from an axis's voxels to the crop's pixels, by way of the in-plane resize.

    Args:
        size: voxels along the axis.
        spacing: mm between them.
        pixel: mm between the pixels of the resized scan.
        centres: ``(cell,)`` the crop's pixel centres, in voxel indices.
    """
    count = int(np.ceil(size * spacing / pixel - 1e-9))
    resized = (size - 1) / 2 + (
        np.arange(count, dtype=np.float64) - (count - 1) / 2
    ) * pixel / spacing
    on_resized = (centres - resized[0]) * spacing / pixel
    step = abs(float(centres[1] - centres[0])) * spacing / pixel
    first = linear_weights(size, resized, pixel / spacing)
    second = linear_weights(count, on_resized, step)
    outside = (centres < -0.5 - TOUCH) | (centres > size - 0.5 + TOUCH)
    return sparse.csr_array(sparse.diags_array((~outside).astype(float)) @ (second @ first))


def _crop_affine(reference: Volume, pixel_mm: float, firsts: list[float], first: int) -> Affine:
    """``(column, row, slice)`` to mm: columns run against ``i``, rows against ``j``."""
    spacing = reference.spacing
    affine = np.eye(4)
    affine[:3, 0] = -reference.affine[:3, 0] / spacing[0] * pixel_mm
    affine[:3, 1] = -reference.affine[:3, 1] / spacing[1] * pixel_mm
    affine[:3, 2] = reference.affine[:3, 2]
    affine[:3, 3] = reference.world(np.array([firsts[0], firsts[1], first]))
    return affine


def apply_crop(plan: CropPlan, values: Array) -> Array:
    """Sample a crop.

    Args:
        plan: from ``plan_crop``.
        values: ``(i, j, k)`` of ``plan.block``.

    Returns:
        ``(slice, row, column)`` float32: slices from foot to head, rows from anterior to posterior,
        columns from the patient's right to left, as a radiologist is used to see it.
    """
    cells = [
        # sparse times dense: no BLAS, so the sum's order does not depend on its threads
        plan.columns @ (plan.rows @ values[:, :, k].T.astype(np.float64)).T
        for k in range(values.shape[2])
    ]
    return np.stack([cell.T for cell in cells]).astype(np.float32)
