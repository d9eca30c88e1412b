"""Rank correlation of maps (Spearman 1904): the same order of places is 1, the reverse is -1."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor


def rank_correlation(first: Tensor, second: Tensor) -> NDArray[np.float64]:
    """Spearman's coefficient of each item's two maps, ties at their mean rank.

    A map of one value everywhere orders nothing, so it agrees with nothing: 0.

    Args:
        first: ``(batch, *spatial)``.
        second: the same shape.

    Returns:
        ``(batch,)`` in -1 to 1.
    """
    one, other = (_centred_ranks(maps) for maps in (first, second))
    lengths = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    products = (one * other).sum(axis=1)
    found: NDArray[np.float64] = np.divide(
        products, lengths, out=np.zeros_like(products), where=lengths > 0
    )
    return found.clip(-1.0, 1.0)


def _centred_ranks(maps: Tensor) -> NDArray[np.float64]:
    values = maps.detach().cpu().double().flatten(1).numpy()
    ranks = rankdata(values, axis=1)
    centred: NDArray[np.float64] = ranks - ranks.mean(axis=1, keepdims=True)
    return centred


def by_region(maps: Tensor, regions: Tensor) -> Tensor:
    """The mean of each map over each region.

    Args:
        maps: ``(batch, *spatial)``.
        regions: ``(*spatial)`` int64, the number of each place's region, from 0.

    Returns:
        ``(batch, region)`` float64.
    """
    numbers = regions.flatten().to(maps.device)
    sums = torch.zeros(len(maps), int(numbers.max()) + 1, dtype=torch.float64, device=maps.device)
    sums.index_add_(1, numbers, maps.detach().double().flatten(1))
    return sums / torch.bincount(numbers)
