"""The settings of one study, gathered from each stage's own; one TOML file.

Every section and every key has a default, so an empty file is a study: the paper's design with the
recipe that does best for least compute.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.splits import SplitSettings
from cystgrid.differences import differences, sides
from cystgrid.errors import SettingsError, UsageError
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import ModelSettings
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.settings import Settings
from cystgrid.training.recipe import Recipe
from cystgrid.training.search import SearchSettings
from cystgrid.training.settings import DeploySettings, TrainingSettings


def shipped_study(name: str) -> Path:
    """The path of a study file that comes with cystgrid, such as ``demo`` or ``paper``.

    Raises:
        SettingsError: no such study.
    """
    package = Path(__file__).parent
    for folder in (package / "studies", package.parents[1] / "studies"):  # installed; source tree
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    raise SettingsError(
        "study", got=name, expected="a study that comes with cystgrid", do="reinstall cystgrid"
    )


class Study(Settings):
    """One study file.

    Attributes:
        cohort: classes and what is left out.
        preparation: scans to crops; used by ``prepare``, checked by ``crossval`` and ``train``.
        splits: outer folds and their seed.
        grid: slices in a grid, augmentation.
        models: which networks, on which inputs, started from what.
        training: the recipe of every model.
        recipes: by model name, where that model's training differs.
        search: settings that compete on the inner folds of every network.
        deploy: how ``train`` makes one model.
    """

    cohort: CohortSettings = CohortSettings()
    preparation: PreparationSettings = PreparationSettings()
    splits: SplitSettings = SplitSettings()
    grid: GridSettings = GridSettings()
    models: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    search: SearchSettings = SearchSettings()
    deploy: DeploySettings = DeploySettings()

    @classmethod
    def read(cls, path: Path) -> Study:
        """Read a study file; paths of weights in it are relative to the file.

        Raises:
            SettingsError: no such file, not TOML, an unknown key or an impossible value.
        """
        study = cls.read_toml(path, "a study")
        study.recipe()
        return study.model_copy(update={"models": study.models.beside(path.parent)})

    def recipe(
        self,
        models: tuple[str, ...] = (),
        inputs: tuple[str, ...] = (),
        features: Path | None = None,
    ) -> Recipe:
        """Everything but the data that decides what a training gives.

        Args:
            models: take these instead of the study's.
            inputs: take these instead of the study's.
            features: take this table instead of the study's.

        Raises:
            UsageError: an unknown model or input, or one that does not go with the other.
        """
        asked: dict[str, Any] = {"inputs": inputs} if inputs else {}
        if models:
            asked |= {"names": models, "fusions": self.models.fusions_among(models)}
        try:
            chosen = ModelSettings.parse({**self.models.model_dump(), **asked}, "models")
        except SettingsError as error:
            raise UsageError(
                "--models, --inputs", got=error.got, expected=error.expected, do="choose of these"
            ) from error
        return Recipe(
            cohort=self.cohort,
            grid=self.grid,
            models=chosen.on_features(features),
            training=self.training,
            recipes=self.recipes,
            search=self.search,
        )

    def check_prepared(self, prepared: PreparationSettings, where: object) -> None:
        """Refuse data prepared in another way than the study says; a silent study takes any.

        Raises:
            SettingsError: naming the settings that differ.
        """
        if "preparation" not in self.model_fields_set:
            return
        found = differences(prepared.model_dump(), self.preparation.model_dump())
        if found:
            has, wanted = sides(found)
            raise SettingsError(
                f"{where}: preparation",
                got=has,
                expected=f"{wanted}, as the study says",
                do="prepare again with --study, or correct the study",
            )
