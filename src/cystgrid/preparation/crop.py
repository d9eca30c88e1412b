"""The crop a model sees: the region of interest with a margin, in slices of 64 x 64 pixels.

The paper resizes a scan to 256 x 256 pixels in-plane, crops, and resizes each slice to 64 x 64. All
three run along the reference grid's own axes, so they compose into one matrix for the rows and one
for the columns: one interpolation instead of three, and pixel centres known exactly.

A pancreas is twice as wide as it is deep. As in the paper, its box fills the 64 x 64 pixels, so
that a pixel is wider than it is high; the affine says by how much. A square of the patient would
spend half of its pixels on what lies before and behind the pancreas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cystgrid.preparation.align import Block
from cystgrid.preparation.region import TOUCH, Region, mask_centres
from cystgrid.preparation.resample import linear_weights
from cystgrid.scans.volume import Affine, Array, Volume


@dataclass(frozen=True)
class CropPlan:
    """Where a crop lies on its reference grid, and how it is sampled.

    Attributes:
        rows: ``(cell, j of block)`` sparse weights; row 0 is the most anterior.
        columns: ``(cell, i of block)`` sparse weights; column 0 is the patient's right.
        block: the reference voxels that the weights draw on; its ``k`` range is the crop's slices.
        affine: ``(4, 4)``; ``(column, row, slice, 1)`` of a pixel centre to mm RAS+.
    """

    rows: sparse.csr_array
    columns: sparse.csr_array
    block: Block
    affine: Affine

    @property
    def shape(self) -> tuple[int, int, int]:
        """The crop's ``(slice, row, column)``."""
        return self.block.shape[2], self.rows.shape[0], self.columns.shape[0]


def plan_crop(
    reference: Volume, region: Region, *, margin_mm: float, in_plane: int, cell: int, slices: int
) -> CropPlan:
    """Lay a box around the region.

    In-plane, the box is the region with a margin at each end; at the scan's border it is shifted
    inwards, and it is never larger than the scan. Of the slices, those that the region touches are
    taken; then the nearest further ones, until there are ``slices`` or no more.

    Args:
        reference: canonical scan whose grid the crop follows.
        region: in indices of that grid.
        margin_mm: kept around the region in-plane.
        in_plane: pixels along the longer in-plane side of the whole scan.
        cell: pixels along each of the crop's sides.
        slices: how many slices are wanted at least.
    """
    spacing = np.array(reference.spacing)
    size = np.array(reference.shape)
    low, high = np.array(region.low), np.array(region.high)
    sides = np.minimum((high - low) * spacing + 2 * margin_mm, size * spacing)
    pixel = float((size * spacing)[:2].max()) / in_plane
    weights, starts, stops, firsts = [], [], [], []
    for axis in (0, 1):
        extent = sides[axis] / spacing[axis]
        middle = _keep_inside((low + high)[axis] / 2, extent, size[axis])
        centres = middle + ((np.arange(cell) + 0.5) / cell - 0.5) * extent
        centres = centres[::-1]  # i runs to the left in the picture, j up; both are turned round
        matrix = _axis_weights(size[axis], spacing[axis], pixel, centres)
        used = np.flatnonzero(np.diff(matrix.tocsc().indptr))
        start, stop = int(used[0]), int(used[-1]) + 1
        weights.append(sparse.csr_array(matrix[:, start:stop]))
        starts.append(start)
        stops.append(stop)
        firsts.append(float(centres[0]))
    first, last = _slices(low[2], high[2], size[2], slices)
    block = Block((starts[0], starts[1], first), (stops[0], stops[1], last))
    pixel_mm = float(sides[0]) / cell, float(sides[1]) / cell
    return CropPlan(weights[1], weights[0], block, _crop_affine(reference, pixel_mm, firsts, first))


def _keep_inside(middle: float, extent: float, size: int) -> float:
    """Shift an interval along an axis of ``size`` voxels inwards."""
    return float(np.clip(middle, extent / 2 - 0.5, size - 0.5 - extent / 2))


def _slices(low: float, high: float, size: int, wanted: int) -> tuple[int, int]:
    """First slice and the one after the last, in indices of an axis of ``size`` slices.

    A region that only touches a slice's edge does not take that slice in.
    """
    first = max(0, int(np.ceil(low - 0.5 + TOUCH)))
    stop = min(size, int(np.floor(high + 0.5 - TOUCH)) + 1)
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


def _crop_affine(
    reference: Volume, pixel_mm: tuple[float, float], firsts: list[float], first: int
) -> Affine:
    """``(column, row, slice)`` to mm: columns run against ``i``, rows against ``j``."""
    spacing = reference.spacing
    affine = np.eye(4)
    affine[:3, 0] = -reference.affine[:3, 0] / spacing[0] * pixel_mm[0]
    affine[:3, 1] = -reference.affine[:3, 1] / spacing[1] * pixel_mm[1]
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


def kept_of_mask(mask: Volume, plan: CropPlan) -> float:
    """Share of a mask's voxels, 0-1, whose centres lie in the crop: in its box and its slices.

    1 says that the crop holds the whole mask; less, that the scan, or the crop's slices, end before
    it does.

    Args:
        mask: 0 and 1, not empty, on any grid.
        plan: the crop.
    """
    to_crop = np.linalg.inv(plan.affine)
    last = np.array(plan.shape[::-1]) - 0.5 + TOUCH
    count = kept = 0
    for centres in mask_centres(mask):
        index = centres @ to_crop[:3, :3].T + to_crop[:3, 3]
        count += len(index)
        kept += int(((index >= -0.5 - TOUCH) & (index <= last)).all(axis=1).sum())
    if count == 0:
        raise ValueError("an empty mask: nothing of it can be kept")
    return kept / count


def nearest_on_crop(volume: Volume, affine: Affine, shape: tuple[int, int, int]) -> Array:
    """A mask's values at the crop's pixel centres; 0 beyond the mask's own grid.

    Args:
        volume: on any grid.
        affine: of the crop.
        shape: ``(slice, row, column)`` of the crop.
    """
    slices, rows, columns = np.indices(shape)
    index = np.stack([columns, rows, slices], axis=-1)
    nearest = np.rint(volume.index(index @ affine[:3, :3].T + affine[:3, 3])).astype(int)
    inside = np.all((nearest >= 0) & (nearest < volume.shape), axis=-1)
    values = np.zeros(shape, dtype=np.float32)
    i, j, k = nearest[inside].T
    values[inside] = volume.voxels[i, j, k]
    return values
