"""A member's intensities as tensor operations that can be written into a graph.

The same map as ``preparation.standardise`` and ``grids.intensities``, which work in NumPy and ask
about values as they go; here nothing depends on a value but the values.
"""

from __future__ import annotations

import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class UnitIntensities(nn.Module):
    """A scan's landmarks onto a member's standard, then its whole crop to 0-1.

    Args:
        standard: ``(channel, landmark)`` of the member's training patients.
    """

    standard: Tensor

    def __init__(self, standard: NDArray) -> None:  # type: ignore[type-arg]
        super().__init__()
        self.register_buffer("standard", torch.as_tensor(standard, dtype=torch.float64))

    def forward(self, crop: Tensor, percentiles: Tensor) -> Tensor:
        """``(batch, channel, slice, row, column)`` float32 in 0-1, NaN where a scan is absent.

        Args:
            crop: the same shape, corrected intensities; NaN throughout where a scan is absent.
            percentiles: ``(batch, channel, landmark)`` float64, ascending; NaN for an absent scan.
        """
        mapped = self._mapped(crop.double(), percentiles.double()).float()
        low = mapped.amin(dim=(-3, -2, -1), keepdim=True)
        high = mapped.amax(dim=(-3, -2, -1), keepdim=True)
        width = high - low
        flat = width == 0  # a crop of one value becomes 0
        scaled = (mapped - low) / torch.where(flat, torch.ones_like(width), width)
        return torch.where(mapped.isnan(), mapped, scaled)

    def _mapped(self, voxels: Tensor, knots: Tensor) -> Tensor:
        """Piecewise linear, in float64 as in NumPy; the outer segments are extended."""
        values = self._values(knots)
        slopes = _slopes(knots, values)
        last = knots.shape[-1] - 2
        out = voxels
        for segment in range(last + 1):
            knot, value, slope = (
                each[..., segment, None, None, None] for each in (knots, values, slopes)
            )
            line = value + slope * (voxels - knot)
            out = line if segment == 0 else torch.where(voxels >= knot, line, out)
        return torch.where(knots[..., 0, None, None, None].isnan(), torch.nan, out)

    def _values(self, knots: Tensor) -> Tensor:
        """The standard at each landmark; landmarks that coincide share the mean of theirs."""
        same = (knots[..., :, None] == knots[..., None, :]).double()
        return (same * self.standard[:, None, :]).sum(-1) / same.sum(-1)


def _slopes(knots: Tensor, values: Tensor) -> Tensor:
    """Of each segment ``(batch, channel, landmark - 1)``; an empty one has its neighbour's."""
    widths, heights = knots.diff(dim=-1), values.diff(dim=-1)
    there = list((widths > 0).unbind(-1))
    slopes = list((heights / torch.where(widths > 0, widths, torch.ones_like(widths))).unbind(-1))
    count = len(slopes)
    for here, next_to in [(n, n + 1) for n in range(count - 2, -1, -1)] + [
        (n, n - 1) for n in range(1, count)
    ]:
        slopes[here] = torch.where(there[here], slopes[here], slopes[next_to])
        there[here] = there[here] | there[next_to]
    return torch.stack(slopes, dim=-1)
