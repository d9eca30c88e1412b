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

import torch
from torch import Tensor

from cystgrid.explanations.checks.ranks import by_region

Answer = Callable[[Tensor], Tensor]
"""Inputs ``(batch, ..., *spatial)`` -> probabilities ``(batch, class)``."""

STEPS = 12
"""Points of a curve after its first, at most; one region each where there are no more."""

RANDOM_ORDERS = 5
"""The mean of so many is what a map is compared with."""


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


def areas(
    answer: Answer, inputs: Tensor, classes: Sequence[int], regions: Tensor, order: Tensor
) -> Areas:
    """The areas under both curves.

    Args:
        answer: the network's.
        inputs: ``(batch, ..., *spatial)``, NaN where a scan is absent.
        classes: explained, one an item.
        regions: ``(*spatial)`` int64, the number of each place's region, from 0.
        order: ``(batch, region)`` numbers of the regions, the most relevant first.
    """
    empty = _empty(inputs, regions.ndim)
    place = order.argsort(dim=1)[:, regions.flatten()].unflatten(1, regions.shape)
    count = order.shape[1]
    steps = min(STEPS, count)
    deletion, insertion = [], []
    for step in range(steps + 1):
        first = place < round(count * step / steps)  # (batch, *spatial)
        first = _beside(first.to(inputs.device), inputs)
        deletion.append(_probability(answer, torch.where(first, empty, inputs), classes))
        insertion.append(_probability(answer, torch.where(first, inputs, empty), classes))
    return Areas(_area(deletion), _area(insertion))


def order_of(maps: Tensor, regions: Tensor, seed: int = 0) -> Tensor:
    """Regions by their mean relevance, the greatest first; equal ones in seeded random order.

    Args:
        maps: ``(batch, *spatial)``.
        regions: ``(*spatial)`` int64.
        seed: of the order of equal regions.

    Returns:
        ``(batch, region)`` int64.
    """
    values = by_region(maps.cpu(), regions)
    shuffled = random_order(len(maps), values.shape[1], seed)
    ranked = values.gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    return shuffled.gather(1, ranked)


def random_order(batch: int, count: int, seed: int) -> Tensor:
    """One random order of ``count`` regions for all items: ``(batch, region)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator).expand(batch, count)


def random_areas(
    answer: Answer, inputs: Tensor, classes: Sequence[int], regions: Tensor, seed: int = 0
) -> Areas:
    """The mean areas of several random orders: what chance has, the same for every method."""
    count = int(regions.max()) + 1
    found = [
        areas(answer, inputs, classes, regions, random_order(len(inputs), count, seed + number))
        for number in range(RANDOM_ORDERS)
    ]
    return Areas(
        torch.stack([each.deletion for each in found]).mean(dim=0),
        torch.stack([each.insertion for each in found]).mean(dim=0),
    )


def _empty(inputs: Tensor, spatial: int) -> Tensor:
    """The mean grey value of each scan; NaN stays where a whole scan is absent."""
    return inputs.nanmean(dim=tuple(range(-spatial, 0)), keepdim=True)


def _beside(places: Tensor, inputs: Tensor) -> Tensor:
    """``(batch, *spatial)`` with the axes between of the inputs."""
    between = inputs.ndim - places.ndim
    return places.reshape(len(places), *[1] * between, *places.shape[1:])


def _probability(answer: Answer, inputs: Tensor, classes: Sequence[int]) -> Tensor:
    found = answer(inputs).double().cpu()
    return found[torch.arange(len(found)), torch.as_tensor(list(classes))]


def _area(curve: Sequence[Tensor]) -> Tensor:
    """By trapezoids over 0-1."""
    points = torch.stack(list(curve), dim=1)
    return torch.trapezoid(points, dx=1 / (points.shape[1] - 1), dim=1)
