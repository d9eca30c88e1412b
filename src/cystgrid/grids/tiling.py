"""Slices into a square grid and back (section III of the paper).

Cell ``c`` of a grid holds slice ``start + c``, row by row from the top left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from cystgrid.grids.forms import CYST_X_SIDE
from cystgrid.settings import Settings

if TYPE_CHECKING:  # a study is read without torch, which takes seconds to import
    from torch import Tensor


def _square(number: int) -> int:
    if math.isqrt(number) ** 2 != number:
        raise ValueError("a square number of cells: 1, 4, 9, 16, 25, ...")
    return number


Cells = Annotated[int, Field(ge=1), AfterValidator(_square)]
"""Slices in a grid: they fill a square."""


class GridSettings(Settings):
    """The grid and how it is varied in training.

    Attributes:
        cells: slices in one grid, a square number (9 gives 3 x 3).
        pixels: along a cell's side; fewer than were prepared are averages of those, for a quicker
            and coarser study. None takes cells as they were prepared (the paper: 64).
        flip: mirror every cell of a training grid left to right, half of the time.
        rotate: turn every cell of a training grid by a random multiple of 90 degrees.
        gamma: deviation of the natural logarithm of a random exponent that changes the contrast of
            each scan of a training grid; 0 (the paper) leaves it. Scanners differ in contrast.
        cube: voxels along the side of the cube to which a network that sees whole volumes
            (``densenet121-3d``) has crops resampled; Cyst-X took 96.
    """

    cells: Cells = 9
    pixels: int | None = Field(default=None, ge=4)
    flip: bool = True
    rotate: bool = True
    gamma: float = Field(default=0.0, ge=0, le=2)
    cube: int = Field(default=CYST_X_SIDE, ge=32)

    @property
    def side(self) -> int:
        """Cells along one side."""
        return math.isqrt(self.cells)


def tile(slices: Tensor) -> Tensor:
    """Arrange slices ``(..., k, row, column)`` as one grid ``(..., side * row, side * column)``.

    Raises:
        ValueError: k is not a square number.
    """
    *batch, k, rows, columns = slices.shape
    side = math.isqrt(k)
    if side * side != k:
        raise ValueError(f"{k} slices, expected a square number")
    cells = slices.reshape(*batch, side, side, rows, columns)
    return cells.transpose(-3, -2).reshape(*batch, side * rows, side * columns)


def untile(grid: Tensor, cells: int) -> Tensor:
    """Take a grid ``(..., height, width)`` apart into its slices ``(..., cells, row, column)``.

    Raises:
        ValueError: the grid does not divide into that many cells.
    """
    *batch, height, width = grid.shape
    side = math.isqrt(cells)
    if side * side != cells or height % side or width % side:
        raise ValueError(f"a grid of {height} x {width} does not divide into {cells} cells")
    rows, columns = height // side, width // side
    parts = grid.reshape(*batch, side, rows, side, columns)
    return parts.transpose(-3, -2).reshape(*batch, cells, rows, columns)


def last_start(slices: int, cells: int) -> int:
    """The last slice at which a window of ``cells`` consecutive slices can begin."""
    return max(slices - cells, 0)


def central_start(slices: int, cells: int) -> int:
    """Where the central window begins; for an odd rest the one nearer to the feet."""
    return last_start(slices, cells) // 2
