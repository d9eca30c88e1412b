"""A transformer that tells what every patch of a grid is made of, and what the whole grid holds."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from timm.models import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from cystgrid.models.network import Network
from cystgrid.pretraining.stream import LabelledGrids
from cystgrid.pretraining.tissues import Fact, Tissue
from cystgrid.training.device import Precision
from cystgrid.training.rounded import working_network

PATCHES_WEIGHT = 10.0
"""Of what is asked of patches, beside what is asked of whole grids: most patches hold nothing."""


RARE = -3.0
"""First logit of every tissue: most patches hold none of it, and that need not be learned."""


@dataclass(frozen=True)
class Reading:
    """What a reader says of grids.

    Attributes:
        fractions: ``(grid, patch, tissue)`` logits of the square roots of fractions: a thin duct
            fills a hundredth of a patch, and must count.
        facts: ``(grid, fact)``; of a nodule the logit.
    """

    fractions: Tensor
    facts: Tensor


class Reader(nn.Module):
    """A ViT with two heads that its start leaves behind.

    Args:
        network: a plain ViT behind its normalisation; its own head is not used.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        body = network.backbone
        assert isinstance(body, VisionTransformer)
        self.tissues = nn.Linear(body.embed_dim, len(Tissue))
        self.facts = nn.Linear(body.embed_dim, len(Fact))
        nn.init.constant_(self.tissues.bias, RARE)

    def trainable(self) -> Iterator[tuple[str, nn.Parameter, int]]:
        """Name, parameter and layer of all but the network's own head, which is not used."""
        for name, parameter, layer in self.network.trainable():
            if not name.startswith(f"{self.network.head}."):
                yield name, parameter, layer
        last = len(self.network.layers) - 1
        for head in (self.tissues, self.facts):
            yield from ((name, parameter, last) for name, parameter in head.named_parameters())

    def working(self, precision: Precision) -> Reader:
        """The reader whose passes are run in ``precision``; its heads are this one's own."""
        copied = copy.copy(self)
        copied._modules = {**self._modules, "network": working_network(self.network, precision)}
        return copied

    def forward(self, grids: Tensor) -> Reading:
        """Read grids ``(grid, modality, height, width)`` in 0-1."""
        body: VisionTransformer = self.network.backbone
        tokens = body.forward_features((grids - self.network.mean) / self.network.std)
        patches = tokens[:, body.num_prefix_tokens :]
        return Reading(self.tissues(patches).float(), self.facts(tokens[:, 0]).float())


def loss(reading: Reading, truth: LabelledGrids) -> Tensor:
    """Cross-entropy of the patches' tissues, and errors of the facts."""
    patches = binary_cross_entropy_with_logits(reading.fractions, truth.fractions.sqrt())
    measured = [fact for fact in Fact if fact != Fact.NODULE]
    radii = smooth_l1_loss(reading.facts[:, measured], truth.facts[:, measured], beta=0.1)
    nodule = binary_cross_entropy_with_logits(
        reading.facts[:, Fact.NODULE], truth.facts[:, Fact.NODULE]
    )
    return PATCHES_WEIGHT * patches + radii + 0.25 * nodule


def explained(reading: Reading, truth: LabelledGrids) -> dict[str, float]:
    """Share of the variance of each target that is explained (R^2); 0 is what its mean explains."""
    found = {
        f"patch_{tissue.name.lower()}": _r2(
            reading.fractions[..., tissue].sigmoid(), truth.fractions[..., tissue].sqrt()
        )
        for tissue in Tissue
    }
    said = reading.facts.clone()
    said[:, Fact.NODULE] = said[:, Fact.NODULE].sigmoid()
    return found | {
        f"grid_{fact.name.lower()}": _r2(said[:, fact], truth.facts[:, fact]) for fact in Fact
    }


def _r2(said: Tensor, true: Tensor) -> float:
    said, true = said.double(), true.double()
    rest = (said - true).square().mean()
    whole = (true - true.mean()).square().mean()
    return float(1 - rest / whole) if whole > 0 else float("nan")


def join(readings: list[Reading]) -> Reading:
    """Several as one."""
    fractions = torch.cat([each.fractions for each in readings])
    return Reading(fractions, torch.cat([each.facts for each in readings]))
