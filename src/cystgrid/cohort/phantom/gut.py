"""Stomach, duodenum, small bowel and colon: mixed content, gas and much T2-bright fluid. mm, RAS+.

Their fluid is the great confounder of a bright lesion and is drawn without knowing the class.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cystgrid.cohort.phantom.contrast import Tissue
from cystgrid.cohort.phantom.organ import Lumen, Organ
from cystgrid.cohort.phantom.shapes import Tube, Vector, clearance, smooth_path
from cystgrid.cohort.phantom.torso import Build

GUT_STEP = 8.0
"""mm between the points of a loop's centre line."""


STOMACH_BED_MM = 4.0
"""Fat between the stomach and the pancreas behind it."""
LOOP_TRIES = 6
"""Places tried for a loop of bowel before it is left out."""


def _loop(points: Vector, radii: Vector) -> Tube:
    path, at = smooth_path(points, GUT_STEP)
    return Tube(path, np.interp(at, np.arange(len(radii)), radii))


def stomach_and_duodenum(
    random: np.random.Generator, build: Build, behind: tuple[Tube, ...]
) -> list[Organ]:
    """From the fundus to the crossing of the aorta; the duodenum embraces the pancreas' head.

    The stomach gives way to the gland ``behind`` it.
    """
    s = build.scale
    fill = random.uniform(0.75, 1.12)
    points = np.array(
        [[-52, 4, 86], [-64, 22, 66], [-74, 54, 46], [-62, 76, 22], [-20, 84, 6], [28, 76, 2],
         [50, 66, 4]], dtype=float,
    )  # fmt: skip
    points = (points + random.normal(0, 2.5, points.shape)) * s
    radii = np.array([34, 36, 30, 23, 16, 12, 7]) * fill
    content = Tissue.GUT_FLUID if random.uniform() < 0.65 else Tissue.FOOD
    level = float(random.uniform(45, 85) * s[1])
    bed = tuple(replace(tube, radii=tube.radii + STOMACH_BED_MM) for tube in behind)
    stomach = Organ(
        Tissue.GUT_WALL, (_loop(points, radii),), bed, wobble=2.0, region="abdomen",
        lumen=Lumen(random.uniform(3, 4.5), content, level, folds=0.9),
    )  # fmt: skip
    sweep = np.array(
        [[50, 66, 4], [60, 54, 2], [61, 44, -14], [60, 40, -44], [48, 36, -60], [20, 42, -64],
         [-12, 46, -62]], dtype=float,
    )  # fmt: skip
    sweep[1:] += random.normal(0, 1.2, sweep[1:].shape)
    sweep = sweep * s
    sweep[0] = points[-1]
    wide = np.array([8, 12, 10, 10, 10, 8, 7]) * random.uniform(0.85, 1.15)
    inside = Tissue.GUT_FLUID if random.uniform() < 0.7 else Tissue.FOOD
    duodenum = Organ(
        Tissue.GUT_WALL, (_loop(sweep, wide),), wobble=0.8, lobulation=0.4,
        lumen=Lumen(2.4, inside, folds=0.6),
    )  # fmt: skip
    return [stomach, duodenum]


def small_bowel(random: np.random.Generator, build: Build, taken: tuple[Tube, ...]) -> list[Organ]:
    """Loops, most of them jejunum on the left; each collapsed, fluid-filled or mixed.

    They keep out of the space ``taken``, so that the pancreas lies free.
    """
    wetness = random.uniform(0.15, 0.7)
    loops = []
    for n in range(int(random.integers(24, 34))):
        radius = float(random.uniform(8, 12.5))
        wet = random.uniform() < wetness
        wall = float(random.uniform(2, 3) if wet else random.uniform(4, 6))
        content = Tissue.GUT_FLUID if wet else Tissue.FOOD
        tubes = (_bowel_loop(random, build, radius, left=n % 3 != 0) for _ in range(LOOP_TRIES))
        tube = next((tube for tube in tubes if clearance(tube.points, taken).min() > radius), None)
        if tube is not None:
            lumen = Lumen(wall, content, folds=0.8)
            loops.append(
                Organ(Tissue.GUT_WALL, (tube,), wobble=1.0, lobulation=0.4, region="abdomen",
                      lumen=lumen)
            )  # fmt: skip
    return loops


def _bowel_loop(random: np.random.Generator, build: Build, radius: float, *, left: bool) -> Tube:
    middle = (-64, 50, -36) if left else (34, 60, -80)
    spread = (36, 30, 44) if left else (52, 26, 20)
    centre = np.array(middle) + random.uniform(-1, 1, 3) * spread
    turn = random.standard_normal((2, 3)) * (1, 0.8, 0.6)
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    bend = np.array([-1, -0.4, 0.4, 1.0])[:, None]
    path = centre + 26 * bend * turn[0] + 18 * (1 - bend**2) * turn[1]
    return _loop(path * build.scale, np.full(4, radius))


def colon(random: np.random.Generator, build: Build) -> list[Organ]:
    """Ascending, transverse and descending colon: stool below, gas above, sometimes fluid."""
    s = build.scale
    parts = (
        ([[104, 0, -120], [108, 4, -85], [104, 12, -62], [92, 34, -52]], 21),
        ([[92, 40, -50], [62, 76, -54], [10, 86, -62], [-44, 82, -50], [-92, 50, -10],
          [-106, 24, 6]], 16),
        ([[-106, 22, 6], [-114, -2, -18], [-112, -8, -60], [-108, -4, -120]], 14),
    )  # fmt: skip
    out = []
    for points, radius in parts:
        line = (np.array(points, dtype=float) + random.normal(0, 3, (len(points), 3))) * s
        path, _ = smooth_path(line, GUT_STEP)
        haustra = 1 + 0.16 * np.sin(2 * np.pi * np.arange(len(path)) * GUT_STEP / 26)
        size = radius * random.uniform(0.8, 1.15) * haustra
        content = Tissue.GUT_FLUID if random.uniform() < 0.2 else Tissue.STOOL
        front = float(np.median(path[:, 1]))
        level = front + random.uniform(0, 0.9) * radius if random.uniform() < 0.8 else None
        out.append(
            Organ(
                Tissue.GUT_WALL, (Tube(path, size),), wobble=1.5, region="abdomen",
                lumen=Lumen(random.uniform(1.8, 2.8), content, level, folds=0.8),
            )
        )  # fmt: skip
    return out
