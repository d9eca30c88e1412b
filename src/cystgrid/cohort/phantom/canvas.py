"""A part of a scan's grid on which tissues are laid one over the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cystgrid.cohort.phantom.contrast import Contrast, Tissue
from cystgrid.cohort.phantom.disease import Cyst
from cystgrid.cohort.phantom.organ import Lumen, Organ
from cystgrid.cohort.phantom.patient import Patient
from cystgrid.cohort.phantom.shapes import (
    FAR,
    Axes,
    Field,
    Shape,
    Vector,
    box_of,
    cut,
)

Box = tuple[slice, slice, slice]
"""A part of a grid."""
SKIN_MM = 2.0
SHEET_MM, SHEET_FROM, SHEET_FADE_MM = 0.3, 0.62, 12.0
SHEET_SHARES = (0.36, 0.7)
"""Two thin sheets of fat between the three flat muscles of the flank, as shares of its thickness;
they fade out within ``SHEET_FROM`` of the half width from the middle."""
DIAPHRAGM_FROM = 0.0
"""z in mm above which lung can reach beside the domes."""
KEPT_FROM_WALL_MM = 2.0
"""Fat between the wall of the abdomen and what lies in it."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A patient as one scan finds him, in the scan's own frame: axes along its voxel axes, mm."""

    patient: Patient
    rotation: Vector
    shift: Vector

    def place(self, shape: Shape, *, mobile: bool = True) -> Shape:
        """A shape of the patient in the scan's frame."""
        return shape.moved(self.rotation, self._shift(mobile))

    def cyst(self, cyst: Cyst) -> Cyst:
        """A cyst of the patient in the scan's frame."""
        return cyst.moved(self.rotation, self._shift(True))

    def organ(self, organ: Organ) -> Organ:
        """An organ of the patient in the scan's frame."""
        return organ.moved(self.rotation, self._shift(organ.mobile))

    def _shift(self, mobile: bool) -> Vector:
        return self.rotation @ self.shift if mobile else np.zeros(3)


