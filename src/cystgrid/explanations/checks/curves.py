"""Deletion and insertion (Petsiuk et al. 2018): the answer should rest on what the map says.

The regions of an input are taken away, the most relevant first, and the probability of the
explained class is followed; then they are put into an empty input in the same order. A map that
tells what the answer rests on lets the first curve fall early and the second rise early, compared
with regions in random order.

What is taken away shows the mean grey value of its own scan's window. Black would make the loss of
bright places the greatest change whatever they show. A scan that is absent stays absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cystgrid.explanations.checks.ranks import by_region

Answer = Callable[[Tensor], Tensor]
"""Inputs ``(batch, ..., *spatial)`` -> probabilities ``(batch, class)``."""

STEPS = 8
"""Parts into which a curve is divided, at most; one region each where there are no more."""

RANDOM_ORDERS = 4
"""The mean of so many is what a map is compared with: half are drawn, half their reverses, so that
a region that comes early in one comes late in the other."""


@dataclass(frozen=True)
class Areas:
    """Areas under the curves of each item, 0-1.

    Attributes:
        deletion: ``(batch,)`` float64, low where the most relevant regions go first.
        insertion: ``(batch,)`` float64, high where the most relevant regions come first.
    """

    deletion: Tensor
    insertion: Tensor

    def against(self, reference: Areas) -> Areas:
        """What is gained over another order; above 0 is better, for both curves."""
        return Areas(reference.deletion - self.deletion, self.insertion - reference.insertion)


@dataclass(frozen=True)
class Curves:
    """Deletion and insertion of the regions of some inputs.

    Attributes:
        answer: the network's.
        inputs: ``(batch, ..., *spatial)``, NaN where a scan is absent.
        classes: explained, one an item.
        regions: ``(*spatial)`` int64, the number of each place's region, from 0.
    """

    answer: Answer
    inputs: Tensor
    classes: tuple[int, ...]
    regions: Tensor

    @cached_property
    def empty(self) -> Tensor:
        """The mean grey value of each scan; NaN stays where a whole scan is absent."""
        return self.inputs.nanmean(dim=tuple(range(-self.regions.ndim, 0)), keepdim=True)

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """The probabilities of the whole and of the empty inputs, which every curve shares."""
        return self._probability(self.inputs), self._probability(self.empty.expand_as(self.inputs))

    @property
    def count(self) -> int:
        """How many regions there are."""
        return int(self.regions.max()) + 1

    def areas(self, order: Tensor) -> Areas:
        """The areas under both curves.

        Args:
            order: ``(batch, region)`` numbers of the regions, the most relevant first.
        """
        place = order.argsort(dim=1)[:, self.regions.flatten()].unflatten(1, self.regions.shape)
        steps = min(STEPS, self.count)
        whole, nothing = self.ends
        deletion, insertion = [whole], [nothing]
        for step in range(1, steps):
            first = place < round(self.count * step / steps)  # (batch, *spatial)
            first = _beside(first.to(self.inputs.device), self.inputs)
            deletion.append(self._probability(torch.where(first, self.empty, self.inputs)))
            insertion.append(self._probability(torch.where(first, self.inputs, self.empty)))
        return Areas(_area([*deletion, nothing]), _area([*insertion, whole]))

    def random(self, seeds: Sequence[int]) -> Areas:
        """The mean areas of several random orders: what chance has, the same for every method.

        Args:
            seeds: one an item, so that items do not share their orders.
        """
        drawn = [
            random_order([seed + number for seed in seeds], self.count)
            for number in range(RANDOM_ORDERS // 2)
        ]
        found = [self.areas(order) for each in drawn for order in (each, each.flip(1))]
        return Areas(
            torch.stack([each.deletion for each in found]).mean(dim=0),
            torch.stack([each.insertion for each in found]).mean(dim=0),
        )

    def _probability(self, inputs: Tensor) -> Tensor:
        found = self.answer(inputs).double().cpu()
        return found[torch.arange(len(found)), torch.as_tensor(self.classes)]


def order_of(maps: Tensor, regions: Tensor, seeds: Sequence[int]) -> Tensor:
    """Regions by their mean relevance, the greatest first; equal ones in seeded random order.

    Args:
        maps: ``(batch, *spatial)``.
        regions: ``(*spatial)`` int64.
        seeds: of the order of equal regions, one an item.

    Returns:
        ``(batch, region)`` int64.
    """
    values = by_region(maps.cpu(), regions)
    shuffled = random_order(seeds, values.shape[1])
    ranked = values.gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    return shuffled.gather(1, ranked)


def random_order(seeds: Sequence[int], count: int) -> Tensor:
    """A random order of ``count`` regions for each seed: ``(batch, region)``."""
    return torch.stack(
        [torch.randperm(count, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


def _beside(places: Tensor, inputs: Tensor) -> Tensor:
    """``(batch, *spatial)`` with the axes between of the inputs."""
    between = inputs.ndim - places.ndim
    return places.reshape(len(places), *[1] * between, *places.shape[1:])


def _area(curve: Sequence[Tensor]) -> Tensor:
    """By trapezoids over 0-1."""
    points = torch.stack(list(curve), dim=1)
    return torch.trapezoid(points, dx=1 / (points.shape[1] - 1), dim=1)
