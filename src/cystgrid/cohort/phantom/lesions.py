"""What makes a phantom normal, low or high risk: cysts, mural nodules and the main duct's width.

The classes follow the consensus criteria for intraductal papillary mucinous neoplasms as far as
they can be seen in one examination without contrast agent:

- Tanaka M, et al. Revisions of international consensus Fukuoka guidelines for the management of
  IPMN of the pancreas. Pancreatology 2017;17:738-753.
- Ohtsuka T, et al. International evidence-based Kyoto guidelines for the management of intraductal
  papillary mucinous neoplasm of the pancreas. Pancreatology 2024;24:255-270.

High-risk stigmata there: a main duct of 10 mm or more, an enhancing mural nodule of 5 mm or more.
Worrisome features: a cyst of 30 mm or more, a main duct of 5 to 9 mm; the phantoms called high
without a stigma have both.
"""

from __future__ import annotations

import numpy as np

from cystgrid.cohort.phantom.disease import Cyst, Disease, Label, Sign
from cystgrid.cohort.phantom.pancreas import Gland
from cystgrid.cohort.phantom.shapes import (
    Ellipsoid,
    Solid,
    Tube,
    Vector,
    clearance,
    rotation,
)

HIGH_SIGNS: tuple[Sign, ...] = ("main duct", "mural nodule", "large cyst and duct")

NORMAL_DUCT_MM = (1.5, 3.0)
LOW_DUCT_MM = (1.5, 4.6)
"""Below the 5 mm that are worrisome."""
LOW_CYST_MM = (5.0, 29.0)
"""Below the 30 mm that are worrisome."""
SMALL_CYST_SHAPE = (2.4, 1.8)
"""Of the beta distribution of small cysts' diameters over their range (mean 19 mm): with it the
lesions of low and high phantoms together have the median volume of the 358 real scans, 8 ml."""
STIGMA_DUCT_MM = (10.0, 15.0)
WORRISOME_DUCT_MM = (5.2, 9.0)
LARGE_CYST_MM = (30.0, 45.0)
NODULE_CYST_MM = (15.0, 40.0)
NODULE_MM = (5.0, 14.0)
NECK_RADIUS_MM = (0.7, 1.2)
NECK_LENGTH_MM = (0.5, 2.5)
SITES = 40
"""Places tried for a cyst."""
APART_MM = 1.0
"""Least tissue between two cysts, or they would measure as one larger cyst."""
REACH_MM = 68.0
"""|z| that every scan covers with room to spare."""


def draw_disease(
    random: np.random.Generator, label: Label, turn: int, gland: Gland, obstacles: tuple[Solid, ...]
) -> Disease:
    """Lesions of one class in one gland.

    Args:
        random: this patient's generator for lesions.
        label: the class.
        turn: counts the patients of this class, so that the signs of high risk take turns.
        gland: where they grow.
        obstacles: organs, vessels and bone that a cyst keeps clear of where it can.
    """
    sign: Sign = "none"
    diameters: list[float] = []
    if label == "low":
        sign = "branch-duct cyst"
        diameters = _small_cysts(random, 1 + int(random.integers(0, 3)))
        width = random.uniform(*LOW_DUCT_MM)
    elif label == "high":
        sign = HIGH_SIGNS[turn % len(HIGH_SIGNS)]
        diameters, width = _high(random, sign)
    else:
        width = random.uniform(*NORMAL_DUCT_MM)
    duct = _duct(random, gland.duct, float(width), whole=random.uniform() < 0.5)
    cysts: list[Cyst] = []
    for n, diameter in enumerate(sorted(diameters, reverse=True)):
        nodule = sign == "mural nodule" and n == 0
        cyst = _grow(random, diameter, nodule, duct, obstacles, cysts)
        if cyst is not None:
            cysts.append(cyst)
    return Disease(label, sign, duct, tuple(cysts))


def _small_cysts(random: np.random.Generator, count: int) -> list[float]:
    low, high = LOW_CYST_MM
    return [float(low + (high - low) * random.beta(*SMALL_CYST_SHAPE)) for _ in range(count)]


def _high(random: np.random.Generator, sign: Sign) -> tuple[list[float], float]:
    """Cyst diameters and main duct width in mm that earn the class by one sign."""
    more = _small_cysts(random, int(random.integers(0, 3)))
    if sign == "main duct":
        return more, float(random.uniform(*STIGMA_DUCT_MM))
    if sign == "mural nodule":
        size = float(random.uniform(*NODULE_CYST_MM))
        return [size, *(d for d in more if d < size)], float(random.uniform(*LOW_DUCT_MM))
    size = float(random.uniform(*LARGE_CYST_MM))
    return [size, *more], float(random.uniform(*WORRISOME_DUCT_MM))


