"""Float32 weights that are trained through rounded ones: they keep what is less than a digit.

A rounded weight has eight binary digits, and most steps of a training are smaller than the last of
them. So the gradients of the rounded weights move float32 masters, from which they are rounded
anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cystgrid.models.network import Network

TOGETHER = 2**20
"""Weights that are moved at once, if they are several tensors: what they need stays in cache."""

Group = dict[str, Any]
"""An optimiser's: parameters, and their rate and decay."""


@dataclass(frozen=True)
class Pair:
    """A weight and its rounded copy, in the same order in memory.

    Attributes:
        master: ``(elements,)`` float32, the weight in that order: what the optimiser moves.
        rounded: ``(elements,)`` bfloat16, the copy in that order.
        working: the copy as the passes have it, and its gradient.
    """

    master: nn.Parameter
    rounded: Tensor
    working: nn.Parameter

    def take_gradient(self, room: Tensor) -> None:
        """Move the gradient, if there is one, from the copy to its master.

        Args:
            room: ``(elements,)`` float32, to hold it there.
        """
        if self.working.grad is not None:
            shaped = room.as_strided(self.working.shape, self.working.stride())
            shaped.copy_(self.working.grad)
            self.master.grad, self.working.grad = room, None

    def round(self) -> None:
        """Bring the rounded weight up to its master."""
        self.rounded.copy_(self.master.detach())


@dataclass(frozen=True)
class Part:
    """Weights that are moved together: groups of the optimiser's, and the pairs they are of."""

    groups: list[Group]
    pairs: tuple[Pair, ...] = ()

    @property
    def sizes(self) -> list[int]:
        """Elements of each pair."""
        return [len(pair.master) for pair in self.pairs]


class Masters:
    """A network's weights, moved by the gradients of the network that works for it.

    Args:
        network: whose weights are trained; they come to lie in memory as those of ``working``.
        working: as ``working_network`` gives it; ``network`` itself needs no masters.
        optimizer: of ``network``, before its first step. Its groups are divided, with the rates
            that they have: it moves one part of the weights after the other.
    """

    def __init__(
        self, network: Network, working: Network, optimizer: torch.optim.Optimizer
    ) -> None:
        both = zip(network.parameters(), working.parameters(), strict=True)
        copies = {master: copy for master, copy in both if copy is not master}
        groups = optimizer.param_groups
        plain = [[p for p in group["params"] if p not in copies] for group in groups]
        parts = [Part([{**g, "params": p} for g, p in zip(groups, plain, strict=True) if p])]
        for group in groups:
            for few in _few([p for p in group["params"] if p in copies]):
                pairs = tuple(_pair(master, copies[master]) for master in few)
                parts.append(Part([{**group, "params": [pair.master for pair in pairs]}], pairs))
        self._parts = [part for part in parts if part.groups]
        self._optimizer = optimizer
        self._whole: list[Group] = [group for part in self._parts for group in part.groups]
        optimizer.param_groups = self._whole
        largest = max(sum(part.sizes) for part in self._parts)
        self._room = torch.empty(largest, device=network.absent.device)

    def step(self) -> None:
        """Take the optimiser's step, part by part, and let go of the gradients."""
        for part in self._parts:
            for pair, room in zip(part.pairs, _rooms(self._room, part), strict=True):
                pair.take_gradient(room)
            self._optimizer.param_groups = part.groups
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            for pair in part.pairs:
                pair.round()
        self._optimizer.param_groups = self._whole


def _rooms(room: Tensor, part: Part) -> Sequence[Tensor]:
    return room[: sum(part.sizes)].split(part.sizes) if part.pairs else ()


def _few(masters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """In order, at most ``TOGETHER`` weights at a time, or one larger tensor."""
    few: list[nn.Parameter] = []
    for master in masters:
        if few and sum(map(Tensor.numel, few)) + master.numel() > TOGETHER:
            yield few
            few = []
        few.append(master)
    if few:
        yield few


def _pair(master: nn.Parameter, copy: nn.Parameter) -> Pair:
    """The two, after the master was laid in memory as its copy is."""
    if master.stride() != copy.stride():
        laid = torch.empty_like(copy, dtype=master.dtype)
        master.data = laid.copy_(master.data)
    return Pair(nn.Parameter(_in_order(master)), _in_order(copy), copy)


def _in_order(tensor: Tensor) -> Tensor:
    """A dense tensor's elements in their order in memory, ``(elements,)``, not copied."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))
