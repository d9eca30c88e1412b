"""Paints a patient onto a scan's grid: tissue signal, and how much of each voxel is lesion.

Voxels are averaged over sub-slices through the slice's thickness, so that thin ducts and small
cysts are partly blurred away by thick slices as in a real scan; in the plane, edges are soft over
one voxel. Around the pancreas there are more sub-slices than elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from cystgrid.cohort.phantom.canvas import Box, Canvas, Scene
from cystgrid.cohort.phantom.contrast import Contrast, Tissue
from cystgrid.cohort.phantom.disease import Cyst
from cystgrid.cohort.phantom.shapes import (
    FAR,
    Axes,
    Field,
    Shape,
    Vector,
    cut,
)

WHOLE = (slice(None), slice(None), slice(None))
CYST_ROOM_MM = 5.0
"""Around a cyst: its capsule and soft edges."""
CAPSULE_MM = 1.5
"""Gland that is stretched over a cyst or a wide duct."""


@dataclass(frozen=True, eq=False)
class Painted:
    """What painting a part of a grid gives; each ``(i, j, k)`` float32 of that part.

    Attributes:
        signal: relative signal.
        pancreas: share of the voxel that is gland, duct or lesion.
        cysts: for each cyst, the share that is inside it.
        duct: share that is main duct wide enough to be a lesion.
    """

    signal: Field
    pancreas: Field
    cysts: tuple[Field, ...]
    duct: Field


def paint(axes: Axes, soft: float, scene: Scene, contrast: Contrast, slices: int) -> Painted:
    """Paint one part of a grid.

    Args:
        axes: mm in the scan's frame; the third holds all sub-slices, slice by slice.
        soft: mm over which edges are soft.
        scene: the patient in the scan's frame.
        contrast: tissue signals.
        slices: number of slices the sub-slices belong to.
    """
    canvas = Canvas(axes, slices, soft, scene, contrast)
    for organ in scene.patient.organs:
        canvas.organ(scene.organ(organ))
    pancreas, cysts, duct = _pancreas(canvas, scene)
    return Painted(
        _average(canvas.signal, slices),
        _average(pancreas, slices),
        tuple(_average(cyst, slices) for cyst in cysts),
        _average(duct, slices),
    )


def _average(field: Field, slices: int) -> Field:
    """Mean over each slice's sub-slices; strided sums beat ``mean`` over so short an axis."""
    subslices = field.shape[2] // slices
    total = field[:, :, ::subslices].copy()
    for n in range(1, subslices):
        total += field[:, :, n::subslices]
    total /= subslices
    return total


def _pancreas(canvas: Canvas, scene: Scene) -> tuple[Field, list[Field], Field]:
    """Gland, capsules, ducts, cysts, nodules; and the shares of pancreas, each cyst, wide duct."""
    gland, disease = scene.patient.gland, scene.patient.disease
    tissue = np.full_like(canvas.signal, FAR)
    for tube in gland.parenchyma:
        np.minimum(tissue, scene.place(tube).distance(canvas.axes), out=tissue)
    tissue += np.float32(gland.lobulation) * canvas.texture
    duct = scene.place(disease.duct).distance(canvas.axes)
    np.minimum(tissue, duct - CAPSULE_MM, out=tissue)
    grown = [_Grown.of(canvas, scene, cyst) for cyst in disease.cysts]
    for cyst in grown:
        part = tissue[cyst.box]
        np.minimum(part, cyst.outside - CAPSULE_MM, out=part)
    pancreas = canvas.cover(tissue)
    canvas.lay(WHOLE, pancreas, Tissue.PANCREAS)
    canvas.lay(WHOLE, canvas.cover(duct), Tissue.DUCT_FLUID)
    covers = [cyst.lay(canvas) for cyst in grown]
    if disease.dilated is not None:
        wide = canvas.cover(scene.place(disease.dilated).distance(canvas.axes))
        return pancreas, covers, wide
    return pancreas, covers, np.zeros_like(pancreas)


@dataclass(frozen=True, eq=False)
class _Grown:
    """A cyst's surfaces in its own box of the canvas; distances in mm."""

    box: Box
    outside: Field
    septa: Field
    neck: Field
    nodule: Field | None

    @classmethod
    def of(cls, canvas: Canvas, scene: Scene, cyst: Cyst) -> Self:
        placed = scene.cyst(cyst)
        low, high = placed.bounds()
        box = canvas.box(low - CYST_ROOM_MM, high + CYST_ROOM_MM)
        if box is None:
            raise ValueError("a cyst lies outside the scan")
        axes = cut(canvas.axes, box)
        outside, septa = placed.surfaces(axes)
        nodule = None if placed.nodule is None else placed.nodule.distance(axes)
        return cls(box, outside, septa, placed.neck.distance(axes), nodule)

    def lay(self, canvas: Canvas) -> Field:
        """Paint it; returns the share of each point of the whole canvas inside the cyst."""
        canvas.lay(self.box, canvas.cover(self.neck), Tissue.DUCT_FLUID)
        inside = canvas.cover(self.outside)
        canvas.lay(self.box, inside, Tissue.CYST_FLUID)
        canvas.lay(self.box, inside * canvas.cover(self.septa), Tissue.SEPTUM)
        if self.nodule is not None:
            canvas.lay(self.box, inside * canvas.cover(self.nodule), Tissue.NODULE)
        cover = np.zeros_like(canvas.signal)
        cover[self.box] = inside
        return cover


def fine_box(scene: Scene) -> tuple[Vector, Vector]:
    """Corners in the scan's frame around the gland and all that grows in it."""
    gland, disease = scene.patient.gland, scene.patient.disease
    shapes: list[Shape] = [*gland.parenchyma, disease.duct]
    shapes += [lobe for cyst in disease.cysts for lobe in cyst.lobes]
    corners = [scene.place(shape).bounds() for shape in shapes]
    room = 4 * gland.lobulation + CAPSULE_MM + 2
    low = np.min([low for low, _ in corners], axis=0) - room
    return low, np.max([high for _, high in corners], axis=0) + room
