"""How much of each voxel of a scan a disease takes, at the scan's own resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.phantom.disease import LESION_SHARE, Cyst, Disease, at_least_half
from cystgrid.cohort.phantom.shapes import Axes, Field, Vector
from cystgrid.scans.volume import Volume

SUBSLICE_MM = 1.6
"""Largest distance between the sub-slices of which a thick slice is the mean."""

ROOM_MM = 3.0
"""Around all that grows: soft edges."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Covers:
    """Shares of voxels, 0-1, each ``(i, j, k)`` of a part of the scan.

    Attributes:
        box: the part.
        fluid: cysts, their necks and the main duct.
        solid: septa and nodules, over the fluid.
        cysts: each one's.
        duct: of a main duct that is itself the lesion; 0 throughout where it is none.
    """

    box: Box
    fluid: Field
    solid: Field
    cysts: tuple[Field, ...]
    duct: Field

    def lesion(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """The lesions' mask on a whole scan of that shape; no cyst in it is lost altogether."""
        whole = np.zeros(shape, dtype=bool)
        part = self.duct >= LESION_SHARE
        for cyst in self.cysts:
            part |= at_least_half(cyst)
        whole[self.box] = part
        return whole


def cover(disease: Disease, scan: Volume) -> Covers:
    """Lay a disease on a scan's grid, whatever its orientation.

    Args:
        disease: in mm RAS+.
        scan: canonical, its axes at right angles.
    """
    frame = _Frame.of(scan)
    placed = disease.moved(frame.turn.T, np.zeros(3))
    box = frame.box([placed.duct.bounds(), *(cyst.bounds() for cyst in placed.cysts)])
    axes = frame.axes(box)
    fluid = frame.share(placed.duct.distance(axes))
    solid, duct, cysts = np.zeros_like(fluid), np.zeros_like(fluid), []
    for cyst in placed.cysts:
        inside, neck, within = _cyst(cyst, axes, frame)
        np.maximum(fluid, np.maximum(inside, neck), out=fluid)
        np.maximum(solid, within, out=solid)
        cysts.append(frame.averaged(inside))
    if placed.dilated is not None:
        duct = frame.share(placed.dilated.distance(axes))
    return Covers(
        frame.restored(box),
        frame.averaged(fluid),
        frame.averaged(solid),
        tuple(cysts),
        frame.averaged(duct),
    )


def _cyst(cyst: Cyst, axes: Axes, frame: _Frame) -> tuple[Field, Field, Field]:
    """Shares of a cyst, of its neck, and of the septa and the nodule in it."""
    wall, between = cyst.surfaces(axes)
    inside, solid = frame.share(wall), frame.share(between)
    if cyst.nodule is not None:
        solid = np.maximum(solid, frame.share(cyst.nodule.distance(axes)))
    return inside, frame.share(cyst.neck.distance(axes)), inside * solid


@dataclass(frozen=True, eq=False)
class _Frame:
    """A scan's own frame: mm along its axes, the one across its slices last.

    Attributes:
        turn: ``(3, 3)``; its columns are the axes' directions in RAS+.
        first: ``(3,)`` mm of the first voxel's centre in the frame.
        spacing: ``(3,)`` mm.
        shape: voxels.
        order: which axis of the scan each axis of the frame is.
    """

    turn: Vector
    first: Vector
    spacing: Vector
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, scan: Volume) -> _Frame:
        spacing = np.array(scan.spacing)
        thick = int(spacing.argmax())
        order = (*(axis for axis in range(3) if axis != thick), thick)
        turn = (scan.affine[:3, :3] / spacing)[:, order]
        first = turn.T @ scan.affine[:3, 3]
        return cls(turn, first, spacing[list(order)], tuple(scan.shape[n] for n in order), order)

    @property
    def subslices(self) -> int:
        return max(1, int(np.ceil(self.spacing[2] / SUBSLICE_MM)))

    def box(self, corners: list[tuple[Vector, Vector]]) -> Box:
        """Voxels around boxes in mm, within the scan."""
        low = np.min([low for low, _ in corners], axis=0) - ROOM_MM
        high = np.max([high for _, high in corners], axis=0) + ROOM_MM
        begin = np.clip(np.floor((low - self.first) / self.spacing), 0, self.shape).astype(int)
        end = np.clip(np.ceil((high - self.first) / self.spacing) + 1, 0, self.shape).astype(int)
        i, j, k = (slice(int(a), int(max(a, b))) for a, b in zip(begin, end, strict=True))
        return i, j, k

    def axes(self, box: Box) -> Axes:
        """Voxel centres in mm, the last axis with all sub-slices."""
        i, j, k = (
            (self.first[n] + self.spacing[n] * np.arange(part.start, part.stop)).astype(np.float32)
            for n, part in enumerate(box)
        )
        within = ((np.arange(self.subslices) + 0.5) / self.subslices - 0.5) * self.spacing[2]
        fine = (k[:, None] + within.astype(np.float32)).reshape(1, 1, -1)
        return i.reshape(-1, 1, 1), j.reshape(1, -1, 1), fine

    def share(self, distance: Field) -> Field:
        """Share of a point's surroundings inside a surface: edges are soft over one voxel."""
        soft = np.float32(max(self.spacing[0], self.spacing[1]))
        return np.asarray(np.clip(np.float32(0.5) - distance / soft, 0, 1), dtype=np.float32)

    def averaged(self, field: Field) -> Field:
        """Mean over each slice's sub-slices, axes in the scan's order."""
        i, j, fine = field.shape
        slices = field.reshape(i, j, fine // self.subslices, self.subslices).mean(axis=3)
        return np.ascontiguousarray(slices.transpose(np.argsort(self.order)))

    def restored(self, box: Box) -> Box:
        """A box in the scan's order of axes."""
        i, j, k = (box[self.order.index(axis)] for axis in range(3))
        return i, j, k
