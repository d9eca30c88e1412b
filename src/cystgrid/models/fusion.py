"""Late fusion: a network for each modality, their features concatenated before one linear head.

With transformers the features are the class tokens: the paper's late fusion (Table II).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cystgrid.models.network import Network, Shape

MODALITIES = ("t1", "t2")
HEAD = "head"


class LateFusion(nn.Module):
    """Two networks and a head; channel 0 goes into ``t1``, channel 1 into ``t2``."""

    def __init__(self, t1: nn.Module, t2: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.t1, self.t2 = t1, t2
        self.head = nn.Linear(features, classes)

    def forward(self, grids: Tensor) -> Tensor:
        """Class scores of ``(batch, 2, height, width)``."""
        scores: Tensor = self.head(torch.cat([self.t1(grids[:, :1]), self.t2(grids[:, 1:])], dim=1))
        return scores


def fuse(t1: Network, t2: Network, shape: Shape) -> Network:
    """One network out of two of one architecture, each built for a single channel.

    Args:
        t1: sees channel 0; its head is taken off.
        t2: sees channel 1; its head is taken off.
        shape: of the whole.

    Returns:
        A network whose layers are those of the two side by side.
    """
    length = t1.features + t2.features
    for network in (t1, t2):
        network.backbone.set_submodule(network.head, nn.Identity())
    below = [
        tuple(f"{modality}.{name}" for modality in MODALITIES for name in layer if name != t1.head)
        for layer in t1.layers
    ]
    last = below.pop()
    fused = Network(
        LateFusion(t1.backbone, t2.backbone, length, shape.classes),
        mean=(0.0,),
        std=(1.0,),
        layers=(*below, (*last, HEAD)),
        head=HEAD,
        channels=len(MODALITIES),
        form=t1.form,
    )
    fused.mean, fused.std = t1.mean, t1.std
    return fused
