"""What a random scene is made of, and what is to be told of it."""

from __future__ import annotations

from enum import IntEnum

ORGANS = 6
"""Kinds of soft tissue around the pancreas, each of a contrast of its own."""


class Tissue(IntEnum):
    """A voxel's fractions of these are known and asked for; the rest is what lies around."""

    PANCREAS = 0
    DUCT = 1
    CYST = 2
    NODULE = 3
    VESSEL = 4
    BOWEL = 5
    FLUID = 6


class Fact(IntEnum):
    """What is asked of a whole grid."""

    CYST_RADIUS = 0
    DUCT_RADIUS = 1
    CYSTS = 2
    NODULE = 3


SCALES = {Fact.CYST_RADIUS: 12.0, Fact.DUCT_RADIUS: 4.0, Fact.CYSTS: 4.0, Fact.NODULE: 1.0}
"""What of each fact counts as 1: radii in pixels of a cell."""
