"""Float32 weights that are trained through rounded ones: the first keep what is less than a digit.

A rounded weight has eight binary digits, and most steps of a training are smaller than the last of
them. So the gradients of the rounded weights move float32 masters, from which they are rounded
anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cystgrid.models.network import Network

TOGETHER = 2**21
"""Weights that are moved at once, if there are several: what they need stays in cache."""


@dataclass(frozen=True)
class Pair:
    """A weight, and its rounded copy.

    Attributes:
        master: float32; what is trained.
        rounded: what the passes run with, and what their gradient is of.
        gradient: float32 room for it, in the order in memory of both.
    """

    master: nn.Parameter
    rounded: nn.Parameter
    gradient: Tensor

    def take_gradient(self) -> None:
        """Move the gradient from the rounded weight to its master."""
        if self.rounded.grad is not None:
            self.master.grad = self.gradient.copy_(self.rounded.grad)
            self.rounded.grad = None

    def round(self) -> None:
        """Bring the rounded weight up to its master."""
        with torch.no_grad():
            self.rounded.copy_(self.master)


class Masters:
    """A network's weights, moved by the gradients of the network that works for it.

    Args:
        network: whose weights are trained; they may come to lie in another order in memory.
        working: as ``working_network`` gives it; ``network`` itself needs no masters.
    """

    def __init__(self, network: Network, working: Network) -> None:
        both = zip(network.parameters(), working.parameters(), strict=True)
        parts = list(
            _parts([(master, rounded) for master, rounded in both if master is not rounded])
        )
        largest = max((_size(part) for part in parts), default=0)
        room = torch.empty(largest, device=network.absent.device)
        self._parts = [_pairs(part, room) for part in parts] or [[]]

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the optimiser's step, and let go of the gradients.

        It passes over parameters without a gradient, so it is asked once for every few masters; the
        parameters that were never rounded come with the first.
        """
        for pairs in self._parts:
            for pair in pairs:
                pair.take_gradient()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            for pair in pairs:
                pair.round()


_Both = tuple[nn.Parameter, nn.Parameter]


def _size(part: list[_Both]) -> int:
    return sum(rounded.numel() for _, rounded in part)


def _parts(both: list[_Both]) -> Iterator[list[_Both]]:
    """In order, at most ``TOGETHER`` weights at a time, or one larger tensor."""
    part: list[_Both] = []
    for master, rounded in both:
        if part and _size(part) + rounded.numel() > TOGETHER:
            yield part
            part = []
        part.append((master, rounded))
    if part:
        yield part


def _pairs(part: list[_Both], room: Tensor) -> list[Pair]:
    """A part's masters, laid in memory as their rounded weights; gradients share ``room``."""
    places = room[: _size(part)].split([rounded.numel() for _, rounded in part])
    for master, rounded in part:
        if master.stride() != rounded.stride():
            laid = torch.empty_like(rounded, dtype=master.dtype)
            master.data = laid.copy_(master.data)
    return [
        Pair(master, rounded, place.as_strided(rounded.shape, rounded.stride()))
        for (master, rounded), place in zip(part, places, strict=True)
    ]
