"""Maps that know nothing of the network: what every method must beat, and each must fail a check.

Noise is at chance wherever the place matters. Brightness and the cell's centre do not change when
the network does, so they fail the randomisation test however well they find bright lesions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cystgrid.grids.tiling import tile

Control = Callable[[Tensor, int, int, torch.Generator], Tensor]
"""Inputs ``(batch, ..., *spatial)``, axes of space, cells, generator -> maps ``(batch, *spatial)``.
"""


def noise(inputs: Tensor, spatial: int, cells: int, generator: torch.Generator) -> Tensor:
    """Independent values in 0-1, drawn anew each time."""
    return torch.rand(len(inputs), *inputs.shape[-spatial:], generator=generator)


def brightness(inputs: Tensor, spatial: int, cells: int, generator: torch.Generator) -> Tensor:
    """The mean grey value of the scans that there are."""
    between = tuple(range(1, inputs.ndim - spatial))
    return inputs.nanmean(dim=between).cpu()


def centre(inputs: Tensor, spatial: int, cells: int, generator: torch.Generator) -> Tensor:
    """1 at the middle of every slice, falling to 0 at its corners: crops are made around a region.

    Where lesions lie near the middle, this is the level that a map must exceed to have found them.
    """
    *_, rows, columns = inputs.shape
    side = round(cells**0.5) if spatial == 2 else 1
    row, column = (
        torch.linspace(-1, 1, length // side, dtype=torch.float32) for length in (rows, columns)
    )
    one = 1 - (row[:, None] ** 2 + column**2).sqrt() / 2**0.5
    slices = cells if spatial == 2 else inputs.shape[-3]
    stacked = one.expand(slices, *one.shape)
    whole = tile(stacked) if spatial == 2 else stacked
    return whole.expand(len(inputs), *whole.shape)


CONTROLS: dict[str, Control] = {"noise": noise, "brightness": brightness, "centre": centre}
