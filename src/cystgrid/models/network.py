"""What every model is to the rest of cystgrid: grids in 0-1 in, class scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

RGB = 3


@dataclass(frozen=True)
class Shape:
    """The sizes that a model is built for.

    Attributes:
        channels: input channels (T1 and T2: 2).
        classes: number of class scores.
        image: height and width of a grid in pixels.
    """

    channels: int
    classes: int
    image: int


class Network(nn.Module):
    """A backbone behind its own normalisation, with its layers named from input to output.

    Args:
        backbone: takes normalised grids, returns class scores.
        mean, std: of the pretrained network's colours (0-1 scale); their average serves every
            channel, since MRI channels have no colour.
        layers: prefixes of the backbone's parameters, one tuple a layer, from input to output;
            together they name every parameter. Layer-wise learning rates follow this order.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        layers: tuple[tuple[str, ...], ...],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.layers = layers
        self.register_buffer("mean", torch.tensor(sum(mean) / len(mean)))
        self.register_buffer("std", torch.tensor(sum(std) / len(std)))

    def forward(self, grids: Tensor) -> Tensor:
        """Class scores ``(batch, classes)`` of grids ``(batch, channel, height, width)`` in 0-1."""
        scores: Tensor = self.backbone((grids - self.mean) / self.std)
        return scores

    def layer_of(self, parameter: str) -> int:
        """Which layer, counted from the input, a parameter of the backbone belongs to.

        Raises:
            ValueError: no layer names it; the model's definition is wrong.
        """
        for number, prefixes in enumerate(self.layers):
            if any(parameter == p or parameter.startswith(p + ".") for p in prefixes):
                return number
        raise ValueError(f"{parameter} belongs to no layer of {type(self.backbone).__name__}")
