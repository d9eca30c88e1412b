"""The duct, cysts and nodules of random scenes: any number, any size, by no rule of any grade."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cystgrid.pretraining.canvas import Canvas
from cystgrid.pretraining.contrasts import Contrasts
from cystgrid.pretraining.draws import Draws
from cystgrid.pretraining.shapes import Course, Space, ellipsoid, field, occupancy
from cystgrid.pretraining.tissues import Fact, Tissue

MOST_CYSTS = 5
CYST_RADII = (1.2, 13.0)
"""Pixels of a cell."""

DUCT_RADII = (0.3, 4.5)
SEEN = 0.5
"""A cyst or nodule counts where a voxel of the grid is at least so much of it."""


def paint_lesions(
    canvas: Canvas, space: Space, gland: Course, contrasts: Contrasts, draws: Draws
) -> Tensor:
    """Paint them into the pancreas.

    Returns:
        ``(scene, fact)``, in pixels and numbers.
    """
    facts = torch.zeros(draws.scenes, len(Fact))
    facts[:, Fact.DUCT_RADIUS] = _paint_duct(canvas, space, gland, contrasts, draws)
    cysts = _draw_cysts(space, gland, draws)
    canvas.paint(cysts.walls, contrasts.wall)
    canvas.paint(cysts.fluid, contrasts.cyst, Tissue.CYST)
    canvas.paint(cysts.septa, contrasts.wall)
    canvas.paint(cysts.nodules, contrasts.nodule, Tissue.NODULE)
    facts[:, Fact.CYSTS], facts[:, Fact.CYST_RADIUS] = cysts.number, cysts.largest
    facts[:, Fact.NODULE] = (cysts.nodules.flatten(1).amax(dim=1) >= SEEN).float()
    return facts


@dataclass
class _Cysts:
    """All cysts of each scene together: ``(scene, slice, row, column)`` covers.

    Attributes:
        number, largest: ``(scene,)`` how many are seen, and the largest one's radius.
    """

    walls: Tensor
    fluid: Tensor
    septa: Tensor
    nodules: Tensor
    number: Tensor
    largest: Tensor

    def add(self, walls: Tensor, fluid: Tensor, septa: Tensor, nodules: Tensor) -> None:
        """One more cyst a scene; where two overlap, they are one."""
        self.walls = torch.maximum(self.walls, walls)
        self.fluid = torch.maximum(self.fluid, fluid)
        self.septa = torch.maximum(self.septa, septa)
        self.nodules = torch.maximum(self.nodules, nodules)


def _draw_cysts(space: Space, gland: Course, draws: Draws) -> _Cysts:
    """None to five a scene, apart or in a cluster."""
    empty = torch.zeros(draws.scenes, *space.shape)
    cysts = _Cysts(*[empty] * 4, *[torch.zeros(draws.scenes)] * 2)
    lobes = draws.uniform(0, 0.12, 1, 1, 1) * field(space, draws, nodes=10)[:, 0]
    number = draws.whole(MOST_CYSTS + 1) * draws.happens(0.75)
    first = _places(gland, space, draws)
    clustered = draws.happens(0.35)[:, None]
    for n in range(MOST_CYSTS):
        near = first + 5 * draws.normal(3)
        centre = torch.where(clustered, near, _places(gland, space, draws))
        _draw_cyst(cysts, space, centre, number > n, lobes, draws)
    return cysts


def _paint_duct(
    canvas: Canvas, space: Space, gland: Course, contrasts: Contrasts, draws: Draws
) -> Tensor:
    """The main duct along the gland; its radius ``(scene,)``, 0 where there is none to be seen."""
    there = draws.happens(0.8)
    radius = draws.log_uniform(*DUCT_RADII) * there
    upstream = draws.uniform(-20, 20, 1, 1, 1)
    wider = draws.happens(0.4, 1, 1, 1) * draws.uniform(0, 1.5, 1, 1, 1)
    local = radius[:, None, None, None] * (1 + wider * (gland.along > upstream))
    beaded = 1 + draws.uniform(0, 0.4, 1, 1, 1) * (gland.along * (2 * math.pi / 9)).sin()
    half = draws.uniform(10, 36, 1, 1, 1)
    ends = (gland.along.abs() - half).clamp_min(0)
    thin = local.clamp(max=0.5) * 2  # a duct thinner than a pixel fills no whole one
    cover = occupancy(gland.distance(space, (local * beaded).clamp_min(0.5)) + ends) * thin
    canvas.paint(cover, contrasts.duct, Tissue.DUCT)
    return radius


def _places(gland: Course, space: Space, draws: Draws) -> Tensor:
    """Points ``(scene, 3)`` z, y, x on or beside the gland's middle line."""
    rows, columns = gland.aside.shape[2:]
    aside = gland.aside + 12 * (gland.along.abs() > 32) + draws.uniform(-4, 4, 1, 1, 1)
    score = aside.abs()[:, 0].flatten(1) + 6 * torch.rand(
        draws.scenes, rows * columns, generator=draws.generator
    )
    nearest = score.argmin(dim=1)
    y = (nearest // columns) - (rows - 1) / 2
    x = (nearest % columns) - (columns - 1) / 2
    level = gland.level[:, 0].flatten(1).gather(1, nearest[:, None])[:, 0]
    reach = space.z[:, -1, 0, 0]
    z = torch.maximum(torch.minimum(level + 3 * draws.normal(), reach), -reach)
    return torch.stack([z, y, x], dim=1)


def _draw_cyst(
    cysts: _Cysts, space: Space, centre: Tensor, there: Tensor, lobes: Tensor, draws: Draws
) -> None:
    """One more a scene: lobed, at times with a wall, a septum, a nodule."""
    radius = draws.log_uniform(*CYST_RADII)
    radii = radius[:, None] * draws.log_uniform(0.75, 1.35, 3)
    turn = draws.rotations()
    distance = ellipsoid(space, centre, radii, turn)
    distance.addcmul_(lobes, radius[:, None, None, None])
    distance += 100.0 * ~there[:, None, None, None]
    fluid = occupancy(distance)
    wall = draws.uniform(0, 1.2, 1, 1, 1) * draws.happens(0.5, 1, 1, 1)
    septum = occupancy(_plane(space, centre, radius, draws) - 0.2) * fluid * 0.8
    cut = (draws.happens(0.4) & (radius > 4))[:, None, None, None]
    nodule = _nodule(space, centre, radii, turn, draws) * fluid
    cysts.add(occupancy(distance - wall), fluid, septum * cut, nodule)
    seen = (fluid.flatten(1).amax(dim=1) >= SEEN).float()
    cysts.number = cysts.number + seen
    cysts.largest = torch.maximum(cysts.largest, radius * seen)


def _plane(space: Space, centre: Tensor, radius: Tensor, draws: Draws) -> Tensor:
    """Distance ``(scene, slice, row, column)`` to a plane through each cyst."""
    normal = draws.rotations()[:, 0]
    z, y, x = (normal[:, n, None, None, None] for n in range(3))
    offset = (normal * centre).sum(dim=1) + radius * draws.uniform(-0.5, 0.5)
    return (z * space.z + (y * space.y + x * space.x - offset[:, None, None, None])).abs()


def _nodule(space: Space, centre: Tensor, radii: Tensor, turn: Tensor, draws: Draws) -> Tensor:
    """Occupancy of solid tissue on the inner wall of some of the larger cysts."""
    outward = draws.normal(3)
    outward = outward / outward.norm(dim=1, keepdim=True)
    wall = torch.einsum("sji,sj->si", turn, outward * radii)
    size = radii.amin(dim=1) * draws.uniform(0.25, 0.6)
    own = size[:, None] * draws.log_uniform(0.8, 1.25, 3)
    distance = ellipsoid(space, centre + 0.85 * wall, own, draws.rotations())
    there = draws.happens(0.35) & (size > 1)
    return occupancy(distance) * there[:, None, None, None]
