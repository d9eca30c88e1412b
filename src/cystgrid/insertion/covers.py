"""How much of each voxel of a scan a disease takes, at the scan's own resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cystgrid.cohort.phantom.lesions import DILATED_RADIUS_MM, SEPTUM_MM, Cyst, Disease
from cystgrid.cohort.phantom.shapes import FAR, Axes, Field, Shape, Tube, Vector
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
        lesion: cysts, and a main duct that is itself the lesion.
    """

    box: Box
    fluid: Field
    solid: Field
    lesion: Field


def cover(disease: Disease, scan: Volume) -> Covers:
    """Lay a disease on a scan's grid, whatever its orientation.

    Args:
        disease: in mm RAS+.
        scan: canonical, its axes at right angles.
    """
    frame = _Frame.of(scan)
    placed = disease.moved(frame.turn.T, np.zeros(3))
    box = frame.box(_shapes(placed))
    axes = frame.axes(box)
    duct = frame.share(placed.duct.distance(axes))
    fluid, solid, lesion = duct.copy(), np.zeros_like(duct), np.zeros_like(duct)
    for cyst in placed.cysts:
        inside, neck, within = _cyst(cyst, axes, frame)
        np.maximum(fluid, np.maximum(inside, neck), out=fluid)
        np.maximum(solid, within, out=solid)
        np.maximum(lesion, inside, out=lesion)
    if placed.sign == "main duct":
        np.maximum(lesion, frame.share(_dilated(placed.duct).distance(axes)), out=lesion)
    return Covers(frame.restored(box), *(frame.averaged(each) for each in (fluid, solid, lesion)))


def _cyst(cyst: Cyst, axes: Axes, frame: _Frame) -> tuple[Field, Field, Field]:
    """Shares of a cyst, of its neck, and of the septa and the nodule in it."""
    first = cyst.lobes[0].distance(axes)
    second = np.full_like(first, FAR)
    for lobe in cyst.lobes[1:]:
        distance = lobe.distance(axes)
        np.minimum(second, np.maximum(first, distance), out=second)
        np.minimum(first, distance, out=first)
    inside = frame.share(first)
    septa = frame.share((second - first - np.float32(SEPTUM_MM)) * np.float32(0.5))
    if cyst.nodule is not None:
        septa = np.maximum(septa, frame.share(cyst.nodule.distance(axes)))
    return inside, frame.share(cyst.neck.distance(axes)), inside * septa


def _dilated(duct: Tube) -> Tube:
    wide = np.flatnonzero(duct.radii > DILATED_RADIUS_MM)
    part = slice(int(wide[0]), int(wide[-1]) + 1)
    return Tube(duct.points[part], duct.radii[part])


def _shapes(disease: Disease) -> list[Shape]:
    lobes = [lobe for cyst in disease.cysts for lobe in cyst.lobes]
    return [disease.duct, *lobes, *(cyst.neck for cyst in disease.cysts)]


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

    def box(self, shapes: list[Shape]) -> Box:
        """Voxels around shapes, within the scan."""
        corners = [shape.bounds() for shape in shapes]
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
