"""Everything but the data that decides what a training gives."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import CHANNELS, ModelSettings, entry_of
from cystgrid.provenance import digest
from cystgrid.settings import Settings
from cystgrid.training.settings import TrainingSettings


class Recipe(Settings):
    """Classes, grid, models and how they are trained.

    Attributes:
        classes: class names in order of risk; a class's number is its place here.
        grid: slices in a grid, augmentation.
        models: which networks, on which inputs, started from what.
        training: the recipe for every model.
        recipes: by model name, the settings in which that model's training differs.
    """

    classes: tuple[str, ...]
    grid: GridSettings = GridSettings()
    models: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _recipes_are_whole(self) -> Recipe:
        for name in self.recipes:
            entry_of(name)
            self.training_of(name)
        return self

    def training_of(self, model: str) -> TrainingSettings:
        """The settings of one model's training, its own differences applied."""
        merged = {**self.training.model_dump(), **self.recipes.get(model, {})}
        return TrainingSettings.parse(merged, f"recipes.{model}")

    def identity(self, model: str, inputs: str) -> dict[str, Any]:
        """What two trainings of ``model`` must share to be interchangeable, as JSON."""
        return {
            "classes": list(self.classes),
            "grid": self.grid.model_dump(),
            "inputs": inputs,
            "channels": list(CHANNELS[inputs]),
            **self.models.identity(model),
            "training": self.training_of(model).model_dump(),
        }


def job_seed(seed: int, *place: object) -> int:
    """A seed of its own for every training, from the study's seed and the training's place."""
    return int(digest([seed, *map(str, place)])[:15], 16)
