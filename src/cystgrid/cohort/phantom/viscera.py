"""Solid organs and the fluid that is no lesion: gallbladder, renal and hepatic cysts. mm, RAS+."""

from __future__ import annotations

import numpy as np

from cystgrid.cohort.phantom.contrast import Tissue
from cystgrid.cohort.phantom.organ import Lumen, Organ
from cystgrid.cohort.phantom.shapes import Ellipsoid, Tube, Vector, rotation
from cystgrid.cohort.phantom.torso import UPRIGHT, Build

RENAL_CYST_RATE = 0.3
"""Share of patients with simple renal cysts: about a third over 60 (Terada 2008, MR/CT surveys)."""
HEPATIC_CYST_RATE = 0.2
"""Share of patients with simple hepatic cysts (Carrim and Murchison 2003: 18 %)."""


def _shift(random: np.random.Generator, deviation: float) -> Vector:
    return deviation * random.standard_normal(3).clip(-2, 2)


def liver(random: np.random.Generator, build: Build) -> Organ:
    """Right and left lobe; the visceral surface is carved for the head of the pancreas."""
    s = build.scale
    size = np.exp(0.07 * random.standard_normal(3))
    move = _shift(random, 3)
    right = Ellipsoid(np.array([74, 18, 30]) * s + move, np.array([70, 84, 80]) * s * size, UPRIGHT)
    left = Ellipsoid(
        np.array([10, 62, 50]) * s + move,
        np.array([random.uniform(50, 72), 30, 36]) * s * size,
        rotation((0, float(random.uniform(-12, 5)), -8)),
    )
    hollow = Ellipsoid(np.array([20, 22, -48]) * s, np.array([60, 72, 56]) * s, UPRIGHT)
    return Organ(Tissue.LIVER, (right, left), (hollow,), blend=20, wobble=3.0, region="abdomen")


def spleen(random: np.random.Generator, build: Build) -> Organ:
    """Behind the stomach under the left dome, hollowed towards its hilum."""
    s = build.scale
    size = np.exp(0.1 * random.standard_normal())
    centre = np.array([-108, -12, 44]) * s + _shift(random, 3)
    turn = rotation((float(random.uniform(5, 25)), 6, -14))
    solid = Ellipsoid(centre, np.array([31, 47, 52]) * s * size, turn)
    hilum = Ellipsoid(centre + np.array([36, 18, 0]) * s, np.array([24, 34, 42]) * s, turn)
    return Organ(Tissue.SPLEEN, (solid,), (hilum,), wobble=2.0, region="abdomen")


def kidneys(random: np.random.Generator, build: Build) -> list[Organ]:
    """Cortex, pyramids, sinus fat and pelvis on both sides; simple cysts in some patients."""
    out: list[Organ] = []
    cysts: list[Ellipsoid] = []
    count = int(random.integers(1, 4)) if random.uniform() < RENAL_CYST_RATE else 0
    places = random.uniform(size=(3, 4))
    for side in (-1, 1):
        low = -20.0 if side > 0 else -8.0
        centre = np.array([side * 64, -12, low]) * build.scale + _shift(random, 4)
        semi = np.array([27, 29, 54]) * build.scale * np.exp(0.07 * random.standard_normal())
        turn = rotation((10, -12.0 * side, float(random.uniform(20, 40)) * side))
        out += _kidney(random, centre, semi, turn, side)
        for place in places[:count]:
            if (place[0] < 0.5) == (side < 0):
                cysts.append(_renal_cyst(place, centre, semi, turn, side))
    if cysts:
        out.append(Organ(Tissue.SIMPLE_CYST, tuple(cysts), wobble=0.4))
    return out


