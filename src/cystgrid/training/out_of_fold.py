"""The trained networks of a finished cross-validation, taken up again: who graded whom.

A patient may be explained only by networks that never saw it: the inner members of the outer fold
that held it out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.splits import read_splits
from cystgrid.errors import StoreError, UsageError
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import VIT, ModelSettings
from cystgrid.preparation.store import Store
from cystgrid.provenance import digest
from cystgrid.training.job import PEER
from cystgrid.training.network_member import NetworkMember, load_network
from cystgrid.training.recipe import Recipe

RUN_AGAIN = "run cystgrid crossval again with the same -o: it makes anew what is missing or altered"

Pair = tuple[str, str]
"""A model and its inputs."""


@dataclass(frozen=True)
class RunRecord:
    """What a cross-validation's folder says of itself.

    Attributes:
        folder: RUN.
        store: the prepared patients that it was trained on.
        recipes: what a trained network still needs of its study, by model and inputs; of networks
            only, since other models have no map.
        identities: of every model, as `run.json` has them; they decide which jobs are this run's.
        outer: numbers of the outer folds of the first repeat: every patient is in one of them.
        tested: those patients, in the order of the cohort.
    """

    folder: Path
    store: Store
    recipes: dict[Pair, Recipe]
    identities: dict[Pair, dict[str, Any]]
    outer: tuple[int, ...]
    tested: tuple[str, ...]

    def named(self, name: str) -> tuple[Pair, ...]:
        """The networks of a name: ``model-inputs`` is one, ``model`` all that has its name.

        Raises:
            UsageError: the run has no such network.
        """
        found = tuple(pair for pair in self.recipes if name in (pair[0], "-".join(pair)))
        if not found:
            there = ", ".join("-".join(pair) for pair in self.recipes)
            raise UsageError(
                "--models",
                got=repr(name),
                expected=f"a network of this run: {there or 'it has none'}",
                do="choose one of them" if there else "give another run",
            )
        return found


def read_run(folder: Path, store: Store) -> RunRecord:
    """Read what a run is, and check that it was made of these prepared patients.

    Args:
        folder: RUN.
        store: PREPARED, opened.

    Raises:
        StoreError: no run there, or one of other data.
    """
    path = folder / "run.json"
    try:
        card = json.loads(path.read_text("utf-8"))
        prepared, models = str(card["prepared"]), dict(card["models"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            path,
            got="no such file" if isinstance(error, FileNotFoundError) else "something else",
            expected="the run.json of a cross-validation",
            do="give the folder that `cystgrid crossval` wrote",
        ) from error
    if prepared != store.digest:
        raise StoreError(
            path,
            got=f"a run on prepared data {prepared[:12]}",
            expected=f"one on {store.digest[:12]}, as given",
            do="give the prepared folder that the run was trained on",
        )
    pairs: dict[Pair, dict[str, Any]] = {_pair(name): value for name, value in models.items()}
    recipes = {pair: _recipe(identity, pair, path) for pair, identity in pairs.items()}
    networks = {
        pair: recipe
        for pair, recipe in recipes.items()
        if recipe.models.entry(pair[0]).family == "network"
    }
    splits = read_splits(folder / "splits.json")
    first = tuple(number for number, fold in enumerate(splits.outer) if fold.repeat == 0)
    tested = {patient for number in first for patient in splits.outer[number].test}
    in_order = tuple(patient for patient in store.entries if patient in tested)
    return RunRecord(folder, store, networks, pairs, first, in_order)


def _pair(name: str) -> Pair:
    model, inputs = name.rsplit("-", 1)
    return model, inputs


def _recipe(identity: dict[str, Any], pair: Pair, path: Path) -> Recipe:
    """Enough of the study to build the network again; its weights come from the job."""
    model, inputs = pair
    kept = ("normalisation", "absent", "extractor")
    settings: dict[str, Any] = {name: identity[name] for name in kept if name in identity}
    settings |= {"names": (model,), "inputs": {model: (inputs,)}, "weights": "none"}
    if model == VIT:
        settings["vit"] = identity["architecture"].removeprefix("vit_")
    where = f"{path}: {model}-{inputs}"
    return Recipe(
        cohort=CohortSettings.parse(identity["cohort"], where),
        grid=GridSettings.parse(identity["grid"], where),
        models=ModelSettings.parse(settings, where),
    )


@dataclass(frozen=True)
class HeldOut:
    """An outer fold: its test patients and the networks that never saw them.

    Attributes:
        outer: number of the fold.
        patients: held out; those without a scan that the inputs use are not among them.
        members: the networks of its inner folds, whose mean answer is the patient's prediction.
    """

    outer: int
    patients: tuple[str, ...]
    members: tuple[NetworkMember, ...]


def held_out(run: RunRecord, model: str, inputs: str, outer: int) -> HeldOut:
    """Take up the networks of one outer fold; every file is checked by its sha256.

    Args:
        run: from ``read_run``.
        model: name in the study.
        inputs: which modalities; with the model one of ``run.recipes``.
        outer: number of the outer fold.

    Raises:
        StoreError: a training is missing, altered, or of another study.
    """
    pair = (model, inputs)
    place = run.folder / "jobs" / f"{model}-{inputs}" / f"outer-{outer}"
    inner = read_splits(run.folder / "splits.json").outer[outer].inner
    records = [_job(run, pair, place / f"inner-{number}") for number in range(len(inner))]
    card = {
        "model": model,
        "inputs": inputs,
        "modalities": run.store.modalities,
        "pixels": run.recipes[pair].grid.pixels or run.store.settings.cell,
    }
    members = tuple(
        load_network(card, record, place / f"inner-{number}", run.recipes[pair])
        for number, record in enumerate(records)
    )
    return HeldOut(outer, tuple(records[0]["test"]), members)


def _job(run: RunRecord, pair: Pair, folder: Path) -> dict[str, Any]:
    """A finished training's record, after a look at whether it is this run's."""
    path = folder / "job.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
        fold = {"train": record["train"], "validation": record["validation"]}
        identity = {"prepared": run.store.digest, **run.identities[pair]}
        genuine = record["key"] == digest([identity, fold, record["test"]])
        genuine = genuine and record["inner"] != PEER
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            path,
            got="no finished training",
            expected="the record of one",
            do=RUN_AGAIN,
        ) from error
    if not genuine:
        raise StoreError(
            path,
            got="a training of another study, or altered",
            expected="one of this run",
            do=RUN_AGAIN,
        )
    return record
