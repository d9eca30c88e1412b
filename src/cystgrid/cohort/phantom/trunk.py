"""The torso's surfaces: a squircle in each slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cystgrid.cohort.phantom.shapes import FAR, Axes, Field, Vector, planar

FURROW_WIDTH = 15.0
"""mm; half width of the groove along the back."""


@dataclass(frozen=True, eq=False)
class Trunk:
    """A squircle in each slice, ``X^2 + Y^2 - s X^2 Y^2 = 1``, that narrows towards a waist.

    Attributes:
        centre: mm; where the trunk is widest, at its waist.
        width: half width in mm at the waist.
        depth: mm from the centre to the front and to the back.
        square: of the front and of the back half; 0 is an ellipse, 1 a rectangle.
        flare: growth of width and depth at 100 mm from the waist, as a fraction.
        furrow: depth in mm of the groove along the back, where the spine is.
        pose: rotation of the patient's axes in this frame.
    """

    centre: Vector
    width: float
    depth: tuple[float, float]
    square: tuple[float, float]
    flare: float
    furrow: float
    pose: Vector

    def moved(self, rotation: Vector, shift: Vector) -> Self:
        """See ``Shape.moved``."""
        return replace(self, centre=rotation @ self.centre + shift, pose=rotation @ self.pose)

    def bounds(self) -> tuple[Vector, Vector]:
        """See ``Shape.bounds``."""
        return np.full(3, -FAR), np.full(3, FAR)

    def distance(self, axes: Axes) -> Field:
        """See ``Shape.distance``."""
        u, v, w = (axis - np.float32(c) for axis, c in zip(axes, self.centre, strict=True))
        grow = np.float32(1) / (1 + np.float32(self.flare) * (w / 100) ** 2)
        x_plane, x_through = planar((u, v, w), self.pose[:, 0] / self.width)
        y_plane, y_through = planar((u, v, w), self.pose[:, 1])
        front = y_plane > 0
        inverse = np.where(front, *(np.float32(1 / depth) for depth in self.depth))
        square = np.where(front, *(np.float32(value) for value in self.square))
        groove = np.exp(-((x_plane * np.float32(self.width / FURROW_WIDTH)) ** 2)) * ~front
        x = x_plane * grow
        x += x_through * grow
        y = (y_plane * inverse) * grow
        y += inverse * (y_through * grow)
        x *= x
        y *= y
        # Beyond 1 the cross term is held, or the curve's other branch would appear in the corners.
        cross = np.minimum(x, 1)
        cross *= -square
        cross *= np.minimum(y, 1)
        cross += x
        cross += y
        np.maximum(cross, 0, out=cross)
        np.sqrt(cross, out=cross)
        cross -= 1
        cross *= np.float32(np.sqrt(self.width * sum(self.depth) / 2))
        cross += np.float32(self.furrow) * groove
        return cross
