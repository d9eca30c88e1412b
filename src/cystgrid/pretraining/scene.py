"""Random scenes in which every voxel's tissue is known. No class rule: nothing here is a grade.

It shares nothing with the phantoms of ``cohort.phantom``, on which starts are judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cystgrid.pretraining.canvas import Canvas
from cystgrid.pretraining.contrasts import Contrasts, draw_contrasts
from cystgrid.pretraining.draws import Draws
from cystgrid.pretraining.lesions import paint_lesions
from cystgrid.pretraining.shapes import (
    Course,
    Space,
    course,
    ellipsoid,
    field,
    occupancy,
    upright,
)
from cystgrid.pretraining.tissues import ORGANS, SCALES, Tissue

GAPS = (1.2, 6.0)
"""Pixels of a cell from slice to slice: 64 pixels over 10 to 20 cm, slices of 2 to 10 mm."""

VESSELS, BOWEL_FIELDS, SACS = 4, 2, 2


@dataclass(frozen=True)
class Scenes:
    """A batch of them.

    Attributes:
        intensities: ``(scene, modality, slice, row, column)`` before all artefacts.
        fractions: ``(scene, tissue, slice, row, column)`` 0-1.
        facts: ``(scene, fact)``, each in units of its scale.
    """

    intensities: Tensor
    fractions: Tensor
    facts: Tensor


def draw_scenes(draws: Draws, slices: int, pixels: int) -> Scenes:
    """Paint scenes from the back to the front."""
    space = Space.of(draws.log_uniform(*GAPS), slices, pixels)
    contrasts = draw_contrasts(draws)
    canvas = Canvas(_ground(space, contrasts, draws))
    _paint_bowel(canvas, space, contrasts, draws)
    _paint_sacs(canvas, space, contrasts, draws)
    gland = course(space, draws, bend=9.0, rise=3.0)
    _paint_pancreas(canvas, space, gland, contrasts, draws)
    facts = paint_lesions(canvas, space, gland, contrasts, draws)
    _paint_vessels(canvas, space, contrasts, draws)
    scales = torch.tensor([SCALES[fact] for fact in SCALES])
    return Scenes(canvas.intensities, canvas.fractions, facts / scales)


def _ground(space: Space, contrasts: Contrasts, draws: Draws) -> Tensor:
    """Organs: each voxel belongs to the greatest of several smooth random fields."""
    fields = field(space, draws, nodes=4, count=ORGANS) + 0.4 * draws.normal(ORGANS, 1, 1, 1)
    greatest = fields[:, 0].clone()
    kind = torch.zeros(greatest.shape, dtype=torch.int64)
    for number in range(1, ORGANS):
        kind.masked_fill_(fields[:, number] > greatest, number)
        torch.maximum(greatest, fields[:, number], out=greatest)
    picked = kind.flatten(1)[:, None].expand(-1, 2, -1)
    intensities = contrasts.organs.transpose(1, 2).gather(2, picked)
    ground: Tensor = intensities.unflatten(2, kind.shape[1:])
    return ground


def _paint_bowel(canvas: Canvas, space: Space, contrasts: Contrasts, draws: Draws) -> None:
    """Winding loops along the zeros of random fields: a wall, and in it fluid, air or both."""
    for _ in range(BOWEL_FIELDS):
        there = draws.happens(0.6, 1, 1, 1)
        middle = field(space, draws, nodes=5)[:, 0].abs() + 0.6 * (1 - there.float())
        width = draws.uniform(0.05, 0.22, 1, 1, 1)
        region = field(space, draws, nodes=3)[:, 0] > draws.uniform(-0.3, 1.0, 1, 1, 1)
        steep = draws.uniform(6, 14, 1, 1, 1)
        loop = ((width - middle) * steep + 0.5).clamp(0, 1) * region
        canvas.paint(loop, contrasts.wall)
        lumen = ((0.8 * width - middle) * steep + 0.5).clamp(0, 1) * region
        airy = draws.happens(0.3, 1, 1, 1).float()
        full = field(space, draws, nodes=4)[:, 0] > draws.uniform(-1.0, 0.5, 1, 1, 1)
        canvas.paint(lumen * full * (1 - airy), contrasts.fluids, Tissue.BOWEL)
        canvas.paint(lumen * full * airy, torch.zeros_like(contrasts.fluids))


def _paint_sacs(canvas: Canvas, space: Space, contrasts: Contrasts, draws: Draws) -> None:
    """Fluid that is no cyst: gall bladder, stomach, spinal canal, a kidney's cyst; with a rim."""
    for _ in range(SACS):
        radii = draws.log_uniform(4, 22, 3)
        centre = draws.uniform(-34, 34, 3) * torch.tensor([0.5, 1.0, 1.0])
        distance = ellipsoid(space, centre, radii, draws.rotations())
        distance = distance + 40 * draws.happens(0.4, 1, 1, 1)
        rim = draws.uniform(0, 2, 1, 1, 1)
        canvas.paint(occupancy(distance - rim), contrasts.wall)
        canvas.paint(occupancy(distance), contrasts.fluids, Tissue.FLUID)


def _paint_pancreas(
    canvas: Canvas, space: Space, gland: Course, contrasts: Contrasts, draws: Draws
) -> None:
    """A lobed band of changing thickness along its course."""
    lobes = draws.uniform(0.2, 1.6, 1, 1, 1) * field(space, draws, nodes=14)[:, 0]
    thick = draws.uniform(3, 9, 1, 1, 1) + draws.uniform(0, 3, 1, 1, 1) * (gland.along * 0.09).sin()
    half = draws.uniform(14, 40, 1, 1, 1)
    ends = (gland.along.abs() - half).clamp_min(0)
    canvas.paint(
        occupancy(gland.distance(space, thick) + lobes + ends), contrasts.pancreas, Tissue.PANCREAS
    )


def _paint_vessels(canvas: Canvas, space: Space, contrasts: Contrasts, draws: Draws) -> None:
    """Some run through the slices, one along them; bright with inflow or dark with flow."""
    bright, dark = torch.zeros(()), torch.zeros(())
    for _ in range(VESSELS):
        radius = draws.log_uniform(0.8, 6, 1, 1, 1)
        cover = occupancy(upright(space, draws, reach=30) - radius + 0.5)
        cover *= draws.happens(0.7, 1, 1, 1)
        shines = draws.happens(0.5, 1, 1, 1)
        bright, dark = torch.maximum(bright, cover * shines), torch.maximum(dark, cover * ~shines)
    along = course(space, draws, bend=12.0, rise=4.0)
    cover = occupancy(along.distance(space, draws.log_uniform(0.8, 3, 1, 1, 1)))
    bright = torch.maximum(bright, cover * draws.happens(0.6, 1, 1, 1))
    canvas.paint(bright, contrasts.bright_vessel, Tissue.VESSEL)
    canvas.paint(dark, contrasts.dark_vessel, Tissue.VESSEL)
