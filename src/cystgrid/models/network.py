"""What every network is to the rest of cystgrid: grids in 0-1 in, class scores out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cystgrid.grids.forms import CYST_X_SIDE, GRID, Form
from cystgrid.grids.tiling import GridSettings

RGB = 3
ABSENT = "absent"
"""Name of the parameter that stands in for scans that a patient lacks."""

OWN = (ABSENT, "mean", "std")
"""What a network holds beside its backbone."""


@dataclass(frozen=True)
class Shape:
    """The sizes that a network is built for.

    Attributes:
        channels: input channels (T1 and T2: 2).
        classes: number of class scores.
        cells: slices in a grid, a square number (the paper: 9).
        pixels: along a cell's side (the paper: 64).
        cube: voxels along the side of a whole volume, for the networks that take one.
    """

    channels: int
    classes: int
    cells: int
    pixels: int
    cube: int = CYST_X_SIDE

    @property
    def image(self) -> int:
        """Height and width of a grid in pixels."""
        return math.isqrt(self.cells) * self.pixels

    @classmethod
    def of(cls, channels: int, classes: int, grid: GridSettings, prepared: int) -> Shape:
        """The shape of a study.

        Args:
            channels: input channels.
            classes: of the study.
            grid: its settings.
            prepared: pixels along a prepared cell's side, taken where the study names no fewer.
        """
        return cls(channels, classes, grid.cells, grid.pixels or prepared, grid.cube)


class Network(nn.Module):
    """A backbone behind its own normalisation, with its layers named from input to output.

    Args:
        backbone: takes normalised inputs of ``form``, returns class scores.
        mean, std: of the pretrained network's colours (0-1 scale); their average serves every
            channel, since MRI channels have no colour.
        layers: prefixes of the backbone's parameters, one tuple a layer, from input to output;
            together they name every parameter. Layer-wise learning rates follow this order.
        head: name of the backbone's last linear layer; what enters it are the features.
        channels: input channels.
        form: how slices reach the network.

    Attributes:
        absent: ``(channels,)`` the grey value (0-1) shown in place of a scan that a patient lacks;
            0, and trained only after ``learn_absent``.
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
        head: str,
        channels: int,
        form: Form = GRID,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.layers = layers
        self.head = head
        self.form = form
        self.absent = nn.Parameter(torch.zeros(channels), requires_grad=False)
        self.register_buffer("mean", torch.tensor(sum(mean) / len(mean)))
        self.register_buffer("std", torch.tensor(sum(std) / len(std)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Class scores ``(batch, classes)`` of inputs in 0-1, NaN where a scan is absent.

        Args:
            inputs: ``(batch, channel, height, width)`` for networks that take grids, else
                ``(batch, channel, slice, row, column)``.
        """
        shown = self.absent.reshape(1, -1, *[1] * (inputs.ndim - 2))
        filled = torch.where(inputs.isnan(), shown, inputs)
        scores: Tensor = self.backbone((filled - self.mean) / self.std)
        return scores

    @property
    def channels(self) -> int:
        """Input channels."""
        return len(self.absent)

    @property
    def features(self) -> int:
        """Length of the vector that the head classifies."""
        return int(self.backbone.get_submodule(self.head).in_features)  # type: ignore[arg-type]

    def learn_absent(self) -> Network:
        """Train what stands in for absent scans together with the weights."""
        self.absent.requires_grad_(True)
        return self

    def normalise_with(self, mean: float, std: float) -> Network:
        """Expect another mean and deviation than the published network's."""
        self.mean.fill_(mean)
        self.std.fill_(std)
        return self

    def trainable(self) -> Iterator[tuple[str, nn.Parameter, int]]:
        """Name, parameter and layer of everything that training changes."""
        if self.absent.requires_grad:
            yield ABSENT, self.absent, 0
        for name, parameter in self.backbone.named_parameters():
            yield name, parameter, self.layer_of(name)

    def layer_of(self, parameter: str) -> int:
        """Which layer, counted from the input, a parameter of the backbone belongs to.

        Raises:
            ValueError: no layer names it; the model's definition is wrong.
        """
        for number, prefixes in enumerate(self.layers):
            if any(parameter == p or parameter.startswith(p + ".") for p in prefixes):
                return number
        raise ValueError(f"{parameter} belongs to no layer of {type(self.backbone).__name__}")

    def state(self) -> dict[str, Tensor]:
        """All tensors that the answers depend on: the backbone's by their own names, and ours."""
        own = {name: getattr(self, name).detach().reshape(-1) for name in OWN}
        return {**self.backbone.state_dict(), **own}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up what ``state`` gave.

        Raises:
            RuntimeError: tensors are missing, unknown or of another shape.
        """
        body = {name: tensor for name, tensor in state.items() if name not in OWN}
        self.backbone.load_state_dict(body, strict=True)
        for name in OWN:
            mine = getattr(self, name)
            if name not in state or state[name].numel() != mine.numel():
                raise RuntimeError(f"{name} is missing or of another length")
            with torch.no_grad():
                mine.copy_(state[name].reshape(mine.shape))
