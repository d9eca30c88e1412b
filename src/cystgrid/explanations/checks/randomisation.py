"""The weight-randomisation test (Adebayo et al. 2018): the map of a network that knows nothing.

Every tensor of the network is shuffled, so that each keeps its values and its scale but all that
was learned is gone. A map that stays the same is a map of the image, and explains no answer.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from cystgrid.models.network import Network


def randomised(network: nn.Module, seed: int, layers: int | None = None) -> nn.Module:
    """A copy whose weights are shuffled within each tensor.

    Args:
        network: ours, or any other; it is left as it is.
        seed: the same seed gives the same copy.
        layers: how many, counted from the output (the cascade); None for all. Only our networks
            know their layers.

    Raises:
        ValueError: layers of a network that does not name them.
    """
    shuffled = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    body = shuffled.backbone if isinstance(shuffled, Network) else shuffled
    with torch.no_grad():
        for name, tensor in body.state_dict().items():
            if layers is None or _from_output(shuffled, name) < layers:
                order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
                tensor.copy_(tensor.flatten()[order].reshape(tensor.shape))
    return shuffled


def _from_output(network: nn.Module, name: str) -> int:
    """Which layer a tensor belongs to, counted from the output.

    Raises:
        ValueError: the network does not name its layers.
    """
    if not isinstance(network, Network):
        raise ValueError(f"{type(network).__name__} does not name its layers in order")
    return len(network.layers) - 1 - network.layer_of(name)
