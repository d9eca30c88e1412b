"""The weight-randomisation test (Adebayo et al. 2018): the map of a network that knows nothing.

Every tensor of the network is shuffled, so that each keeps its values and its scale but all that
was learned is gone. A map that stays the same is a map of the image, and explains no answer.
"""

from __future__ import annotations

import copy

import torch

from cystgrid.models.network import Network


def randomised(network: Network, seed: int) -> Network:
    """A copy whose backbone's weights are shuffled within each tensor.

    Args:
        network: it is left as it is.
        seed: the same seed gives the same copy.
    """
    shuffled = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in shuffled.backbone.state_dict().values():
            order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
            tensor.copy_(tensor.flatten()[order].reshape(tensor.shape))
    return shuffled