def _kidney(
    random: np.random.Generator, centre: Vector, semi: Vector, turn: Vector, side: int
) -> list[Organ]:
    """The hilum looks along local ``-side`` x: to the middle, turned to the front."""

    def at(x: float, y: float, z: float) -> Vector:
        return centre + turn @ (np.array([-side * x, y, z]) * semi)

    body = Ellipsoid(centre, semi, turn)
    notch = Ellipsoid(at(1.15, 0, 0), semi * (0.42, 0.34, 0.30), turn)
    pyramids = []
    for z in np.linspace(-0.7, 0.7, 6):
        ring = np.sqrt(1 - z**2)
        for angle in np.linspace(-2.2, 2.2, 5) + random.uniform(-0.25, 0.25):
            way = np.array([-ring * np.cos(angle), ring * np.sin(angle), z])
            tip, base = at(*(way * 0.42)), at(*(way * random.uniform(0.60, 0.68)))
            pyramids.append(Tube(np.stack([tip, base]), np.array([2.0, 5.2])))
    sinus = Ellipsoid(at(0.36, 0, 0), semi * (0.55, 0.26, 0.48), turn)
    width = random.uniform(1.8, 3.6)
    pelvis = [Tube(np.array([at(0.3, 0, 0), at(1.0, 0.1, -0.08)]), np.array([2 * width, width]))]
    for z in (-0.36, 0.0, 0.36):
        pelvis.append(Tube(np.array([at(0.3, 0, 0), at(-0.05, 0, z)]), np.array([width, 1.2])))
    return [
        Organ(Tissue.RENAL_CORTEX, (body,), (notch,), wobble=1.2, lobulation=0.3),
        Organ(Tissue.RENAL_MEDULLA, tuple(pyramids), lobulation=0.5),
        Organ(Tissue.VISCERAL_FAT, (sinus,), wobble=0.8, lobulation=0.8),
        Organ(Tissue.URINE, tuple(pelvis)),
    ]


def _renal_cyst(place: Vector, centre: Vector, semi: Vector, turn: Vector, side: int) -> Ellipsoid:
    """On the far or the back surface, never at the hilum."""
    radius = 4 + 14 * place[1] ** 2
    angle, z = (place[2] - 0.5) * 2.4, (place[3] - 0.5) * 1.4
    ring = np.sqrt(1 - z**2)
    surface = np.array([side * ring * np.cos(angle), -ring * abs(np.sin(angle)), z]) * semi
    spot = centre + turn @ (surface * 0.92)
    return Ellipsoid(spot, np.full(3, radius), UPRIGHT)


def gallbladder(random: np.random.Generator, build: Build) -> Organ:
    """A pear under the liver, from nearly empty to distended."""
    fill = random.uniform(0.75, 1.25)
    neck = np.array([46, 48, 10]) * build.scale + _shift(random, 3)
    fundus = np.array([66, 76, -22]) * build.scale + _shift(random, 4)
    along = np.linspace(0, 1, 6)[:, None]
    radii = np.array([3, 6.5, 10, 13, 14, 11]) * fill
    return Organ(
        Tissue.GUT_WALL, (Tube(neck + along * (fundus - neck), radii),), wobble=0.8,
        region="abdomen", lumen=Lumen(wall=1.2, content=Tissue.BILE),
    )  # fmt: skip


def hepatic_cysts(random: np.random.Generator, build: Build) -> list[Organ]:
    """Small simple cysts deep in the right lobe, in some patients."""
    count = int(random.integers(1, 4)) if random.uniform() < HEPATIC_CYST_RATE else 0
    cysts = tuple(
        Ellipsoid(
            (np.array([80, 20, 35]) + random.uniform(-1, 1, 3) * (32, 40, 35)) * build.scale,
            random.uniform(2.5, 8) * np.exp(0.1 * random.standard_normal(3)),
            UPRIGHT,
        )
        for _ in range(count)
    )
    return [Organ(Tissue.SIMPLE_CYST, cysts)] if cysts else []


def adrenals(random: np.random.Generator, build: Build) -> list[Organ]:
    """A lambda above each kidney."""
    limbs = []
    for side, z in ((-1, 36.0), (1, 32.0)):
        apex = np.array([side * 34, 8, z]) * build.scale + _shift(random, 2)
        for foot in ((side * 8, -16, -10), (-side * 2, -16, -10)):
            limbs.append(Tube(np.array([apex, apex + foot]), np.array([2.6, 1.6])))
    return [Organ(Tissue.ADRENAL, tuple(limbs))]


def heart(random: np.random.Generator, build: Build) -> list[Organ]:
    """The part of the heart that rests on the diaphragm."""
    centre = np.array([-18, 48, 112]) * build.scale + _shift(random, 4)
    muscle = Ellipsoid(centre, np.array([58, 44, 34]) * build.scale, rotation((0, 15, 10)))
    blood = Ellipsoid(centre, np.array([46, 32, 22]) * build.scale, rotation((0, 15, 10)))
    return [
        Organ(Tissue.MYOCARDIUM, (muscle,), wobble=2.0, region="chest"),
        Organ(Tissue.VEIN, (blood,), wobble=2.0, region="chest"),
    ]
