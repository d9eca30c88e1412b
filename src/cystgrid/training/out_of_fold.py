"""The trained networks of a finished cross-validation, taken up again: who graded whom.

A patient may be explained only by networks that never saw it: the inner members of the outer fold
that held it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.splits import InnerFold, Splits, read_splits, splits_digest
from cystgrid.errors import StoreError, UsageError
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import VIT, ModelSettings
from cystgrid.preparation.store import Store
from cystgrid.training.decision import Pair, pair_of
from cystgrid.training.job import RUN_AGAIN, job_key, read_record
from cystgrid.training.network_member import NetworkMember, load_network
from cystgrid.training.recipe import Recipe
from cystgrid.training.run_card import CARD, SPLITS, read_run_card
from cystgrid.training.sides import Sides


@dataclass(frozen=True)
class RunRecord:
    """What a cross-validation's folder says of itself.

    Attributes:
        folder: RUN.
        store: the prepared patients that it was trained on.
        recipes: what a trained network still needs of its study, by model and inputs; of networks
            only, since other models have no map.
        identities: of every model, as `run.json` has them; they decide which jobs are this run's.
        splits: its folds.
    """

    folder: Path
    store: Store
    recipes: dict[Pair, Recipe]
    identities: dict[Pair, dict[str, Any]]
    splits: Splits

    @property
    def outer(self) -> tuple[int, ...]:
        """Numbers of the outer folds of the first repeat: every patient is in one of them."""
        return tuple(number for number, fold in enumerate(self.splits.outer) if fold.repeat == 0)

    @property
    def tested(self) -> tuple[str, ...]:
        """Those patients, in the order of the cohort."""
        tested = {patient for number in self.outer for patient in self.splits.outer[number].test}
        return tuple(patient for patient in self.store.entries if patient in tested)

    def held_by(self, pair: Pair) -> dict[str, int]:
        """By patient that a network can see, the outer fold that held it out."""
        sides = Sides.of(self.store, pair[1])
        return {
            patient: number
            for number in self.outer
            for patient in sides.side(self.splits.outer[number].test, number)
        }

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
    path = folder / CARD
    card = read_run_card(folder)
    prepared, folds, models = str(card["prepared"]), card["splits"], dict(card["models"])
    if prepared != store.digest:
        raise StoreError(
            path,
            got=f"a run on prepared data {prepared[:12]}",
            expected=f"one on {store.digest[:12]}, as given",
            do="give the prepared folder that the run was trained on",
        )
    splits = read_splits(folder / SPLITS)
    if splits_digest(splits) != folds:
        raise StoreError(
            folder / SPLITS,
            got="other folds than this run has",
            expected="those that it began with",
            do="put the file back: who was trained on whom cannot be told without it",
        )
    pairs: dict[Pair, dict[str, Any]] = {pair_of(name): value for name, value in models.items()}
    recipes = {pair: _recipe(identity, pair, path) for pair, identity in pairs.items()}
    networks = {
        pair: recipe
        for pair, recipe in recipes.items()
        if recipe.models.entry(pair[0]).family == "network"
    }
    return RunRecord(folder, store, networks, pairs, splits)


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
    split, sides = run.splits.outer[outer], Sides.of(run.store, inputs)
    test = sides.side(split.test, outer)
    records = [
        _job(run, pair, place / f"inner-{number}", sides.fold(fold, outer), test)
        for number, fold in enumerate(split.inner)
    ]
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
    return HeldOut(outer, test, members)


def _job(
    run: RunRecord, pair: Pair, folder: Path, fold: InnerFold, test: tuple[str, ...]
) -> dict[str, Any]:
    """A finished training's record, after a look at whether it is this run's, of just this fold."""
    path = folder / "job.json"
    identity = {"prepared": run.store.digest, **run.identities[pair]}
    record = read_record(path)
    said = [tuple(record[side]) for side in ("train", "validation", "test")]
    if record["key"] != job_key(identity, fold, test) or said != [
        fold.train,
        fold.validation,
        test,
    ]:
        raise StoreError(
            path,
            got="a training of another study",
            expected="one of this run",
            do=RUN_AGAIN,
        )
    return record
