"""Smooth random fields that are the same in every scan of one patient.

A field is a sum of plane waves fixed in the patient: a plane wave is separable on any grid, oblique
or not, so a field is evaluated exactly and needs no interpolation between T1's grid and T2's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cystgrid.cohort.phantom.shapes import Axes, Field, Vector


@dataclass(frozen=True, eq=False)
class Waves:
    """Zero mean, unit deviation over space.

    Attributes:
        vectors: ``(waves, 3)`` wave vectors in radians a mm.
        phases: ``(waves,)`` radians.
    """

    vectors: Vector
    phases: Vector

    @classmethod
    def draw(cls, random: np.random.Generator, shortest: float, longest: float, waves: int) -> Self:
        """Waves of ``shortest`` to ``longest`` mm length in directions spread over the sphere."""
        direction = random.standard_normal((waves, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = np.exp(random.uniform(np.log(shortest), np.log(longest), (waves, 1)))
        return cls(direction * 2 * np.pi / length, random.uniform(0, 2 * np.pi, waves))

    def moved(self, rotation: Vector, shift: Vector) -> Self:
        """The same field after the patient's points went ``p -> rotation @ p + shift``."""
        vectors = self.vectors @ rotation.T
        return replace(self, vectors=vectors, phases=self.phases - vectors @ shift)

    def on(self, axes: Axes) -> Field:
        """Values on a separable grid, ``(i, j, k)`` float32."""
        u, v, w = (
            (axis.reshape(-1, 1).astype(np.float64) * self.vectors[:, n])
            for n, axis in enumerate(axes)
        )
        first = np.exp(1j * (u + self.phases)).astype(np.complex64)
        plane = first[:, None] * np.exp(1j * v).astype(np.complex64)[None]  # (i, j, waves)
        through = np.exp(1j * w).astype(np.complex64)  # (k, waves)
        amplitude = np.float32(np.sqrt(2 / len(self.phases)))
        parts = np.concatenate([plane.real, -plane.imag], axis=2)
        return np.asarray(
            parts @ (np.concatenate([through.real, through.imag], axis=1).T * amplitude)
        )
