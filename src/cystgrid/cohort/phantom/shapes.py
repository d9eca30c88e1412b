"""Implicit shapes in millimetres: a distance below zero inside, above zero outside.

A shape is made in the patient's frame (mm, RAS+) and ``moved`` into a scan's own frame, whose axes
run along the scan's voxel axes. There a grid is separable: ``axes`` are three float32 arrays of
shapes ``(i, 1, 1)``, ``(1, j, 1)``, ``(1, 1, k)`` holding mm, so an oblique quadric costs as many
operations a voxel as an upright one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Axes = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Field = NDArray[np.float32]
Vector = NDArray[np.float64]

FAR = 1e3
"""mm; further from a tube than anything looks."""
TUBE_MARGIN, THIN_MARGIN = 6.0, 2.0
"""mm; the first leaves room for undulation and capsules, the second for a soft edge only."""


class Shape(Protocol):
    """A solid that knows its extent and the distance of points to its surface."""

    def moved(self, rotation: Vector, shift: Vector) -> Self:
        """The same solid after ``p -> rotation @ p + shift``."""
        ...

    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner of a box around the solid, each ``(3,)`` mm."""
        ...

    def distance(self, axes: Axes) -> Field:
        """About the signed distance in mm, exact near the surface to first order."""
        ...


def planar(axes: Axes, direction: Vector) -> tuple[Field, Field]:
    """``direction . p`` as parts ``(i, j, 1)`` in the plane and ``(1, 1, k)`` through it."""
    u, v, w = axes
    d = direction.astype(np.float32)
    return d[0] * u + d[1] * v, d[2] * w


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """Semi-axes in mm along the columns of ``turn``."""

    centre: Vector
    semi: Vector
    turn: Vector

    def moved(self, rotation: Vector, shift: Vector) -> Self:
        """See ``Shape.moved``."""
        return replace(self, centre=rotation @ self.centre + shift, turn=rotation @ self.turn)

    def bounds(self) -> tuple[Vector, Vector]:
        """See ``Shape.bounds``."""
        reach = np.sqrt(((self.turn * self.semi) ** 2).sum(axis=1))
        return self.centre - reach, self.centre + reach

    def distance(self, axes: Axes) -> Field:
        """See ``Shape.distance``."""
        form = ((self.turn / self.semi**2) @ self.turn.T).astype(np.float32)
        u, v, w = (axis - np.float32(c) for axis, c in zip(axes, self.centre, strict=True))
        plane = form[0, 0] * u * u + form[1, 1] * v * v + 2 * form[0, 1] * u * v
        tilt = 2 * (form[0, 2] * u + form[1, 2] * v)
        out = tilt * w
        out += plane
        out += form[2, 2] * w * w
        np.maximum(out, 0, out=out)
        np.sqrt(out, out=out)
        out -= 1
        out *= np.float32(np.prod(self.semi) ** (1 / 3))
        return np.asarray(out)

    def clearance(self, points: Vector) -> Vector:
        """About the signed distance in mm of ``points (n, 3)``."""
        reach = np.linalg.norm((points - self.centre) @ self.turn / self.semi, axis=1)
        return np.asarray((reach - 1) * float(np.prod(self.semi) ** (1 / 3)))


@dataclass(frozen=True, eq=False)
class Cylinder:
    """An elliptic cylinder along the third column of ``turn``, cut at ``half_height`` mm."""

    centre: Vector
    semi: Vector
    half_height: float
    turn: Vector

    def moved(self, rotation: Vector, shift: Vector) -> Self:
        """See ``Shape.moved``."""
        return replace(self, centre=rotation @ self.centre + shift, turn=rotation @ self.turn)

    def bounds(self) -> tuple[Vector, Vector]:
        """See ``Shape.bounds``."""
        semi = np.array([*self.semi, self.half_height])
        reach = np.abs(self.turn * semi).sum(axis=1)
        return self.centre - reach, self.centre + reach

    def distance(self, axes: Axes) -> Field:
        """See ``Shape.distance``."""
        u, v, w = (axis - np.float32(c) for axis, c in zip(axes, self.centre, strict=True))
        local = [
            np.add(*planar((u, v, w), self.turn[:, m] / scale))
            for m, scale in enumerate((*self.semi, 1.0))
        ]
        radial = np.sqrt(local[0] ** 2 + local[1] ** 2)
        radial -= 1
        radial *= np.float32(np.sqrt(self.semi[0] * self.semi[1]))
        ends = np.abs(local[2])
        ends -= np.float32(self.half_height)
        return np.asarray(np.maximum(radial, ends))


