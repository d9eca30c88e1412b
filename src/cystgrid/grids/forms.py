"""How a patient's slices reach a network: as one grid, as a stack, or as a whole volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

INN_SLICES = 5
"""Slices in a stack, as the inflated networks of LaLonde et al. (2019) take them."""

CYST_X_SIDE = 96
"""Voxels along a cube's side, as in the Cyst-X benchmark (2025)."""


@dataclass(frozen=True)
class Form:
    """What a network takes.

    Attributes:
        kind: ``grid``: k consecutive slices tiled, ``(batch, channel, height, width)``;
            ``stack``: consecutive slices, ``(batch, channel, slice, row, column)``;
            ``volume``: the whole crop resampled to a cube, the same axes.
        slices: in a stack.
        side: of the cube, in voxels.
    """

    kind: Literal["grid", "stack", "volume"]
    slices: int = 0
    side: int = 0

    @property
    def at_once(self) -> int:
        """Patients in one forward pass: enough to fill a processor, small enough for memory."""
        return {"grid": 32, "stack": 16, "volume": 4}[self.kind]

    def count(self, cells: int) -> int:
        """Slices in one window, for a study with grids of ``cells``; a volume has no window."""
        return self.slices if self.kind == "stack" else cells


GRID = Form("grid")
STACK = Form("stack", slices=INN_SLICES)


def volume(side: int = CYST_X_SIDE) -> Form:
    """The form of a network that takes cubes of ``side`` voxels."""
    return Form("volume", side=side)
