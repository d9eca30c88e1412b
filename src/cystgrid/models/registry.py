"""Every model by its name. To add one: a builder and a line here, and its test."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from cystgrid.settings import Settings

if TYPE_CHECKING:  # a study is read without torch, which takes seconds to import
    from cystgrid.models.network import Network, Shape

Builder = Callable[[str, "Shape", str], "Network"]
Inputs = Literal["early", "t1", "t2"]

VIT = "vit"
"""Short for the ViT of the size that the study names."""

MODEL_NAMES = ("vit", "vit_tiny", "vit_small", "vit_base", "resnet18")

CHANNELS: dict[str, tuple[str, ...]] = {"early": ("t1", "t2"), "t1": ("t1",), "t2": ("t2",)}
"""Which modalities become channels, in order; ``early`` is the paper's early fusion."""

KEYWORDS = ("hub", "none", "phantom")


class ModelSettings(Settings):
    """Which models, on which inputs, started from which weights.

    Attributes:
        names: models to compare.
        inputs: ``early`` (T1 and T2 as two channels), ``t1``, ``t2``.
        vit: the size that the name ``vit`` stands for.
        weights: ``hub`` (timm's or torchvision's), ``none`` (from scratch) or a path; one for all
            models, or a table by model name, in which ``default`` serves the others.
    """

    names: tuple[str, ...] = Field(default=(VIT, "resnet18"), min_length=1)
    inputs: tuple[Inputs, ...] = Field(default=("early",), min_length=1)
    vit: Literal["tiny", "small", "base"] = "base"
    weights: str | dict[str, str] = "hub"

    @field_validator("names")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in MODEL_NAMES:
                raise ValueError(f"known models; Available: {', '.join(MODEL_NAMES)}")
        return names

    @field_validator("weights")
    @classmethod
    def _for_models(cls, weights: str | dict[str, str]) -> str | dict[str, str]:
        names = weights if isinstance(weights, dict) else {}
        for name in names:
            if name not in (*MODEL_NAMES, "default"):
                raise ValueError(f"keys out of default, {', '.join(MODEL_NAMES)}")
        return weights

    def weights_of(self, name: str) -> str:
        """The weights that the study names for a model."""
        if isinstance(self.weights, str):
            return self.weights
        return self.weights.get(name, self.weights.get("default", "hub"))

    def architecture(self, name: str) -> str:
        """The registered name behind a model's name in the study."""
        return f"vit_{self.vit}" if name == VIT else name

    def beside(self, folder: Path) -> ModelSettings:
        """The same with relative paths of weights taken from ``folder``, the study file's."""

        def placed(weights: str) -> str:
            return weights if weights in KEYWORDS else os.path.abspath(folder / weights)  # noqa: PTH100 - keeps links

        weights = (
            placed(self.weights)
            if isinstance(self.weights, str)
            else {name: placed(value) for name, value in self.weights.items()}
        )
        return self.model_copy(update={"weights": weights})


def build_model(architecture: str, shape: Shape, weights: str) -> Network:
    """Build a registered architecture.

    Args:
        architecture: one of ``vit_tiny``, ``vit_small``, ``vit_base``, ``resnet18``.
        shape: channels, classes and grid size.
        weights: ``hub``, ``none`` or a path.

    Raises:
        WeightsError: the weights cannot be had or do not fit.
    """
    from cystgrid.models.cnn import build_resnet18
    from cystgrid.models.vit import ARCHITECTURES, build_vit

    builders: dict[str, Builder] = dict.fromkeys(ARCHITECTURES, build_vit)
    builders["resnet18"] = build_resnet18
    return builders[architecture](architecture, shape, weights)