@dataclass(frozen=True, eq=False)
class Tube:
    """A polyline with a radius at each point, joined by round cones.

    Attributes:
        points: ``(n, 3)`` mm.
        radii: ``(n,)`` mm.
        margin: mm around it within which its distance is exact; further off it is ``FAR``.
    """

    points: Vector
    radii: Vector
    margin: float = TUBE_MARGIN

    def moved(self, rotation: Vector, shift: Vector) -> Self:
        """See ``Shape.moved``."""
        return replace(self, points=self.points @ rotation.T + shift)

    def bounds(self) -> tuple[Vector, Vector]:
        """See ``Shape.bounds``."""
        reach = self.radii[:, None]
        return (self.points - reach).min(axis=0), (self.points + reach).max(axis=0)

    def distance(self, axes: Axes) -> Field:
        """See ``Shape.distance``."""
        out = np.full([axis.size for axis in axes], FAR, dtype=np.float32)
        reach = np.maximum(self.radii[1:], self.radii[:-1])[:, None] + self.margin
        low = np.minimum(self.points[1:], self.points[:-1]) - reach
        high = np.maximum(self.points[1:], self.points[:-1]) + reach
        firsts = [np.searchsorted(axis.ravel(), low[:, m]) for m, axis in enumerate(axes)]
        lasts = [np.searchsorted(axis.ravel(), high[:, m]) for m, axis in enumerate(axes)]
        for n, (i, j, k, i_end, j_end, k_end) in enumerate(zip(*firsts, *lasts, strict=True)):
            if i == i_end or j == j_end or k == k_end:
                continue
            box = slice(i, i_end), slice(j, j_end), slice(k, k_end)
            part = out[box]
            ends, radii = self.points[n : n + 2], self.radii[n : n + 2]
            np.minimum(part, _round_cone(cut(axes, box), ends, radii), out=part)
        return out

    def clearance(self, points: Vector) -> Vector:
        """Signed distance in mm of ``points (n, 3)`` to balls at the polyline's points."""
        apart = np.linalg.norm(points[:, None] - self.points[None], axis=2) - self.radii
        return np.asarray(apart.min(axis=1))


Solid = Ellipsoid | Tube
"""Shapes that tell their distance to single points."""


def _round_cone(axes: Axes, ends: Vector, radii: Vector) -> Field:
    span = ends[1] - ends[0]
    length = max(float(np.sqrt(span @ span)), 1e-6)
    way = (span / length).astype(np.float32)
    start = ends[0].astype(np.float32)
    u, v, w = axes[0] - start[0], axes[1] - start[1], axes[2] - start[2]
    along = (way[0] * u + way[1] * v) + way[2] * w
    t = np.minimum(np.maximum(along, 0), np.float32(length))
    square = (u * u + v * v) + w * w
    along *= 2
    along -= t
    along *= t
    square -= along
    np.maximum(square, 0, out=square)
    np.sqrt(square, out=square)
    t *= np.float32((radii[1] - radii[0]) / length)
    square -= t
    square -= np.float32(radii[0])
    return np.asarray(square)


def box_of(axes: Axes, low: Vector, high: Vector) -> tuple[slice, slice, slice] | None:
    """The part of a separable grid between two corners in mm; None where it holds no voxel."""
    parts = []
    for axis, a, b in zip(axes, low, high, strict=True):
        first, last = np.searchsorted(axis.ravel(), (a, b), side="left")
        if first >= last:
            return None
        parts.append(slice(int(first), int(last)))
    return parts[0], parts[1], parts[2]


def cut(axes: Axes, box: tuple[slice, slice, slice]) -> Axes:
    """The axes of a part of a separable grid."""
    return axes[0][box[0]], axes[1][:, box[1]], axes[2][:, :, box[2]]


def rotation(degrees: tuple[float, float, float]) -> Vector:
    """Rotation ``(3, 3)`` by angles about x, then y, then z, right-handed."""
    a, b, c = np.deg2rad(degrees)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(rz @ ry @ rx)


def smooth_path(points: Vector, step: float) -> tuple[Vector, Vector]:
    """A cubic spline through ``points (n, 3)`` mm, about every ``step`` mm.

    Returns:
        Points ``(m, 3)``, and where each lies on the control points' count, from 0 to n - 1.
    """
    knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(2, int(np.ceil(knots[-1] / step)) + 1)
    at = np.linspace(0, knots[-1], count)
    return CubicSpline(knots, points)(at), np.interp(at, knots, np.arange(len(points)))


def clearance(points: Vector, shapes: Sequence[Shape]) -> Vector:
    """Distance in mm of ``points (n, 3)`` to the nearest ellipsoid or tube, below zero inside one.

    Shapes of other kinds are passed over.
    """
    solids = [shape for shape in shapes if isinstance(shape, Solid)]
    return np.asarray(np.min([solid.clearance(points) for solid in solids], axis=0))
