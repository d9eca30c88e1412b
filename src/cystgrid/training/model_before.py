"""What a MODEL folder holds before a training into it: nothing, the same model, or another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cystgrid.differences import differences, sides
from cystgrid.errors import StoreError
from cystgrid.preparation.store import Store
from cystgrid.training.checkpoint import read_checked
from cystgrid.training.keeping import Say
from cystgrid.training.model_card import CARD, read_model_card
from cystgrid.training.recipe import Recipe
from cystgrid.training.run_card import PLATFORM
from cystgrid.training.settings import DeploySettings
from cystgrid.training.site import Site

MODEL, RECIPE, DEPLOY, SITE, DATA = "model", "recipe", "deploy", "site", "prepared"
"""Of model.json, in which two models may differ."""


def made_by(
    store: Store, recipe: Recipe, settings: DeploySettings, site: Site, *, calibrated: bool
) -> dict[str, Any]:
    """Everything that decides the bytes of a deployed model, as JSON for model.json.

    Args:
        store: the patients it learns from.
        recipe: whose first model is trained on the first of its inputs.
        settings: folds and members.
        site: where the trainings run.
        calibrated: whether its probabilities are calibrated on validation patients.
    """
    model, inputs = recipe.models.pairs()[0]
    return {
        MODEL: model,
        RECIPE: recipe.identity(model, inputs),
        DEPLOY: {**settings.model_dump(mode="json"), "calibrated": calibrated},
        SITE: {
            "device": site.device,
            "precision": site.precision(recipe.training_of(model).precision),
            "source": site.code,
            **{name: each for name, each in site.versions.items() if name != PLATFORM},
        },
        DATA: store.digest,
    }


def finished_model(folder: Path, made: dict[str, Any], say: Say) -> Path | None:
    """The model.json of the very model that is to be trained, if it is there and whole.

    Args:
        folder: MODEL.
        made: what the model would be made by, as ``made_by`` gave it.
        say: takes the line that nothing is trained, or why a finished model is trained again.

    Returns:
        Path of model.json; None where a training is needed.

    Raises:
        StoreError: the folder holds a model of other data, another recipe or another version; or
            its model.json is altered.
    """
    path = folder / CARD
    if not path.exists():
        return None
    card = read_model_card(folder).content
    _refuse_another(path, card, made)
    try:
        for record in card["members"]:
            read_checked(folder / record["weights"], record["sha256"])
    except StoreError as error:
        say(f"{error.where}: {error.got}; the members are trained again")
        return None
    say(f"model {folder}: finished, and the same as is asked for; left as it is")
    return path


def _refuse_another(path: Path, card: dict[str, Any], made: dict[str, Any]) -> None:
    """Refuse to replace a finished model, naming what differs."""
    kinds = {
        MODEL: "another model",
        RECIPE: "a model of another recipe",
        DEPLOY: "a model of other folds or members",
        SITE: "a model of another device or version",
    }
    for name, kind in kinds.items():
        if found := differences(card.get(name), made[name]):
            has, wanted = sides([replace(each, name=each.name or name) for each in found])
            raise _another(path, f"{kind} ({has})", f"the one asked for ({wanted})")
    if card[DATA] != made[DATA]:
        raise _another(path, "a model of other data", "one of the patients that are prepared now")


def _another(path: Path, got: str, expected: str) -> StoreError:
    return StoreError(
        path, got=got, expected=f"{expected}, or a new folder", do="choose another -o folder"
    )
