"""A patient's lesions as shapes in mm: what they are, where their surfaces lie, what is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.phantom.shapes import FAR, Axes, Ellipsoid, Field, Solid, Tube, Vector

Label = Literal["normal", "low", "high"]
LABELS: tuple[Label, ...] = ("normal", "low", "high")
Sign = Literal["none", "branch-duct cyst", "main duct", "mural nodule", "large cyst and duct"]

SEPTUM_MM = 1.2
DILATED_RADIUS_MM = 2.5
"""A main duct wider than 5 mm counts as lesion in a patient whose sign is the main duct."""

LESION_SHARE = 0.5
"""A voxel is lesion from this share on."""


@dataclass(frozen=True, eq=False)
class Cyst:
    """A branch-duct cyst.

    Attributes:
        lobes: their union is the cyst; septa stand between them.
        neck: the branch that joins it to the main duct.
        diameter: largest extent in mm.
        centre: ``(3,)`` mm, RAS+, of the lobes' extent.
        nodule: a solid on the inside of the wall, or None.
    """

    lobes: tuple[Ellipsoid, ...]
    neck: Tube
    diameter: float
    centre: Vector
    nodule: Ellipsoid | None

    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner of a box around lobes and neck, each ``(3,)`` mm."""
        shapes: list[Solid] = [*self.lobes, self.neck]
        low, high = zip(*(shape.bounds() for shape in shapes), strict=True)
        return np.min(low, axis=0), np.max(high, axis=0)

    def surfaces(self, axes: Axes) -> tuple[Field, Field]:
        """Signed distances in mm to the cyst's wall, and to the septa between its lobes.

        Args:
            axes: of the frame in which the cyst lies.
        """
        first = self.lobes[0].distance(axes)
        second = np.full_like(first, FAR)
        for lobe in self.lobes[1:]:
            distance = lobe.distance(axes)
            np.minimum(second, np.maximum(first, distance), out=second)
            np.minimum(first, distance, out=first)
        return first, (second - first - np.float32(SEPTUM_MM)) * np.float32(0.5)

    def record(self) -> dict[str, Any]:
        """What a check may want to know; mm, RAS+; plain JSON types."""
        nodule = self.nodule
        return {
            "centre_mm": np.round(self.centre, 3).tolist(),
            "diameter_mm": round(self.diameter, 3),
            "lobes": len(self.lobes),
            "nodule_mm": None if nodule is None else round(float(2 * nodule.semi[0]), 3),
            "nodule_centre_mm": None if nodule is None else np.round(nodule.centre, 3).tolist(),
            "neck_mm": np.round(self.neck.points, 3).tolist(),
        }

    def moved(self, turn: Vector, shift: Vector) -> Cyst:
        """The same after ``p -> turn @ p + shift``."""
        return Cyst(
            tuple(lobe.moved(turn, shift) for lobe in self.lobes),
            self.neck.moved(turn, shift),
            self.diameter,
            turn @ self.centre + shift,
            None if self.nodule is None else self.nodule.moved(turn, shift),
        )


@dataclass(frozen=True, eq=False)
class Disease:
    """One patient's lesions.

    Attributes:
        label: the class.
        sign: why it has that class.
        duct: the main duct with its true width.
        cysts: branch-duct cysts, none in a normal pancreas.
    """

    label: Label
    sign: Sign
    duct: Tube
    cysts: tuple[Cyst, ...]

    @property
    def duct_diameter(self) -> float:
        """Largest width of the main duct in mm."""
        return float(2 * self.duct.radii.max())

    @property
    def dilated(self) -> Tube | None:
        """The part of the main duct that is itself the lesion; None where that is no sign."""
        if self.sign != "main duct":
            return None
        wide = np.flatnonzero(self.duct.radii > DILATED_RADIUS_MM)
        part = slice(int(wide[0]), int(wide[-1]) + 1)
        return Tube(self.duct.points[part], self.duct.radii[part])

    def record(self) -> dict[str, Any]:
        """Label, sign, duct and cysts; mm, RAS+; plain JSON types."""
        return {
            "label": self.label,
            "sign": self.sign,
            "main_duct_diameter_mm": round(self.duct_diameter, 3),
            "main_duct_is_lesion": self.dilated is not None,
            "cysts": [cyst.record() for cyst in self.cysts],
        }

    def moved(self, turn: Vector, shift: Vector) -> Disease:
        """The same after ``p -> turn @ p + shift``."""
        cysts = tuple(cyst.moved(turn, shift) for cyst in self.cysts)
        return Disease(self.label, self.sign, self.duct.moved(turn, shift), cysts)


def at_least_half(cover: Field) -> NDArray[np.bool_]:
    """Voxels that are at least half lesion; where none is, the fullest, so that none is lost.

    Args:
        cover: share of each voxel, 0-1.
    """
    part = np.asarray(cover >= LESION_SHARE)
    if cover.any() and not part.any():
        part.flat[cover.argmax()] = True
    return part
