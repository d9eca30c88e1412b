"""Agreement with cell occlusion: a map should rank slices as their absence does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cystgrid.explanations.checks.ranks import by_region, rank_correlation


def agreement(maps: Tensor, occluded: Tensor, cells: Tensor) -> NDArray[np.float64]:
    """Rank correlation of two maps' means over cells.

    Args:
        maps: ``(batch, *spatial)``.
        occluded: the same shape: how far the answer falls without each cell.
        cells: ``(*spatial)`` int64, the number of each place's cell, from 0.

    Returns:
        ``(batch,)`` in -1 to 1; 0 by chance.
    """
    return rank_correlation(by_region(maps, cells), by_region(occluded, cells))
