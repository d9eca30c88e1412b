"""Aorta, caval and portal veins, their branches, and the bile duct. Millimetres, RAS+."""

from __future__ import annotations

import numpy as np

from cystgrid.cohort.phantom.contrast import Tissue
from cystgrid.cohort.phantom.organ import Organ
from cystgrid.cohort.phantom.shapes import THIN_MARGIN, Tube, Vector, clearance, smooth_path
from cystgrid.cohort.phantom.torso import Build

PORTA = np.array([40.0, 44.0, 24.0])
"""Where portal vein and bile duct reach the liver."""


def _tube(points: list[list[float]], radii: list[float], scale: Vector, step: float = 6.0) -> Tube:
    path, at = smooth_path(np.array(points, dtype=float) * scale, step)
    return Tube(path, np.interp(at, np.arange(len(radii)), radii))


def great_vessels(random: np.random.Generator, build: Build) -> list[Organ]:
    """Aorta with the superior mesenteric artery, vena cava with both renal veins."""
    s = build.scale
    wide = random.uniform(0.85, 1.2)
    aorta = _tube([[-9, 24, -120], [-8, 27, -40], [-7, 25, 20], [-12, 16, 90], [-14, 12, 140]],
                  [8 * wide, 9 * wide, 10 * wide, 11 * wide, 11 * wide], s)  # fmt: skip
    mesenteric = _tube([[-7, 30, 8], [-5, 42, -4], [-3, 45, -40], [2, 48, -100]],
                       [3.4, 3.4, 3.2, 2.6], s)  # fmt: skip
    renal_arteries = [
        _tube([[-8, 26, -12], [side * 30, 14, -16], [side * 50, 0, -16]], [3, 2.6, 2.2], s)
        for side in (-1, 1)
    ]
    cava = _tube([[17, 20, -120], [18, 22, -40], [20, 24, 10], [20, 22, 60], [14, 26, 100]],
                 [9.5, 11, 11.5, 12, 12], s)  # fmt: skip
    renal_veins = [
        _tube([[18, 24, -10], [-6, 38, -12], [-30, 20, -12], [-50, 0, -12]], [4.5] * 4, s),
        _tube([[18, 22, -18], [34, 12, -18], [50, 0, -20]], [4.5] * 3, s),
    ]
    return [
        Organ(Tissue.VEIN, (cava, *renal_veins), wobble=0.8),
        Organ(Tissue.ARTERY, (aorta,), mobile=False),
        Organ(Tissue.ARTERY, (mesenteric, *renal_arteries)),
    ]


def portal_system(build: Build, splenic: Vector) -> Organ:
    """Splenic vein along ``splenic (n, 3)`` mm, superior mesenteric and portal vein."""
    s = build.scale
    confluence = splenic[0]
    mesenteric = _tube([[13, 48, -110], [13, 49, -50], [12, 48, -18]], [4.5, 5, 5.5], s)
    portal = Tube(
        smooth_path(np.stack([confluence, (confluence + PORTA * s) / 2, PORTA * s]), 5)[0],
        np.full(1, 6.2),
    )
    portal = Tube(portal.points, np.full(len(portal.points), 6.2))
    join = Tube(np.stack([mesenteric.points[-1], confluence]), np.array([5.5, 6.0]))
    line = Tube(splenic, np.linspace(4.8, 3.2, len(splenic)))
    return Organ(Tissue.VEIN, (line, mesenteric, join, portal))


def bile_duct(random: np.random.Generator, build: Build, papilla: Vector) -> Organ:
    """From the porta down behind the duodenum into the pancreas' head; 3 to 8 mm wide."""
    radius = random.uniform(1.5, 4.0)
    points = np.stack(
        [PORTA + np.array([4, 2, 4]), [44, 38, 6], [42, 36, -14], papilla / build.scale]
    ) * build.scale  # fmt: skip
    path, _ = smooth_path(points, 5.0)
    return Organ(Tissue.BILE, (Tube(path, np.linspace(radius, radius * 0.7, len(path))),))


def liver_vessels(random: np.random.Generator, build: Build, liver: Organ) -> Organ:
    """Portal branches from the porta and hepatic veins from the cava, kept inside the liver."""
    s = build.scale
    tubes: list[Tube] = []
    for tip in ([96, 0, 30], [80, 55, 10], [100, 30, 60], [5, 62, 55], [-20, 65, 50]):
        _grow(random, liver, PORTA * s, np.array(tip) * s, 4.2, 2, tubes)
    for tip in ([112, 10, 50], [60, 62, 55], [70, -15, 55], [0, 64, 66], [90, 60, 40]):
        _grow(random, liver, np.array([20, 30, 82]) * s, np.array(tip) * s, 4.5, 2, tubes)
    return Organ(Tissue.LIVER_VESSEL, tuple(tubes), region="abdomen")


LIVER_RIM_MM = 7.0
"""Depth under the liver's surface that larger vessels do not reach."""


def _grow(
    random: np.random.Generator, liver: Organ, start: Vector, tip: Vector, radius: float,
    depth: int, tubes: list[Tube],
) -> None:  # fmt: skip
    """A bent branch from ``start`` to ``tip`` with side branches, cut where it leaves the liver."""
    span = tip - start
    bend = random.standard_normal((3, 3)) * 0.10 * np.linalg.norm(span)
    path = start + np.array([0, 0.3, 0.65, 1])[:, None] * span
    path[1:] += bend
    path, _ = smooth_path(path, 9.0)
    depth_mm = np.maximum(clearance(path, liver.solids), -clearance(path, liver.cuts))
    outside = np.flatnonzero(depth_mm[1:] > -LIVER_RIM_MM)
    path = path[: outside[0] + 1] if outside.size else path
    if len(path) < 2:
        return
    tubes.append(Tube(path, np.linspace(radius, radius * 0.45, len(path)), THIN_MARGIN))
    if depth == 0:
        return
    for share in (0.35, 0.6, 0.85)[: depth + 1]:
        at = path[int(share * (len(path) - 1))]
        reach = span * 0.45 + random.standard_normal(3) * 0.28 * np.linalg.norm(span)
        _grow(random, liver, at, at + reach, radius * 0.55, depth - 1, tubes)


def mesenteric_vessels(random: np.random.Generator, build: Build) -> Organ:
    """Fine vessels that cross the mesenteric fat."""
    tubes = []
    for _ in range(22):
        root = np.array([0, 48, random.uniform(-90, -20)])
        tip = np.array([random.uniform(-95, 85), random.uniform(35, 80), random.uniform(-105, 0)])
        path = root + np.array([0.1, 0.5, 1])[:, None] * (tip - root)
        path[1] += random.normal(0, 10, 3)
        points, _ = smooth_path(path * build.scale, 14.0)
        tubes.append(Tube(points, np.full(len(points), random.uniform(0.9, 1.7)), THIN_MARGIN))
    return Organ(Tissue.VEIN, tuple(tubes), region="abdomen")
