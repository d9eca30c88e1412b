"""Float32 weights that are trained through rounded ones: they keep what is less than a digit.

A rounded weight has eight binary digits, and most steps of a training are smaller than the last of
them. So the gradients of the rounded weights move float32 masters, from which they are rounded
anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cystgrid.models.network import Network

TOGETHER = 2**20
"""Weights that are moved at once, if they are several tensors: what they need stays in cache."""


@dataclass(frozen=True)
class Pair:
    """A weight and its rounded copy, in the same order in memory."""

    master: nn.Parameter
    rounded: nn.Parameter

    def take_gradient(self, room: Tensor) -> None:
        """Move the gradient, if there is one, from the copy to its master.

        Args:
            room: ``(elements,)`` float32, to hold it there.
        """
        if self.rounded.grad is not None:
            gradient = room.as_strided(self.rounded.shape, self.rounded.stride())
            self.master.grad = gradient.copy_(self.rounded.grad)
            self.rounded.grad = None

    def round(self) -> None:
        """Bring the rounded weight up to its master."""
        self.rounded.detach().copy_(self.master.detach())


class Masters:
    """A network's weights, moved by the gradients of the network that works for it.

    Args:
        network: whose weights are trained; they come to lie in memory as those of ``working``.
        working: as ``working_network`` gives it; ``network`` itself needs no masters.
    """

    def __init__(self, network: Network, working: Network) -> None:
        both = zip(network.parameters(), working.parameters(), strict=True)
        self._pairs = {m: _pair(m, rounded) for m, rounded in both if rounded is not m}
        largest = max((master.numel() for master in self._pairs), default=0)
        self._room = torch.empty(max(largest, TOGETHER), device=network.absent.device)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the optimiser's step, one part of its groups after the other.

        Args:
            optimizer: of the network's parameters; their gradients are gone afterwards.
        """
        whole = optimizer.param_groups
        for group in whole:
            for part in _parts(group["params"]):
                pairs = [self._pairs[master] for master in part if master in self._pairs]
                self._take_gradients(pairs)
                optimizer.param_groups = [{**group, "params": part}]
                with _as_they_lie(part, optimizer):
                    optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                for pair in pairs:
                    pair.round()
        optimizer.param_groups = whole

    def _take_gradients(self, pairs: Sequence[Pair]) -> None:
        sizes = [pair.master.numel() for pair in pairs]
        rooms = self._room[: sum(sizes)].split(sizes) if sizes else ()
        for pair, room in zip(pairs, rooms, strict=True):
            pair.take_gradient(room)


def _parts(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """In order, at most ``TOGETHER`` weights at a time, or one larger tensor."""
    part: list[nn.Parameter] = []
    for parameter in parameters:
        if part and sum(map(Tensor.numel, part)) + parameter.numel() > TOGETHER:
            yield part
            part = []
        part.append(parameter)
    if part:
        yield part


@contextmanager
def _as_they_lie(
    parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer
) -> Iterator[None]:
    """Within it, the axes of weights, gradients and moments are in their order in memory.

    A fused step on a processor copies what is not contiguous, there and back.
    """
    turned = {each: order for each in parameters if (order := _order(each)) != sorted(order)}
    for parameter, order in turned.items():
        _turn(parameter, optimizer, order)
    try:
        yield
    finally:
        for parameter, order in turned.items():
            _turn(parameter, optimizer, [order.index(axis) for axis in range(len(order))])


def _order(tensor: Tensor) -> list[int]:
    """Its axes from the longest step in memory to the shortest."""
    return sorted(range(tensor.ndim), key=tensor.stride, reverse=True)


def _turn(parameter: nn.Parameter, optimizer: torch.optim.Optimizer, axes: list[int]) -> None:
    gradient, parameter.grad = parameter.grad, None
    parameter.data = parameter.data.permute(axes)
    parameter.grad = None if gradient is None else gradient.permute(axes)
    moments = optimizer.state.get(parameter, {})
    for name, value in moments.items():
        if value.ndim == len(axes):
            moments[name] = value.permute(axes)


def _pair(master: nn.Parameter, rounded: nn.Parameter) -> Pair:
    """The two, after the master was laid in memory as its copy is."""
    if master.stride() != rounded.stride():
        laid = torch.empty_like(rounded, dtype=master.dtype)
        master.data = laid.copy_(master.data)
    return Pair(master, rounded)
