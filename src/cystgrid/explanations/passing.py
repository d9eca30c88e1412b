"""Passing inputs through somebody's network to look at it: what goes in, and no trace left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cystgrid.errors import UsageError
from cystgrid.grids.forms import GRID, volume
from cystgrid.models.network import Network


def filled(network: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs as the network takes them: on its device, absent scans as it shows them.

    Raises:
        UsageError: other axes or channels, or NaN for a network that knows no absent scans.
    """
    if inputs.ndim not in (4, 5) or not inputs.is_floating_point() or not len(inputs):
        raise UsageError(
            "inputs",
            got=f"{inputs.dtype} of shape {tuple(inputs.shape)}",
            expected="floats (batch, channel, height, width), or with slices before the height",
            do="give a batch, even of one",
        )
    if isinstance(network, Network) and inputs.shape[1] != network.channels:
        raise UsageError(
            "inputs",
            got=f"{inputs.shape[1]} channels",
            expected=f"{network.channels}",
            do="give the modalities that the network was built for",
        )
    first = next(network.parameters(), inputs)
    shown = inputs.detach().to(device=first.device, dtype=first.dtype)
    if isinstance(network, Network):
        return torch.where(shown.isnan(), baseline(network, shown), shown)
    if shown.isnan().any():
        raise UsageError(
            "inputs",
            got="NaN, which marks absent scans",
            expected="numbers, as this network knows no absent scans",
            do="fill what is missing first",
        )
    return shown


def baseline(network: nn.Module, inputs: Tensor) -> Tensor:
    """The input that shows nothing, in the shape of one item: absent scans, or 0."""
    one = torch.zeros_like(inputs[:1])
    if isinstance(network, Network):
        one += network.absent.detach().reshape(1, -1, *[1] * (inputs.ndim - 2))
    return one


def at_once(network: nn.Module, inputs: Tensor) -> int:
    """Inputs in one pass: enough to fill a processor, small enough for memory."""
    if isinstance(network, Network):
        return network.form.at_once
    return GRID.at_once if inputs.ndim == 4 else volume().at_once


def chosen(scores: Tensor, classes: Sequence[int] | None) -> Tensor:
    """The class to explain for each item: as said, or the predicted one.

    Raises:
        UsageError: no such class, or not one an item.
    """
    if classes is None:
        return scores.detach().argmax(dim=1)
    wrong = [c for c in classes if not 0 <= c < scores.shape[1]]
    if wrong or len(classes) != len(scores):
        raise UsageError(
            "classes",
            got=f"class {wrong[0]}" if wrong else f"{len(classes)} classes",
            expected=f"0 to {scores.shape[1] - 1}" if wrong else f"one for each of {len(scores)}",
            do="choose one of the network's classes for each item of the batch",
        )
    return torch.as_tensor(list(classes), device=scores.device)


@contextmanager
def as_found(network: nn.Module) -> Iterator[None]:
    """Have the network answer without dropout and without trained parameters, then put it back."""
    modes = [(module, module.training) for module in network.modules()]
    trained = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        network.eval()
        for parameter, _ in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in trained:
            parameter.requires_grad_(flag)
