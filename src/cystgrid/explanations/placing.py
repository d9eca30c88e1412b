"""A map's way back: grid pixels -> the crop's slices -> the scan's own voxels.

No value is made up on the way: a voxel has the value of the map's pixel that covers its centre, and
0 where the network saw nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cystgrid.grids.forms import Form
from cystgrid.grids.tiling import central_start, untile
from cystgrid.scans.volume import Affine, Array, Volume

if TYPE_CHECKING:  # the page shows heights without torch
    from torch import Tensor


@dataclass(frozen=True)
class Window:
    """The crop's slices that a network was shown.

    Attributes:
        first, stop: its slices, counted from the crop's first; ``stop`` is the one after the last.
    """

    first: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.first

    @classmethod
    def shown(cls, form: Form, cells: int, depth: int) -> Window:
        """What of a crop of ``depth`` slices a network sees at inference.

        Args:
            form: how slices reach the network.
            cells: slices in a grid.
            depth: slices of the crop.
        """
        if form.kind == "volume":
            return cls(0, depth)
        count = form.count(cells)
        first = central_start(depth, count)
        return cls(first, min(first + count, depth))


def on_slices(values: Tensor, form: Form, cells: int, depth: int) -> Array:
    """Bring maps from a network's input back to the slices of the crop.

    Where a short crop's last slice stood in several cells, their relevance adds up: all of it rests
    on that slice. A cube's planes are shared out among the slices that they overlap. Either way the
    sum over the map stays what it was.

    Args:
        values: ``(map, height, width)`` for a grid, else ``(map, slice, row, column)``.
        form: how slices reached the network.
        cells: slices in a grid.
        depth: slices of the crop.

    Returns:
        ``(map, slice, row, column)`` float32: every slice of the crop, 0 where the network saw
        nothing; rows and columns as many as the network saw in a slice.
    """
    seen = (untile(values, cells) if form.kind == "grid" else values).numpy()
    if form.kind == "volume":
        weights = _overlaps(seen.shape[1], depth)
    else:
        weights = _positions(seen.shape[1], depth)
    placed: Array = np.einsum("sp,mprc->msrc", weights, seen.astype(np.float64)).astype(np.float32)
    return placed


def _positions(count: int, depth: int) -> NDArray[np.float64]:
    """``(slice, position)``: 1 where a position of a window showed a slice."""
    shown = np.minimum(central_start(depth, count) + np.arange(count), depth - 1)
    return np.asarray(np.arange(depth)[:, None] == shown[None, :], dtype=np.float64)


def _overlaps(planes: int, depth: int) -> NDArray[np.float64]:
    """``(slice, plane)``: the share of each of a cube's planes that lies in each slice."""
    edges = np.arange(planes + 1) * depth / planes
    slices = np.arange(depth)[:, None]
    shared = np.minimum(edges[None, 1:], slices + 1) - np.maximum(edges[None, :-1], slices)
    weights: NDArray[np.float64] = np.clip(shared, 0, None) * planes / depth
    return weights


def pixels_affine(affine: Affine, crop: tuple[int, int], seen: tuple[int, int]) -> Affine:
    """Where a map's pixels lie, when a network saw more or fewer of them than were prepared.

    Args:
        affine: ``(4, 4)`` of the crop: ``(column, row, slice, 1)`` of a pixel centre to mm RAS+.
        crop: its rows and columns.
        seen: rows and columns of the map, over the same part of the patient.

    Returns:
        The same for the map's pixels.
    """
    steps = np.eye(4)
    for axis, number in ((0, 1), (1, 0)):  # an affine's first axis is the column
        steps[axis, axis] = crop[number] / seen[number]
        steps[axis, 3] = (steps[axis, axis] - 1) / 2
    placed: Affine = affine @ steps
    return placed


def on_scan(values: Array, affine: Affine, scan: Volume) -> Volume:
    """Lay one map on a scan's own grid, whatever its orientation.

    Args:
        values: ``(slice, row, column)``.
        affine: ``(4, 4)``; ``(column, row, slice, 1)`` of a pixel centre to mm RAS+.
        scan: as its file stores it, on any grid.

    Returns:
        The scan's shape and affine; each voxel has the value of the pixel that covers its centre,
        and 0 outside of all pixels.
    """
    shape = np.array(values.shape[::-1])  # column, row, slice
    to_pixels = np.linalg.inv(affine) @ scan.affine
    to_voxels = np.asarray(np.linalg.inv(to_pixels), dtype=np.float64)
    low, high = _box(to_voxels, shape, scan.shape)
    steps = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    nearest, inside = [], np.ones([max(b - a, 0) for a, b in zip(low, high, strict=True)], bool)
    for axis in range(3):
        position = to_pixels[axis, 3] + sum(to_pixels[axis, n] * steps[n] for n in range(3))
        index = np.floor(position + 0.5).astype(np.int64)
        inside &= (index >= 0) & (index < shape[axis])
        nearest.append(index)
    column, row, number = (np.broadcast_to(index, inside.shape)[inside] for index in nearest)
    part = np.zeros(inside.shape, dtype=np.float32)
    part[inside] = values[number, row, column]
    voxels = np.zeros(scan.shape, dtype=np.float32)
    voxels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = part
    return Volume(voxels, scan.affine, scan.source)


def _box(
    to_voxels: Affine, shape: NDArray[np.int64], size: tuple[int, int, int]
) -> tuple[list[int], list[int]]:
    """The voxels, first and one after the last on each axis, among which all pixels lie."""
    corners = np.array(list(product(*((-0.5, count - 0.5) for count in shape))))
    voxels = corners @ to_voxels[:3, :3].T + to_voxels[:3, 3]
    low = np.clip(np.floor(voxels.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(voxels.max(axis=0)) + 1, low, size).astype(int)
    return low.tolist(), high.tolist()


def slice_heights(affine: Affine, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Height in the patient of each slice's middle: ``(slice,)`` z in mm, RAS+.

    Args:
        affine: of the crop or the map.
        shape: its ``(slice, row, column)``.
    """
    slices, rows, columns = shape
    middles = [[(columns - 1) / 2, (rows - 1) / 2, number, 1.0] for number in range(slices)]
    return np.asarray((np.array(middles) @ affine.T)[:, 2])
