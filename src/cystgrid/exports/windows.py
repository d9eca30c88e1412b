"""What a network is shown of a crop, as tensor operations that can be written into a graph.

The same windows and cubes as ``grids.crops``, for crops whose number of slices is an input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cystgrid.grids.forms import Form
from cystgrid.grids.tiling import tile


class Shown(nn.Module):
    """Crops in 0-1 to what a network takes.

    Args:
        form: how slices reach the network.
        cells: slices in a grid.
        prepared: pixels along a prepared cell's side.
        pixels: along a cell's side as the network sees it.
    """

    coarse: Tensor
    plane: Tensor

    def __init__(self, form: Form, cells: int, prepared: int, pixels: int) -> None:
        super().__init__()
        self.form = form
        self.count = form.count(cells)
        self.coarser = pixels != prepared
        self.register_buffer("coarse", means(torch.tensor([prepared]), pixels, prepared)[0])
        plane = resampling(torch.tensor([pixels]), form.side, pixels)[0] if form.side else None
        self.register_buffer("plane", torch.empty(0) if plane is None else plane)

    def forward(self, crop: Tensor, slices: Tensor) -> Tensor:
        """``(batch, channel, height, width)`` for a grid, else ``(batch, channel, ...)`` in 3-D.

        Args:
            crop: ``(batch, channel, slice, row, column)`` in 0-1, as prepared.
            slices: ``(batch,)`` int64, each patient's own; what lies beyond is not looked at.
        """
        if self.form.kind == "volume":
            return self._cube(self._coarsened(crop), slices)
        window = self._coarsened(self._window(crop, slices))
        return tile(window) if self.form.kind == "grid" else window

    def _window(self, crop: Tensor, slices: Tensor) -> Tensor:
        """The central slices; past a patient's last one it is repeated."""
        start = (slices - self.count).clamp(min=0) // 2
        places = start[:, None] + torch.arange(self.count, device=crop.device)
        places = torch.minimum(places, slices[:, None] - 1)
        _, channels, _, rows, columns = crop.shape
        index = places[:, None, :, None, None].expand(-1, channels, -1, rows, columns)
        return crop.gather(2, index)

    def _coarsened(self, crop: Tensor) -> Tensor:
        return self.coarse @ crop @ self.coarse.T if self.coarser else crop

    def _cube(self, crop: Tensor, slices: Tensor) -> Tensor:
        """Resampled along each axis by a product with a matrix of weights."""
        depth = resampling(slices, self.form.side, crop.shape[2])  # (batch, side, slice)
        rows, columns = crop.shape[-2:]
        deep = depth[:, None] @ crop.flatten(3)  # (batch, channel, side, row * column)
        cube: Tensor = self.plane @ deep.unflatten(-1, (rows, columns)) @ self.plane.T
        return cube


def resampling(lengths: Tensor, side: int, most: int) -> Tensor:
    """Weights ``(batch, side, most)``: means where an axis shrinks, linear where it grows.

    Args:
        lengths: ``(batch,)`` int64, along the axis, of each patient.
        side: length afterwards.
        most: length of the axis that holds all of them.
    """
    shrinks = lengths[:, None, None] >= side
    return torch.where(shrinks, means(lengths, side, most), _linear(lengths, side, most))


def means(lengths: Tensor, side: int, most: int) -> Tensor:
    """Weights of torch's ``adaptive_avg_pool``: cell i from floor(i n / side) on."""
    place = torch.arange(side, device=lengths.device)[None, :, None]
    number = torch.arange(most, device=lengths.device)[None, None]
    length = lengths[:, None, None]
    first = place * length // side
    after = ((place + 1) * length + side - 1) // side
    inside = ((number >= first) & (number < after)).float()
    shares: Tensor = inside / inside.sum(dim=-1, keepdim=True)
    return shares


def _linear(lengths: Tensor, side: int, most: int) -> Tensor:
    """Weights of torch's ``interpolate``, linear, with ``align_corners=False``."""
    place = torch.arange(side, device=lengths.device)[None, :, None]
    number = torch.arange(most, device=lengths.device)[None, None]
    length = lengths[:, None, None]
    where = ((place + 0.5) * length / side - 0.5).clamp(min=0)
    before = where.floor()
    share = where - before
    after = torch.minimum(before + 1, length - 1.0)
    weights: Tensor = (number == before) * (1 - share) + (number == after) * share
    return weights