def _duct(random: np.random.Generator, line: Vector, width: float, *, whole: bool) -> Tube:
    """The main duct, narrower towards the papilla and the tail; a wide one may be so in part."""
    along = np.linspace(0, 1, len(line))
    natural = np.interp(along, [0, 0.08, 0.6, 1], [0.6, 1, 0.85, 0.5])
    normal = min(width, 3.0) / 2
    if width <= LOW_DUCT_MM[1] + 0.4:
        return Tube(line, width / 2 * natural)
    if whole:
        swell = np.interp(along, [0, 0.1, 0.9, 1], [0.3, 1, 1, 0.6])
    else:
        first = random.uniform(0.08, 0.4)
        swell = np.interp(along, [first, first + 0.08, first + 0.42, first + 0.5], [0, 1, 1, 0])
    bulge = 1 - 0.12 * (1 + np.sin(along * 40 + random.uniform(0, 6))) / 2
    wide = width / 2 * bulge / bulge[swell > 0.999].max()
    return Tube(line, normal * natural * (1 - swell) + wide * swell)


def _grow(
    random: np.random.Generator,
    diameter: float,
    nodule: bool,
    duct: Tube,
    obstacles: tuple[Solid, ...],
    others: list[Cyst],
) -> Cyst | None:
    """A cyst beside the duct, at the most roomy of some random places; None where none is free."""
    mouth, centre = _site(random, diameter, duct, obstacles, others)
    lobes = _lobes(random, diameter, centre, plain=nodule)
    solid = _nodule(random, lobes[0]) if nodule else None
    radius = random.uniform(*NECK_RADIUS_MM)
    if any(_gap(centre, diameter, other) < APART_MM for other in others):
        return None
    nearest = min(lobes, key=lambda lobe: float(np.linalg.norm(lobe.centre - mouth)))
    neck = Tube(np.stack([mouth, nearest.centre]), np.full(2, radius))
    return Cyst(lobes, neck, diameter, centre, solid)


def _gap(centres: Vector, diameter: float, other: Cyst) -> Vector:
    """Free space in mm between balls of ``diameter`` around ``centres (..., 3)`` and a cyst."""
    apart = np.linalg.norm(centres - other.centre, axis=-1)
    return np.asarray(apart - (diameter + other.diameter) / 2)


def _site(
    random: np.random.Generator,
    diameter: float,
    duct: Tube,
    obstacles: tuple[Solid, ...],
    others: list[Cyst],
) -> tuple[Vector, Vector]:
    """Where on the duct a cyst opens, and its centre; ``(3,)`` mm each."""
    count = len(duct.points)
    at = random.integers(int(0.12 * count), int(0.94 * count), SITES)
    way = random.standard_normal((SITES, 3))
    tangent = duct.points[np.minimum(at + 1, count - 1)] - duct.points[at - 1]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    way -= (way * tangent).sum(axis=1, keepdims=True) * tangent
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    reach = random.uniform(*NECK_LENGTH_MM, SITES) + duct.radii[at] + diameter / 2
    centres = duct.points[at] + way * reach[:, None]
    room = np.minimum(clearance(centres, obstacles) - diameter / 2, 2.0)
    room -= 2 * np.maximum(np.abs(centres[:, 2]) + diameter / 2 - REACH_MM, 0)
    for other in others:
        room += 3 * np.minimum(_gap(centres, diameter, other) - 2 * APART_MM, 0)
    best = int(room.argmax())
    return duct.points[at[best]], centres[best]


def _lobes(
    random: np.random.Generator, diameter: float, centre: Vector, *, plain: bool
) -> tuple[Ellipsoid, ...]:
    """One smooth ellipsoid, or a main lobe with daughters like a bunch of grapes.

    A ``plain`` one is never a bunch. Either way the largest extent is ``diameter`` and its middle
    lies at ``centre``.
    """
    if random.uniform() < 0.45 or plain:
        semi = diameter / 2 * np.array([1, *random.uniform(0.72, 1.0, 2)])
        a, b, c = random.uniform(0, 180, 3)
        turn = rotation((float(a), float(b), float(c)))
        return (Ellipsoid(centre, semi, turn),)
    count = int(random.integers(2, 6))
    radii = np.array([1.0, *random.uniform(0.45, 0.85, count)])
    way = random.standard_normal((count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    spots = np.concatenate([np.zeros((1, 3)), way * (1.0 + 0.35 * radii[1:, None])])
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2) + radii[:, None] + radii[None]
    a, b = np.unravel_index(apart.argmax(), apart.shape)
    scale = diameter / apart[a, b]
    along = (spots[b] - spots[a]) / max(np.linalg.norm(spots[b] - spots[a]), 1e-9)
    middle = (spots[a] - along * radii[a] + spots[b] + along * radii[b]) / 2
    return tuple(
        Ellipsoid(centre + (spot - middle) * scale, np.full(3, radius * scale), np.eye(3))
        for spot, radius in zip(spots, radii, strict=True)
    )


def _nodule(random: np.random.Generator, lobe: Ellipsoid) -> Ellipsoid:
    """A ball that touches the main lobe's wall from inside."""
    radius = float(lobe.semi.min())
    low, high = NODULE_MM
    size = float(random.uniform(low, np.clip(1.2 * radius, low + 0.5, high)))
    way = random.standard_normal(3)
    way /= np.linalg.norm(way)
    spot = lobe.centre + way * max(radius - size / 2, 0)
    return Ellipsoid(spot, np.full(3, size / 2), np.eye(3))
