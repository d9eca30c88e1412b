"""Occlusion: how far the class's score falls when a region shows nothing (Zeiler & Fergus 2014).

Regions are a grid's cells (a stack's slices, slabs of a volume) or small patches, of one modality
at a time or of all together. What is hidden shows the grey value of an absent scan, or 0 to other
networks than ours. Each pixel has its whole region's value, which is negative where the score rises
without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cystgrid.errors import UsageError
from cystgrid.explanations.options import Options
from cystgrid.explanations.passing import at_once, baseline, chosen
from cystgrid.models.network import Network


def occlusion(
    network: nn.Module,
    inputs: Tensor,
    classes: Sequence[int] | None,
    regions: Tensor,
    options: Options,
) -> Tensor:
    """Maps ``(batch, channel, *spatial)``, one a channel; or one of all, ``(batch, 1, ...)``.

    Args:
        network: gives class scores.
        inputs: ``(batch, channel, *spatial)``.
        classes: one an item, or None for the predicted.
        regions: ``(*spatial)`` the number of each place's region, from 0.
        options: whether channels are hidden together.
    """
    from captum.attr import FeatureAblation  # takes seconds to import

    channels = inputs.shape[1]
    mask = regions.to(inputs.device).expand(1, channels, *regions.shape).clone()
    if not options.together:
        count = int(regions.max()) + 1
        first = torch.arange(channels, device=inputs.device) * count
        mask += first.reshape(1, -1, *[1] * regions.ndim)
    with torch.no_grad():
        found: Tensor = FeatureAblation(network).attribute(
            inputs,
            baselines=baseline(network, inputs).expand_as(inputs),
            target=chosen(network(inputs), classes),
            feature_mask=mask,
            perturbations_per_eval=max(1, at_once(network, inputs) // len(inputs)),
        )
    return found.float()[:, : 1 if options.together else channels]


def cells(network: nn.Module, size: Sequence[int], options: Options) -> Tensor:
    """Regions of a grid's cells, or of slabs of slices.

    Raises:
        UsageError: the input does not divide into that many cells.
    """
    if len(size) == 3:
        slabs = min(options.cells, size[0])
        numbers = torch.arange(size[0]) * slabs // size[0]
        return numbers.reshape(-1, 1, 1).expand(*size)
    side = math.isqrt(options.cells)
    if any(length % side for length in size):
        raise UsageError(
            "cells",
            got=f"{options.cells} for inputs of {size[0]} x {size[1]}",
            expected="as many as the grid has",
            do="give the number of cells of the study",
        )
    return _blocks(size, [length // side for length in size])


def patches(network: nn.Module, size: Sequence[int], options: Options) -> Tensor:
    """Regions of ``patch`` pixels a side: one slice thick in a stack, a cube in a volume."""
    thin = isinstance(network, Network) and network.form.kind == "stack"
    depth = [1 if thin else options.patch] if len(size) == 3 else []
    return _blocks(size, [*depth, options.patch, options.patch])


def _blocks(size: Sequence[int], block: Sequence[int]) -> Tensor:
    """Numbers of blocks of that size; the last of a line may be cut."""
    number = torch.zeros(tuple(size), dtype=torch.long)
    for axis, (length, side) in enumerate(zip(size, block, strict=True)):
        along = torch.arange(length) // side
        shape = [1] * len(size)
        shape[axis] = length
        number = number * int(along[-1] + 1) + along.reshape(shape)
    return number
