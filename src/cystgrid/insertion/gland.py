"""The course of a pancreas that is only known by its region: where ducts and cysts are to grow."""

from __future__ import annotations

import numpy as np

from cystgrid.cohort.phantom.disease import Disease, Label
from cystgrid.cohort.phantom.lesions import draw_disease
from cystgrid.cohort.phantom.pancreas import Gland
from cystgrid.cohort.phantom.shapes import Ellipsoid, Vector, smooth_path

KNOTS = 8
"""Of the middle line."""

STEP_MM = 1.5
"""Between points of the duct, as in the phantoms."""

BOWED = np.array(
    [[0.72, 0.10, -0.55], [0.60, 0.30, -0.30], [0.38, 0.45, -0.10], [0.10, 0.50, 0.02],
     [-0.20, 0.42, 0.12], [-0.45, 0.18, 0.25], [-0.65, -0.12, 0.36], [-0.80, -0.40, 0.48]]
)  # fmt: skip
"""Head to tail in a box's half sides from its middle (RAS+): from the right, in front of the spine,
to the left, back and up."""

JITTER = 0.06
"""Deviation of the knots, in half sides."""

AFAR = Ellipsoid(np.full(3, 1e4), np.ones(3), np.eye(3))
"""Stands for the organs around, of which nothing is known: cysts keep clear of none."""


def course_in_box(low: Vector, high: Vector, random: np.random.Generator) -> Vector:
    """A course ``(n, 3)`` mm from head to tail through a box, its corners in mm RAS+."""
    knots = BOWED + random.normal(0, JITTER, BOWED.shape)
    path, _ = smooth_path((low + high) / 2 + knots * (high - low) / 2, STEP_MM)
    return path


def course_in_mask(points: Vector) -> Vector:
    """The middle line ``(n, 3)`` mm of a mask, from the patient's right to the left.

    Args:
        points: ``(m, 3)`` mm RAS+ of its voxels.
    """
    middle = points.mean(axis=0)
    axis = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    axis = -axis if axis[0] > 0 else axis  # the head lies on the right
    along = (points - middle) @ axis
    edges = np.quantile(along, np.linspace(0, 1, KNOTS + 1))
    part = np.clip(np.searchsorted(edges, along, side="right") - 1, 0, KNOTS - 1)
    knots = [points[part == n].mean(axis=0) for n in range(KNOTS) if (part == n).any()]
    path, _ = smooth_path(np.array(knots), STEP_MM)
    return path


def grow(course: Vector, label: Label, turn: int, random: np.random.Generator) -> Disease:
    """Lesions of one class along a course.

    Args:
        course: ``(n, 3)`` mm, head first.
        label: the class.
        turn: so that the signs of high risk take turns.
        random: of the lesions alone.
    """
    middle = (course.min(axis=0) + course.max(axis=0)) / 2
    bare = Gland((), course - middle, 0.0, 0.0, np.zeros((0, 3)))
    disease = draw_disease(random, label, turn, bare, (AFAR,))
    return disease.moved(np.eye(3), middle)
