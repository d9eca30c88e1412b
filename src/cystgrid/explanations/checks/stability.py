"""Stability: the map of a moved or slightly changed scan, moved back, should be the same map.

Training shows networks every cell mirrored, turned and in other contrast, so none of these changes
what the scan says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cystgrid.explanations.checks.ranks import rank_correlation
from cystgrid.grids.tiling import tile, untile

Explain = Callable[[Tensor], Tensor]
"""Inputs ``(batch, ..., *spatial)`` -> maps ``(batch, *spatial)`` of classes already chosen."""

CONTRAST = 1.1
"""Exponent of grey values in 0-1: a change that a reader hardly sees."""

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Disturbance:
    """A change of slices that should not change what a map says.

    Attributes:
        change: of slices ``(..., slice, row, column)`` with square cells.
        undo: moves places back to where they were; grey values need no undoing.
    """

    name: str
    change: Change
    undo: Change


def _flipped(slices: Tensor) -> Tensor:
    return slices.flip(-1)


def _turned(slices: Tensor) -> Tensor:
    return torch.rot90(slices, 1, dims=(-2, -1))


def _turned_back(slices: Tensor) -> Tensor:
    return torch.rot90(slices, -1, dims=(-2, -1))


def _contrasted(slices: Tensor) -> Tensor:
    return slices**CONTRAST


def _as_it_is(slices: Tensor) -> Tensor:
    return slices


DISTURBANCES = (
    Disturbance("mirrored", _flipped, _flipped),
    Disturbance("turned by 90 degrees", _turned, _turned_back),
    Disturbance("contrast", _contrasted, _as_it_is),
)


def stability(
    explain: Explain, inputs: Tensor, maps: Tensor, cells: int = 1
) -> NDArray[np.float64]:
    """The mean rank correlation of the maps with those of changed inputs, moved back.

    Args:
        explain: gives the maps of inputs.
        inputs: ``(batch, ..., *spatial)`` in 0-1.
        maps: ``(batch, *spatial)`` of the inputs as they are.
        cells: of the grid; each cell is moved within its place.

    Returns:
        ``(batch,)`` in -1 to 1; 0 for maps that have nothing to do with each other.
    """
    spatial = maps.ndim - 1
    found = [
        rank_correlation(
            maps,
            within_cells(
                explain(within_cells(inputs, each.change, cells, spatial)),
                each.undo,
                cells,
                spatial,
            ),
        )
        for each in DISTURBANCES
    ]
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def within_cells(values: Tensor, change: Change, cells: int, spatial: int) -> Tensor:
    """Change the slices of a grid, each in its place, or of a stack or volume.

    Args:
        values: ``(..., height, width)`` or ``(..., slice, row, column)``.
        change: of slices.
        cells: of a grid.
        spatial: 2 for a grid, 3 for a stack or volume.
    """
    return tile(change(untile(values, cells))) if spatial == 2 else change(values)
