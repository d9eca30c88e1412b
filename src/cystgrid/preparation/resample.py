"""One-dimensional interpolation as a matrix: exact positions, and no aliasing when coarsening."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def linear_weights(size: int, positions: NDArray[np.float64], step: float) -> sparse.csr_array:
    """Antialiased linear interpolation along one axis.

    A triangle as wide as the coarser of the two grids: plain linear interpolation when refining;
    when coarsening, the low-pass that keeps fine detail from folding into false coarse detail.

    Args:
        size: samples along the axis, at 0, 1, ... ``size - 1``.
        positions: ``(n,)`` where values are wanted, in samples.
        step: distance between them, in samples.

    Returns:
        ``(n, size)``, each row summing to 1; beyond the ends the nearest sample counts.
    """
    width = max(step, 1.0)
    inside = np.clip(positions, 0, size - 1)
    samples = np.arange(size)
    weights = np.clip(1 - np.abs(samples[None, :] - inside[:, None]) / width, 0, None)
    return sparse.csr_array(weights / weights.sum(axis=1, keepdims=True))