class Canvas:
    """A part of a grid with its sub-slices, being painted."""

    def __init__(
        self, axes: Axes, slices: int, soft: float, scene: Scene, contrast: Contrast
    ) -> None:
        patient, turn, shift = scene.patient, scene.rotation, scene.rotation @ scene.shift
        self.axes, self.soft, self.contrast = axes, np.float32(soft), contrast
        self.wobble = patient.wobble.moved(turn, shift).on(axes)
        self.texture = patient.texture.moved(turn, shift).on(axes)
        self.dome = self._domes([scene.place(dome) for dome in patient.torso.domes])
        self._torso(slices, scene)

    def _domes(self, domes: Sequence[Shape]) -> Field:
        out = np.full_like(self.wobble, -FAR)
        top = self._lowest_lung()
        if top < out.shape[2]:
            box = (slice(None), slice(None), slice(top, None))
            out[box] = FAR
            for dome in domes:
                np.minimum(out[box], dome.distance(cut(self.axes, box)), out=out[box])
        return out

    def box(self, low: Vector, high: Vector) -> Box | None:
        """The part between two corners in mm."""
        return box_of(self.axes, low, high)

    def cover(self, distance: Field) -> Field:
        """The share of each point's surroundings inside a surface; ``distance`` is consumed."""
        distance /= -self.soft
        distance += 0.5
        np.maximum(distance, 0, out=distance)
        return np.minimum(distance, 1, out=distance)

    def lay(self, box: Box, cover: Field, tissue: Tissue) -> None:
        """Paint a tissue with its texture over what is there."""
        self._blend(self.signal[box], cover, self.texture[box], tissue)

    def _blend(self, under: Field, cover: Field, texture: Field, tissue: Tissue) -> None:
        signal = self.contrast.signal[tissue]
        paint = texture * np.float32(signal * self.contrast.texture[tissue])
        paint += np.float32(signal)
        paint -= under
        paint *= cover
        under += paint

    def _torso(self, slices: int, scene: Scene) -> None:
        """Skin, fat, the wall's muscle, visceral fat and lung.

        All but the lung hardly change within a slice and are painted once a slice.
        """
        i, j, k = self.axes
        subslices = k.size // slices
        middle = i, j, k.reshape(1, 1, slices, subslices).mean(axis=3)
        torso = scene.patient.torso
        skin, wall, cavity = (
            scene.place(trunk, mobile=False).distance(middle)
            for trunk in (torso.skin, torso.wall, torso.cavity)
        )
        texture = self.texture[:, :, subslices // 2 :: subslices]
        signal = np.zeros_like(skin)
        wobble = self.wobble[:, :, subslices // 2 :: subslices]
        # The sheets fade out towards the front, where the recti are one muscle.
        inner = SHEET_FROM - np.abs(i) / np.float32(torso.wall.width)
        lateral: Field = (np.maximum(inner, 0) * SHEET_FADE_MM - SHEET_MM / 2).astype(np.float32)
        sheets = [
            np.abs((1 - share) * cavity + share * wall + wobble) + lateral for share in SHEET_SHARES
        ]
        self._blend(signal, self.cover(skin.copy()), texture, Tissue.SKIN)
        self._blend(signal, self.cover(skin + SKIN_MM), texture, Tissue.FAT)
        self._blend(signal, self.cover(wall), texture, Tissue.MUSCLE)
        for sheet in sheets:
            self._blend(signal, self.cover(sheet), texture, Tissue.FAT)
        self._blend(signal, self.cover(cavity.copy()), texture, Tissue.VISCERAL_FAT)
        self.signal = np.repeat(signal, subslices, axis=2)
        self.cavity = np.repeat(cavity, subslices, axis=2)
        chest = slice(None), slice(None), slice(self._lowest_lung(), None)
        self.lay(chest, self.cover(np.maximum(self.cavity[chest], -self.dome[chest])), Tissue.LUNG)

    def _lowest_lung(self) -> int:
        return int(np.searchsorted(self.axes[2].ravel(), DIAPHRAGM_FROM))

    def organ(self, organ: Organ) -> None:
        """An organ, and the content of a hollow one."""
        box = self.box(*organ.bounds())
        if box is None:
            return
        distance = self._surface(organ, box)
        if organ.lumen is None:
            self.lay(box, self.cover(distance), organ.tissue)
            return
        self.lay(box, self.cover(distance.copy()), organ.tissue)
        self._fill(organ.lumen, box, distance)

    def _surface(self, organ: Organ, box: Box) -> Field:
        axes = cut(self.axes, box)
        distance = organ.solids[0].distance(axes)
        for shape in organ.solids[1:]:
            distance = _join(distance, shape.distance(axes), organ.blend)
        for shape in organ.cuts:
            np.maximum(distance, -shape.distance(axes), out=distance)
        if organ.wobble:
            distance += np.float32(organ.wobble) * self.wobble[box]
        if organ.lobulation:
            distance += np.float32(organ.lobulation) * self.texture[box]
        if organ.region != "anywhere":
            np.maximum(distance, self.cavity[box] + KEPT_FROM_WALL_MM, out=distance)
            dome = self.dome[box]
            edge = dome + KEPT_FROM_WALL_MM if organ.region == "abdomen" else -dome
            np.maximum(distance, edge, out=distance)
        return distance

    def _fill(self, lumen: Lumen, box: Box, distance: Field) -> None:
        distance += np.float32(lumen.wall)
        if lumen.folds:
            distance += np.float32(lumen.folds) * self.texture[box]
        inside = self.cover(distance)
        self.lay(box, inside, lumen.content)
        if lumen.gas_level is not None:
            depth = np.float32(lumen.gas_level) - cut(self.axes, box)[1]
            self.lay(box, inside * self.cover(depth.copy()), Tissue.GAS)


def _join(a: Field, b: Field, blend: float) -> Field:
    """Union of two surfaces, melted together over ``blend`` mm (polynomial smooth minimum)."""
    if blend == 0:
        return np.minimum(a, b, out=a)
    near = a - b
    np.abs(near, out=near)
    np.subtract(np.float32(blend), near, out=near)
    np.maximum(near, 0, out=near)
    np.minimum(a, b, out=a)
    near *= near
    near *= np.float32(0.25 / blend)
    a -= near
    return a
