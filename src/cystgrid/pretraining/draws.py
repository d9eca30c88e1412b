"""Random numbers of one batch of scenes, all from one seed: the same number, the same batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cystgrid.provenance import digest


class Draws:
    """Random tensors with a scene on the first axis.

    Args:
        seed: of the stream.
        number: of the batch in the stream.
        scenes: in the batch.
    """

    def __init__(self, seed: int, number: int, scenes: int) -> None:
        self.scenes = scenes
        named = int(digest([seed, number])[:15], 16)
        self.generator = torch.Generator().manual_seed(named)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """``(scene, *shape)``, evenly between two limits."""
        drawn = torch.rand(self.scenes, *shape, generator=self.generator)
        return low + (high - low) * drawn

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """``(scene, *shape)``, evenly between the logarithms of two limits."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> Tensor:
        """``(scene, *shape)`` of mean 0 and deviation 1."""
        return torch.randn(self.scenes, *shape, generator=self.generator)

    def happens(self, probability: float, *shape: int) -> Tensor:
        """``(scene, *shape)`` of bools."""
        return torch.rand(self.scenes, *shape, generator=self.generator) < probability

    def whole(self, stop: int, *shape: int) -> Tensor:
        """``(scene, *shape)`` int64 from 0 to ``stop`` - 1."""
        return torch.randint(stop, (self.scenes, *shape), generator=self.generator)

    def rotations(self) -> Tensor:
        """``(scene, 3, 3)`` turns of space, evenly over all of them (from random quaternions)."""
        q = self.normal(4)
        w, x, y, z = (q / q.norm(dim=1, keepdim=True)).unbind(dim=1)
        rows = (
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        )  # fmt: skip
        turns: Tensor = torch.stack(rows, dim=1).unflatten(1, (3, 3))
        return turns
