"""The gland along its centre line, from the head in the duodenal loop to the splenic hilum. mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cystgrid.cohort.phantom.shapes import Tube, Vector, smooth_path
from cystgrid.cohort.phantom.torso import Build

STEP = 3.0
"""mm between the points of the centre line."""
_COURSE = np.array(
    [[41, 44, -30], [35, 49, -18], [22, 57, -6], [6, 60, 1], [-16, 58, 8], [-42, 46, 15],
     [-68, 30, 24], [-90, 12, 32]], dtype=float,
)  # fmt: skip
_RADII = np.array([12.5, 14.5, 10.5, 8.0, 9.0, 9.5, 9.5, 6.5])
_UNCINATE = np.array([[38, 42, -34], [30, 38, -42], [18, 36, -42]], dtype=float)
_PAPILLA = np.array([50, 39, -38], dtype=float)


@dataclass(frozen=True, eq=False)
class Gland:
    """A pancreas before any lesion.

    Attributes:
        parenchyma: tubes whose union is the gland.
        duct: ``(n, 3)`` centre line of the main duct, papilla first.
        lobulation: mm; deeper clefts with age and fat.
        fat: share of the parenchyma replaced by fat, 0 to 0.4.
        splenic_vein: ``(m, 3)`` behind body and tail, confluence first.
    """

    parenchyma: tuple[Tube, ...]
    duct: Vector
    lobulation: float
    fat: float
    splenic_vein: Vector


def draw_gland(random: np.random.Generator, build: Build, age: int) -> Gland:
    """A patient's pancreas; it thins and its clefts deepen a little with age."""
    course = _COURSE + random.normal(0, 2.0, _COURSE.shape)
    course[3:, 2] += np.linspace(0, random.normal(0, 8), 5)  # a tail that climbs more or less
    course[4:, 1] += np.linspace(0, random.normal(0, 3), 4)
    thin = 1 - 0.003 * (age - 60)
    radii = _RADII * thin * np.exp(0.08 * random.standard_normal())
    path, at = smooth_path(course * build.scale, STEP)
    body = Tube(path, np.interp(at, np.arange(len(radii)), radii))
    hook, _ = smooth_path(_UNCINATE * build.scale, STEP)
    uncinate = Tube(hook, np.linspace(10, 6, len(hook)) * thin)
    inner = path[(at > 0.8) & (at < 6.85)]
    knots = inner[np.linspace(0, len(inner) - 1, 14).round().astype(int)]
    duct, _ = smooth_path(np.concatenate([[_PAPILLA * build.scale], knots]), 1.5)
    behind = path[at > 3.0] - np.array([0, 9, -2]) * build.scale
    return Gland(
        (body, uncinate),
        duct,
        lobulation=float(random.uniform(0.5, 1.2) + 0.012 * max(age - 50, 0)),
        fat=float(random.beta(1.5, 5) * 0.6),
        splenic_vein=behind[::3],
    )
