"""Soft solids on the voxels of many scenes at once.

Lengths are in pixels of a cell; a scene's slices lie ``gap`` pixels apart. A shape's occupancy is 1
inside, 0 outside, and falls linearly over one pixel at its border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from cystgrid.pretraining.draws import Draws


@dataclass(frozen=True)
class Space:
    """Where the voxels of scenes lie, the middle of each scene being 0.

    Attributes:
        z: ``(scene, slice, 1, 1)`` in pixels.
        y: ``(1, 1, row, 1)``.
        x: ``(1, 1, 1, column)``.
    """

    z: Tensor
    y: Tensor
    x: Tensor

    @classmethod
    def of(cls, gap: Tensor, slices: int, pixels: int) -> Space:
        """The space of scenes whose slices lie ``gap`` ``(scene,)`` pixels apart."""
        steps = torch.arange(slices) - (slices - 1) / 2
        across = torch.arange(pixels) - (pixels - 1) / 2
        return cls(
            gap[:, None, None, None] * steps[None, :, None, None],
            across[None, None, :, None],
            across[None, None, None, :],
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return self.z.shape[1], self.y.shape[2], self.x.shape[3]


def occupancy(distance: Tensor) -> Tensor:
    """From the signed distance to a border in pixels, negative inside."""
    return (0.5 - distance).clamp_(0.0, 1.0)


def ellipsoid(space: Space, centre: Tensor, radii: Tensor, turn: Tensor) -> Tensor:
    """Signed distance ``(scene, slice, row, column)`` to ellipsoids, exact on their border.

    Args:
        space: the voxels.
        centre: ``(scene, 3)`` z, y, x.
        radii: ``(scene, 3)``.
        turn: ``(scene, 3, 3)`` from space to the ellipsoid's own axes.
    """
    scaled = turn / radii[:, :, None]  # to units of the radii
    moved = (scaled * centre[:, None, :]).sum(dim=2)
    square = None
    for n in range(3):
        within = _spread(scaled[:, n, 1]) * space.y + _spread(scaled[:, n, 2]) * space.x
        along = within - _spread(moved[:, n]) + _spread(scaled[:, n, 0]) * space.z
        square = along.square_() if square is None else square.addcmul_(along, along)
    assert square is not None  # space has three axes
    return square.sqrt_().sub_(1.0).mul_(_spread(radii.amin(dim=1)))


def _spread(values: Tensor) -> Tensor:
    """``(scene,)`` to ``(scene, 1, 1, 1)``."""
    return values[:, None, None, None]


@dataclass(frozen=True)
class Course:
    """A tube that runs across the slices' plane, at any angle.

    Attributes:
        along: ``(scene, 1, row, column)`` place along the tube, in pixels.
        aside: ``(scene, 1, row, column)`` in-plane distance from its middle line.
        level: ``(scene, 1, row, column)`` height of the middle line.
    """

    along: Tensor
    aside: Tensor
    level: Tensor

    def distance(self, space: Space, radius: Tensor) -> Tensor:
        """Signed distance to the tube of ``radius`` ``(scene, 1, row or 1, column or 1)``."""
        rise = space.z - self.level
        return (rise * rise + self.aside * self.aside).sqrt() - radius


def course(space: Space, draws: Draws, bend: float, rise: float) -> Course:
    """A random one near the middle.

    Args:
        space: the voxels.
        draws: of the batch.
        bend: deviation of its middle line in-plane, in pixels.
        rise: deviation of its height.
    """
    angle = draws.uniform(0, 2 * math.pi)
    cos, sin = _spread(angle.cos()), _spread(angle.sin())
    along = cos * space.x + sin * space.y
    aside = cos * space.y - sin * space.x
    wave = waves(along, draws, bend)
    return Course(along, aside - wave, waves(along, draws, rise))


def waves(along: Tensor, draws: Draws, size: float) -> Tensor:
    """A smooth random function of a place in pixels, of about this deviation."""
    total = torch.zeros_like(along)
    for length in (90.0, 50.0, 28.0):
        phase = _spread(draws.uniform(0, 2 * math.pi))
        height = _spread(draws.normal()) * size * length / 90.0
        total += height * (along * (2 * math.pi / length) + phase).sin()
    return total


def upright(space: Space, draws: Draws, reach: float) -> Tensor:
    """In-plane distance ``(scene, slice, row, column)`` from a line that runs through the slices.

    Args:
        space: the voxels.
        draws: of the batch.
        reach: pixels from the middle within which the line begins.
    """
    lean = 0.6 * draws.normal(2)
    start = draws.uniform(-reach, reach, 2)
    y = _spread(start[:, 0]) + _spread(lean[:, 0]) * space.z
    x = _spread(start[:, 1]) + _spread(lean[:, 1]) * space.z
    return ((space.y - y) ** 2 + (space.x - x) ** 2).sqrt()


def field(space: Space, draws: Draws, nodes: int, count: int = 1) -> Tensor:
    """Smooth random fields ``(scene, count, slice, row, column)`` of deviation about 1.

    Args:
        space: the voxels.
        draws: of the batch.
        nodes: random values along a cell's side; fewer are smoother.
        count: fields a scene.
    """
    slices, rows, columns = space.shape
    levels = max(2, min(slices, nodes))
    drawn = draws.normal(count, levels, nodes, nodes)
    wide = drawn @ _between(nodes, columns).T  # (scene, count, level, node, column)
    flat = _between(nodes, rows) @ wide
    raised = _between(levels, slices) @ flat.flatten(3)
    fields: Tensor = raised.unflatten(3, (rows, columns))
    return fields


@cache
def _between(nodes: int, places: int) -> Tensor:
    """``(place, node)`` weights of linear interpolation, first and last place on a node."""
    position = torch.linspace(0, nodes - 1, places)[:, None]
    return (1 - (position - torch.arange(nodes)).abs()).clamp_min(0)
