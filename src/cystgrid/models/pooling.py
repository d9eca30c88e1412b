"""Pooling whose gradients are summed in a fixed order on every device.

torch's own three-dimensional and adaptive pools add gradients in whatever order a GPU's threads
arrive, and refuse to run where the same bytes are asked for. In-plane pools are exact there, so
planes are pooled first and depth is pooled by shifted copies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d


class MaxPool(nn.Module):
    """Largest value in a window of ``depth`` slices and ``size`` x ``size`` pixels.

    Args:
        depth, size: of the window; slices keep their number, whatever lies outside is left out.
        stride, padding: in plane.
        depth_stride: slices from one window to the next.
    """

    def __init__(
        self, size: int, stride: int, padding: int, *, depth: int, depth_stride: int = 1
    ) -> None:
        super().__init__()
        self.size, self.stride, self.padding = size, stride, padding
        self.depth, self.depth_stride = depth, depth_stride

    def forward(self, volumes: Tensor) -> Tensor:
        """``(batch, channel, slice, row, column)`` to fewer rows and columns."""
        planes = max_pool2d(volumes.flatten(1, 2), self.size, self.stride, self.padding)
        pooled = planes.unflatten(1, volumes.shape[1:3])
        before, after = (self.depth - 1) // 2, self.depth // 2
        return _over_depth(pooled, before, after, self.depth_stride, -torch.inf).amax(0)


class MeanPool(nn.Module):
    """Mean over a window of ``depth`` slices and ``size`` x ``size`` pixels.

    In plane it is torch's mean, whose padding counts as zeros; slices beyond the first and last
    are left out of the mean. A window of two slices holds a slice and the next one.

    Args:
        depth, size: of the window; slices keep their number.
        stride, padding: in plane.
    """

    def __init__(self, size: int, stride: int, padding: int, *, depth: int) -> None:
        super().__init__()
        self.size, self.stride, self.padding, self.depth = size, stride, padding, depth

    def forward(self, volumes: Tensor) -> Tensor:
        """``(batch, channel, slice, row, column)`` to fewer rows and columns."""
        planes = avg_pool2d(volumes.flatten(1, 2), self.size, self.stride, self.padding)
        pooled = planes.unflatten(1, volumes.shape[1:3])
        before, after = (self.depth - 1) // 2, self.depth // 2
        total = _over_depth(pooled, before, after, 1, 0.0).sum(0)
        one = pooled.new_ones(1, 1, pooled.shape[2], 1, 1)
        return total / _over_depth(one, before, after, 1, 0.0).sum(0)


class HalvingMean(nn.Module):
    """Mean over 2 x 2 x 2 voxels; what an odd size leaves over is left out, as torch does."""

    def forward(self, volumes: Tensor) -> Tensor:
        """``(batch, channel, slice, row, column)`` to half of each of the last three."""
        for axis in (-3, -2, -1):
            pairs = volumes.shape[axis] // 2
            first, second = (
                volumes.narrow(axis, 0, 2 * pairs).unflatten(axis, (pairs, 2)).unbind(axis)
            )
            volumes = (first + second) / 2
        return volumes


class AdaptiveMean(nn.Module):
    """torch's ``AdaptiveAvgPool2d`` as two products with a matrix of means.

    Args:
        size: rows and columns of the result.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """``(..., row, column)`` to ``(..., size, size)``."""
        rows, columns = (self._means(n, images) for n in images.shape[-2:])
        return rows @ images @ columns.T

    def _means(self, length: int, like: Tensor) -> Tensor:
        """``(size, length)``; row i averages from floor(i n / size) to ceil((i + 1) n / size)."""
        place = torch.arange(self.size, device=like.device)[:, None]
        number = torch.arange(length, device=like.device)
        first = place * length // self.size
        last = -(-(place + 1) * length // self.size)
        inside = ((number >= first) & (number < last)).to(like.dtype)
        return inside / inside.sum(dim=1, keepdim=True)


def _over_depth(volumes: Tensor, before: int, after: int, stride: int, outside: float) -> Tensor:
    """Copies of the volumes shifted along the slices: ``(shift, batch, channel, slice, ...)``."""
    padded = nn.functional.pad(volumes, (0, 0, 0, 0, before, after), value=outside)
    slices = volumes.shape[2]
    shifts = range(before + after + 1)
    return torch.stack([padded[:, :, shift : shift + slices : stride] for shift in shifts])
