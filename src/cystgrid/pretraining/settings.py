"""How a start is made: one TOML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from cystgrid.grids.tiling import Cells
from cystgrid.models.named_weights import KEYWORDS
from cystgrid.settings import Settings


class PretrainSettings(Settings):
    """One pretraining.

    Attributes:
        vit: size of the transformer.
        weights: what it starts from: ``none``, ``hub`` or a path, as in a study.
        cells: slices in a grid.
        pixels: along a cell's side; a multiple of the transformer's patch of 16.
        grids: labelled random grids to learn from; no two are alike.
        batch: grids in one step.
        learning_rate: highest, after the warm-up.
        weight_decay: not applied to biases, norms, tokens and position embeddings.
        layer_decay: factor from a layer to the one below it.
        warmup: share of all steps over which the rate rises from zero; then a cosine to zero.
        validation: fixed grids, of another seed, that the curve is drawn on.
        looks: how often the validation grids are looked at.
        save_every: steps between two states from which a stopped pretraining goes on.
        precision: as in a study's training.
        threads: of the training process.
        seed: of the network's first weights and of the stream.
    """

    vit: Literal["tiny", "small", "base", "large"] = "tiny"
    weights: str = "none"
    cells: Cells = 9
    pixels: int = Field(default=64, ge=16, multiple_of=16)
    grids: int = Field(default=400_000, ge=1)
    batch: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    validation: int = Field(default=512, ge=16)
    looks: int = Field(default=40, ge=1)
    save_every: int = Field(default=200, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_step(self) -> PretrainSettings:
        if self.grids < self.batch:
            raise ValueError("at least one batch of grids")
        return self

    def beside(self, folder: Path) -> PretrainSettings:
        """The same with a relative path of weights taken from ``folder``, the study file's."""
        if self.weights in KEYWORDS:
            return self
        placed = os.path.abspath(folder / self.weights)  # noqa: PTH100 - keeps links
        return self.model_copy(update={"weights": placed})

    @property
    def steps(self) -> int:
        """Batches to learn from."""
        return self.grids // self.batch

    def looked_at(self) -> frozenset[int]:
        """Steps after which the validation grids are looked at; the last one always."""
        looks = min(self.looks, self.steps)
        return frozenset(round(self.steps * (n + 1) / looks) for n in range(looks))
