"""What a scanner does to a signal: point spread, coil field, intensity scale and Rician noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cystgrid.cohort.phantom.scanner import Grid, Protocol
from cystgrid.cohort.phantom.shapes import Field, Vector


@dataclass(frozen=True, eq=False)
class BiasField:
    """A smooth multiplicative field: the exponential of a polynomial over the scan's own box.

    Attributes:
        coefficients: ``(4, 4, 4)`` of Legendre polynomials of degree up to 3 along ``i, j, k``,
            each axis running from -1 at its first voxel to 1 at its last.
    """

    coefficients: Vector

    @classmethod
    def draw(cls, random: np.random.Generator, deviation: float) -> Self:
        """Brighter near the front as under a surface coil; no constant term."""
        degree = np.indices((4, 4, 4)).sum(axis=0)
        spread = np.where((degree > 0) & (degree <= 3), 0.55 ** np.maximum(degree - 1, 0), 0)
        coefficients = random.standard_normal((4, 4, 4)) * spread
        coefficients[0, 1, 0] = abs(coefficients[0, 1, 0])
        # A Legendre polynomial of degree n has mean square 1 / (2 n + 1) on its box.
        norm = 2.0 * np.indices((4, 4, 4)) + 1
        size = np.sqrt((coefficients**2 / norm.prod(axis=0)).sum())
        return cls(np.round(coefficients * deviation / size, 6))

    @classmethod
    def from_truth(cls, truth: dict[str, Any]) -> Self:
        """The field as stored in a phantom's ``truth.json``, under ``t1`` or ``t2``."""
        return cls(np.array(truth["bias_coefficients"], dtype=np.float64))

    def flipped(self, axes: Iterable[int]) -> Self:
        """The same field for voxels stored back to front along some axes."""
        sign = np.ones((4, 4, 4))
        for axis in axes:
            sign *= (-1.0) ** np.indices((4, 4, 4))[axis]
        return type(self)(self.coefficients * sign)

    def on(self, shape: tuple[int, int, int]) -> Field:
        """The field at every voxel of the scan as acquired, ``(i, j, k)`` float32."""
        bases = [np.polynomial.legendre.legvander(np.linspace(-1, 1, n), 3) for n in shape]
        log = np.einsum("lmn,kn->lmk", self.coefficients, bases[2])
        log = np.einsum("lmk,jm->ljk", log, bases[1])
        full = np.tensordot(bases[0], log, axes=(1, 0)).astype(np.float32)
        return np.exp(full, out=full)


def acquire(
    random: np.random.Generator, signal: Field, grid: Grid, protocol: Protocol, *,
    bias: BiasField, level: float, noise: float,
) -> Field:  # fmt: skip
    """A magnitude image of a signal: point spread, coil field, scale and Rician noise.

    Args:
        random: for the noise.
        signal: relative signal, ``(i, j, k)``; consumed.
        grid: where its voxels lie.
        protocol: the centre's.
        bias: the coil's field.
        level: what a relative signal of 1 becomes.
        noise: deviation over ``level`` of the noise in each of the two channels.
    """
    for axis in (0, 1):
        sigma = protocol.blur_mm / float(grid.spacing[axis])
        if sigma > 0.2:
            gaussian_filter1d(signal, sigma, axis=axis, output=signal, truncate=3.0)
    signal *= bias.on(grid.shape)
    signal *= np.float32(level)
    first = random.standard_normal(grid.shape, dtype=np.float32)
    first *= np.float32(level * noise)
    first += signal
    second = random.standard_normal(grid.shape, dtype=np.float32)
    second *= np.float32(level * noise)
    return np.asarray(np.hypot(first, second, out=first))
