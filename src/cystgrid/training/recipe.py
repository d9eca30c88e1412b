"""Everything but the data that decides what a training gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field, model_validator

from cystgrid.cohort.classes import CohortSettings
from cystgrid.extras import require
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import CHANNELS, ModelSettings
from cystgrid.provenance import digest
from cystgrid.settings import Settings
from cystgrid.training.families import FAMILY_RECIPES
from cystgrid.training.search import SearchSettings
from cystgrid.training.settings import TrainingSettings


class Recipe(Settings):
    """Classes, grid, models and how they are trained.

    Attributes:
        cohort: classes in order of risk (a class's number is its place there), and merges.
        grid: slices in a grid, augmentation.
        models: which networks, on which inputs, started from what.
        training: the recipe for every model.
        recipes: by model name, the settings in which that model's training differs.
        search: settings that compete on the inner folds.
    """

    cohort: CohortSettings = CohortSettings()
    grid: GridSettings = GridSettings()
    models: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    search: SearchSettings = SearchSettings()

    @model_validator(mode="after")
    def _recipes_are_whole(self) -> Recipe:
        for name in self.recipes:
            self.models.entry(name)
            self.training_of(name)
        for name in self.models.names:
            if self.models.entry(name).family == "network":
                self.search.check(self.training_of(name))
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in order of risk."""
        return self.cohort.classes

    def training_of(self, model: str) -> TrainingSettings:
        """The settings of one model's training.

        What the study says of this model, over what it says of all, over the recipe of the
        model's family (``families``), over the defaults.
        """
        said = self.training.model_dump(include=self.training.model_fields_set)
        family = FAMILY_RECIPES.get(self.models.architecture(model), {})
        merged = {**family, **said, **self.recipes.get(model, {})}
        return TrainingSettings.parse(merged, f"recipes.{model}")

    def require(self, models: Iterable[str]) -> None:
        """Refuse trainings whose packages are not there, before any of them begins.

        Raises:
            SettingsError: one is not installed.
        """
        for model in models:
            self.models.entry(model).require()
        if self.search.method == "optuna" and self.search.space:
            require("search", "search.method", "optuna", or_else='take method = "grid"')

    def epochs_of(self, model: str) -> int:
        """Most epochs of one training, over all candidates of its search; 1 without epochs."""
        if self.models.entry(model).family != "network":
            return 1
        return self.search.epochs_of(self.training_of(model))

    def identity(self, model: str, inputs: str) -> dict[str, Any]:
        """What two trainings of ``model`` must share to be interchangeable, as JSON."""
        return {
            "cohort": self.cohort.model_dump(mode="json"),
            "grid": self.grid.model_dump(),
            "channels": list(CHANNELS[inputs]),
            "fusion": inputs,
            **self.models.identity(model),
            "training": self.training_of(model).model_dump(mode="json"),
            "search": self.search.model_dump(mode="json"),
        }


def job_seed(seed: int, *place: object) -> int:
    """A seed of its own for every training, from the study's seed and the training's place."""
    return int(digest([seed, *map(str, place)])[:15], 16)
