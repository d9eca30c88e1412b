"""The body's outline, its wall, the spine and the muscles along it. Millimetres, RAS+.

The origin lies in the middle of the first lumbar vertebral body: x to the patient's right, y to the
front, z to the head. Sizes are those of a reference adult, scaled by ``Build``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cystgrid.cohort.phantom.contrast import Tissue
from cystgrid.cohort.phantom.organ import Organ
from cystgrid.cohort.phantom.shapes import THIN_MARGIN, Cylinder, Ellipsoid, Tube, Vector, rotation
from cystgrid.cohort.phantom.trunk import Trunk

UPRIGHT = np.eye(3)


@dataclass(frozen=True, eq=False)
class Build:
    """One patient's size.

    Attributes:
        scale: ``(3,)`` of the organs' positions and sizes along x, y, z.
        fat: ``(3,)`` mm under the skin at the flanks, the front and the back.
    """

    scale: Vector
    fat: Vector


@dataclass(frozen=True, eq=False)
class Torso:
    """Surfaces that hold everything else.

    Attributes:
        skin: outside of the body.
        wall: outside of the muscles of the wall.
        cavity: inside of the wall.
        domes: the diaphragm is the top of their union.
    """

    skin: Trunk
    wall: Trunk
    cavity: Trunk
    domes: tuple[Ellipsoid, ...]


def draw_build(random: np.random.Generator) -> Build:
    """A patient's size: the cavity's width varies by about a fifth, fat from thin to obese."""
    scale = np.exp(np.array([0.06, 0.07, 0.05]) * random.standard_normal(3).clip(-2, 2))
    obesity = random.beta(2, 3)
    flank, front, back = np.array([8, 8, 10]) + obesity * np.array([34, 32, 30])
    return Build(scale, np.array([flank, front, back]))


def draw_torso(random: np.random.Generator, build: Build) -> Torso:
    """The body's surfaces around a patient's organs."""
    square = float(random.uniform(0.0, 0.35)), float(random.uniform(0.35, 0.7))
    flare = float(random.uniform(0.0, 0.05))
    centre = np.array([0, 6, -10]) * build.scale
    width, front, back = np.array([133, 90, 53]) * build.scale

    def trunk(out: tuple[float, float, float], furrow: float) -> Trunk:
        depth = float(front + out[1]), float(back + out[2])
        return Trunk(centre, float(width + out[0]), depth, square, flare, furrow, UPRIGHT)

    flank_fat, front_fat, back_fat = build.fat
    wall = (14.0, 9.0, 31.0)
    skin = (wall[0] + flank_fat, wall[1] + front_fat, wall[2] + back_fat)
    dome = np.array([[70, 25, 5], [-66, 22, 2], [0, 35, 15]]) * build.scale
    semi = np.array([[78, 92, 106], [78, 88, 92], [92, 78, 76]]) * build.scale
    domes = tuple(Ellipsoid(c, s, UPRIGHT) for c, s in zip(dome, semi, strict=True))
    return Torso(trunk(skin, 10.0), trunk(wall, 7.0), trunk((0, 0, 0), 0.0), domes)


SHEATH_MM = 0.9
"""Fat around the muscles of the back."""
VERTEBRA_PERIOD, DISC_HEIGHT = 35.0, 9.0
"""mm along the spine."""
LEVELS = range(-4, 5)


def spine(random: np.random.Generator, build: Build) -> list[Organ]:
    """Vertebral bodies, discs, arches, and the canal with its fluid and cord."""
    sx, sy, sz = build.scale
    period = VERTEBRA_PERIOD * sz
    offset = random.uniform(-0.5, 0.5) * period
    heights = [offset + level * period for level in LEVELS]
    body = np.array([23 * sx, 16.5 * sy])
    tall = np.array([0, 0, 0.0])
    column = Cylinder(tall, body, 400.0, UPRIGHT)
    marrow = tuple(
        Cylinder(np.array([0, 0, z]), body - 1.8, (period - DISC_HEIGHT) / 2, UPRIGHT)
        for z in heights
    )
    discs = tuple(
        Cylinder(np.array([0, 0, z + period / 2]), body - 1.5, DISC_HEIGHT / 2 - 0.8, UPRIGHT)
        for z in heights
    )
    arches: list[Tube] = []
    for z in heights:
        arches += _arch(z, sx, sy)
    canal = Cylinder(np.array([0, -25 * sy, 0]), np.array([11.5, 8.5]), 400.0, UPRIGHT)
    sac = Cylinder(np.array([0, -24.5 * sy, 0]), np.array([9.0, 7.0]), 400.0, UPRIGHT)
    conus = offset + random.uniform(-5, 15)
    cord = Tube(
        np.array([[0, -25 * sy, 300.0], [0, -25 * sy, conus + 15], [0, -26 * sy, conus]]),
        np.array([4.3, 4.0, 1.2]),
    )
    roots = tuple(
        Tube(
            np.array([[x, -27.5 * sy, conus + 10], [1.5 * x, -27 * sy, -300.0]]),
            np.full(2, 0.8),
            THIN_MARGIN,
        )
        for x in (-3.2, -1.2, 1.2, 3.2)
    )
    return [
        Organ(Tissue.CORTICAL_BONE, (column,), wobble=0.6, mobile=False),
        Organ(Tissue.MARROW, marrow, wobble=0.6, mobile=False),
        Organ(Tissue.DISC, discs, mobile=False),
        Organ(Tissue.CORTICAL_BONE, tuple(arches), mobile=False),
        Organ(
            Tissue.MARROW,
            tuple(replace(t, radii=np.maximum(t.radii - 1.6, 0.5)) for t in arches),
            mobile=False,
        ),
        Organ(Tissue.VISCERAL_FAT, (canal,), mobile=False),
        Organ(Tissue.CSF, (sac,), mobile=False),
        Organ(Tissue.CORD, (cord, *roots), mobile=False),
    ]


def _arch(z: float, sx: float, sy: float) -> list[Tube]:
    """Pedicles, laminae, transverse and spinous process of one vertebra."""
    tubes = []
    for side in (-1, 1):
        points = np.array(
            [[14, -12, z + 6], [15, -26, z + 2], [9, -36, z - 4], [0, -40, z - 8]], dtype=float
        )
        tubes.append(Tube(points * (side * sx, sy, 1), np.array([4.5, 4.5, 3.5, 3.5]), THIN_MARGIN))
        process = np.array([[14, -26, z + 2], [38, -34, z + 4]], dtype=float)
        tubes.append(Tube(process * (side * sx, sy, 1), np.array([4.0, 2.5]), THIN_MARGIN))
    spinous = np.array([[0, -40, z - 6], [0, -66, z - 14]], dtype=float)
    tubes.append(Tube(spinous * (sx, sy, 1), np.array([3.5, 4.0])))
    return tubes


def back_muscles(random: np.random.Generator, build: Build) -> list[Organ]:
    """Erector spinae, quadratus lumborum, psoas and the crura of the diaphragm, on both sides."""
    sx, sy, _ = build.scale
    bulk = random.uniform(0.85, 1.15)
    out = []
    for side in (-1, 1):
        flip = np.array([side * sx, sy, 1.0])

        def tube(points: list[list[float]], radii: list[float], flip: Vector = flip) -> Tube:
            return Tube(np.array(points) * flip, np.array(radii) * bulk)

        psoas = tube([[19, 0, 70], [26, 0, 0], [36, 2, -50], [46, 10, -110]], [4, 11, 18, 21])
        quadratus = tube([[48, -32, 60], [60, -36, -100]], [7, 12])
        crus = tube([[12, 14, 75], [14, 18, 20], [10, 15, -25]], [5, 5.5, 2.5])
        turn = rotation((0, 0, 16.0 * side))
        long = Cylinder(np.array([37, -56, 0]) * flip, np.array([23, 16]) * bulk, 400, turn)
        deep = Cylinder(np.array([13, -54, 0]) * flip, np.array([10, 16]) * bulk, 400, UPRIGHT)
        for muscle in (long, deep):
            sheath = replace(muscle, semi=muscle.semi + SHEATH_MM)
            out.append(Organ(Tissue.FAT, (sheath,), wobble=1.0, mobile=False))
            out.append(Organ(Tissue.MUSCLE, (muscle,), wobble=1.0, mobile=False))
        around = replace(quadratus, radii=quadratus.radii + SHEATH_MM)
        out += [
            Organ(Tissue.FAT, (around,), wobble=1.0, mobile=False),
            Organ(Tissue.MUSCLE, (quadratus, psoas), blend=2, wobble=1.0, mobile=False),
            Organ(Tissue.MUSCLE, (crus,), wobble=0.5, mobile=False),
        ]
    return out


def seams(torso: Torso) -> Organ:
    """Fat in the front wall where its muscles meet: the middle line and the edges of the recti."""
    wall, cavity = torso.wall, torso.cavity
    width, front = (wall.width + cavity.width) / 2, (wall.depth[0] + cavity.depth[0]) / 2
    strips = []
    for share, wide in ((-0.5, 2.5), (0.0, 4.0), (0.5, 2.5)):
        depth = np.sqrt((1 - share**2) / (1 - wall.square[0] * share**2))
        place = np.array([share * width, depth * front + wall.centre[1], wall.centre[2]])
        strips.append(Cylinder(place, np.array([wide, 5.5]), 400.0, rotation((0, 0, -45 * share))))
    return Organ(Tissue.FAT, tuple(strips), wobble=0.8, mobile=False)


def ribs(random: np.random.Generator, build: Build, torso: Torso) -> list[Organ]:
    """The lower ribs: arcs in the wall that fall from the spine to the front."""
    cavity, wall = torso.cavity, torso.wall
    width = (cavity.width + wall.width) / 2
    depth = (np.array(cavity.depth) + wall.depth) / 2
    start = random.uniform(25, 45)
    arcs = []
    for level in range(5):
        top = start + 30 * build.scale[2] * level
        reach = min(55 + 22 * level, 130)  # degrees from the back
        angle = np.deg2rad(np.linspace(18, reach, 12))
        ring = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
        front = ring[:, 1] > 0
        square = np.where(front, *wall.square)
        # On the squircle at this angle: X = t sin, Y = t cos with t^2 - s t^4 sin^2 cos^2 = 1.
        product = np.maximum(square * (ring[:, 0] * ring[:, 1]) ** 2, 1e-9)
        reach_out = np.sqrt((1 - np.sqrt(np.maximum(1 - 4 * product, 0))) / (2 * product))
        outline = (
            ring
            * reach_out[:, None]
            * np.column_stack([np.full(12, width), np.where(front, *depth)])
        )
        fall = top - 0.75 * np.rad2deg(angle - angle[0])
        for side in (-1, 1):
            xy = outline * (side, 1) + wall.centre[:2]
            points = np.column_stack([xy, fall])
            arcs.append(Tube(points, np.full(len(points), 4.6), THIN_MARGIN))
    inner = tuple(replace(t, radii=t.radii - 1.8) for t in arcs)
    return [
        Organ(Tissue.CORTICAL_BONE, tuple(arcs), mobile=False),
        Organ(Tissue.MARROW, inner, mobile=False),
    ]
