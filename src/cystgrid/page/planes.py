"""Scans cut along the body's own axes: planes whose pixels are millimetres of the patient's frame.

A scan may be oblique, coronal, or coarser than the other one. Both are shown on one grid whose axes
are x, y and z in mm (RAS+), so that a place in one picture is the same place in every other, and a
box drawn on a picture is the box that is read. Radiological convention: the patient's right on the
left, the front at the top or on the left, the head at the top.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from cystgrid.scans.volume import Volume

Axis = Literal["axial", "coronal", "sagittal"]
AXES: tuple[Axis, ...] = ("axial", "coronal", "sagittal")

NORMAL: dict[Axis, int] = {"axial": 2, "coronal": 1, "sagittal": 0}
"""World axis across the planes: 0 is x, 1 is y, 2 is z."""

ACROSS_DOWN: dict[Axis, tuple[int, int]] = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
"""World axes along a picture's width and height; along both, positions fall."""

MOST_PIXELS = 512
"""Along a side: finer scans are shown at this."""


@dataclass(frozen=True)
class Frame:
    """A box in the patient's frame, cut into cells.

    Attributes:
        low: its lower edges ``(x, y, z)`` in mm, RAS+.
        step: a cell's sides in mm.
        count: cells along each axis.
    """

    low: tuple[float, float, float]
    step: tuple[float, float, float]
    count: tuple[int, int, int]

    @classmethod
    def around(cls, scan: Volume) -> Frame:
        """The frame of a canonical scan: its bounds, its spacing along the nearest axes."""
        corners = product(*((-0.5, count - 0.5) for count in scan.shape))
        placed = scan.world(np.array(list(corners)))
        low, high = placed.min(axis=0), placed.max(axis=0)
        count = np.clip(np.rint((high - low) / scan.spacing), 1, MOST_PIXELS).astype(int)
        x, y, z = low.tolist()
        dx, dy, dz = ((high - low) / count).tolist()
        return cls((x, y, z), (dx, dy, dz), (int(count[0]), int(count[1]), int(count[2])))

    @property
    def high(self) -> tuple[float, float, float]:
        """Upper edges in mm."""
        x, y, z = (a + n * d for a, n, d in zip(self.low, self.count, self.step, strict=True))
        return x, y, z

    def centres(self, axis: int) -> NDArray[np.float64]:
        """Middles of the cells along a world axis in mm, ascending."""
        steps: NDArray[np.float64] = np.arange(self.count[axis], dtype=np.float64) + 0.5
        return np.asarray(self.low[axis] + steps * self.step[axis])

    def geometry(self) -> dict[str, object]:
        """For a browser: edges and numbers of cells."""
        return {"low": list(self.low), "high": list(self.high), "count": list(self.count)}


def plane(
    scan: Volume, frame: Frame, axis: Axis, number: int, *, nearest: bool
) -> NDArray[np.float32]:
    """One plane of a frame through a scan.

    Args:
        scan: canonical.
        frame: on which it is shown.
        axis: which way it is cut.
        number: of the plane, along the world axis, ascending.
        nearest: whether each pixel has the value of the voxel it lies in (a map), or of all around.

    Returns:
        ``(row, column)``; 0 outside of the scan.
    """
    across, down = ACROSS_DOWN[axis]
    columns, rows = frame.centres(across)[::-1], frame.centres(down)[::-1]
    places = np.empty((len(rows), len(columns), 3))
    places[..., across], places[..., down] = columns[None, :], rows[:, None]
    places[..., NORMAL[axis]] = frame.centres(NORMAL[axis])[number]
    index = scan.index(places).transpose(2, 0, 1)
    edge = np.array(scan.shape)[:, None, None] - 0.5
    inside = ((index >= -0.5) & (index <= edge)).all(axis=0)
    values: NDArray[np.float32] = map_coordinates(
        scan.voxels, index, order=0 if nearest else 1, mode="nearest", output=np.float32
    )
    return np.where(inside, values, np.float32(0))
