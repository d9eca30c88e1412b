"""A deployed model as one module of torch: prepared crops in, the members' mean probabilities out.

Arithmetic is float32 throughout. A member that answers in bfloat16 keeps its rounded weights, so
that only the rounding on the way is left out.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from cystgrid.exports.standard import UnitIntensities
from cystgrid.exports.windows import Shown
from cystgrid.models.network import Network
from cystgrid.training.network_member import NetworkMember
from cystgrid.training.rounded import PRODUCTS


class Preparation(nn.Module):
    """Prepared crops to what the members' networks take, each by its own standard.

    Args:
        members: of the model.
        prepared: pixels along a prepared cell's side.
    """

    def __init__(self, members: Sequence[NetworkMember], prepared: int) -> None:
        super().__init__()
        first = members[0]
        self.intensities = nn.ModuleList(
            UnitIntensities(member.standard[list(member.channels)]) for member in members
        )
        pixels = first.grid.pixels or prepared
        self.shown = Shown(first.network.form, first.grid.cells, prepared, pixels)

    def forward(self, crop: Tensor, percentiles: Tensor, slices: Tensor) -> Tensor:
        """``(batch, member * channel, ...)`` in 0-1, the first member's channels first.

        Args:
            crop: ``(batch, channel, slice, row, column)`` as ``PreparedPatient.crop``.
            percentiles: ``(batch, channel, landmark)`` as ``PreparedPatient.percentiles``.
            slices: ``(batch,)`` int64, each patient's own; what lies beyond repeats the last.
        """
        shown = [self.shown(each(crop, percentiles), slices) for each in self.intensities]
        return torch.cat(shown, dim=1)


class Ensemble(nn.Module):
    """What the members' networks take to the mean of their probabilities.

    Args:
        networks: of the members, in float32.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.channels = networks[0].channels

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities ``(batch, class)`` of ``(batch, member * channel, ...)`` in 0-1."""
        parts = image.split(self.channels, dim=1)
        each = [
            network(part).softmax(dim=1) for network, part in zip(self.networks, parts, strict=True)
        ]
        return torch.stack(each).mean(dim=0)


class Whole(nn.Module):
    """Both together: from a prepared crop to probabilities."""

    def __init__(self, preparation: Preparation, ensemble: Ensemble) -> None:
        super().__init__()
        self.preparation = preparation
        self.ensemble = ensemble

    def forward(self, crop: Tensor, percentiles: Tensor, slices: Tensor) -> Tensor:
        """Probabilities ``(batch, class)``; for the inputs see ``Preparation``."""
        answers: Tensor = self.ensemble(self.preparation(crop, percentiles, slices))
        return answers


def exact_members(members: Sequence[NetworkMember]) -> tuple[NetworkMember, ...]:
    """The members on the processor in float32, with the weights that they answer with."""
    cpu = torch.device("cpu")
    return tuple(
        replace(member, network=_exact(member), precision="float32", device=cpu)
        for member in members
    )


def _exact(member: NetworkMember) -> Network:
    network = copy.deepcopy(member.network).cpu().eval().requires_grad_(False)
    if member.precision == "bfloat16":
        for module in network.modules():
            if isinstance(module, PRODUCTS):
                for weight in module.parameters(recurse=False):
                    weight.data = weight.data.to(torch.bfloat16).float()
    return network
