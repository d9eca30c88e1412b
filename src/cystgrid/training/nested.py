"""Nested cross-validation: folds, their trainings, and what a run's folder says of itself.

An outer fold's prediction is the mean of its inner models' probabilities. Beside it, on request,
the protocol of much published code: the test fold chooses the epoch (``protocol = "peer"``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.splits import (
    InnerFold,
    Member,
    Splits,
    SplitSettings,
    nested_splits,
    peer_folds,
    read_splits,
    write_splits,
)
from cystgrid.errors import CohortError, StoreError
from cystgrid.models.registry import CHANNELS
from cystgrid.preparation.store import Store
from cystgrid.provenance import digest, refuse_other_kind, write_json
from cystgrid.training import outcome
from cystgrid.training.decision import Pair, fuse, fused_name
from cystgrid.training.engine import Engine, open_engine, run_jobs
from cystgrid.training.job import PEER, Training, is_finished, run_training
from cystgrid.training.leakage import check_copies
from cystgrid.training.member import channel_positions
from cystgrid.training.recipe import Recipe
from cystgrid.training.site import Site

DECISIONS = "decision.json"
"""Of a run: the weights of its decision fusions, and the patients each was learned on."""

Protocol = Literal["nested", "peer"]
"""``peer`` runs the nested trainings too: its optimism is a number beside the honest one."""


def cross_validate(
    prepared: Path,
    run: Path,
    recipe: Recipe,
    splitting: SplitSettings,
    *,
    given: Splits | None = None,
    protocol: Protocol = "nested",
    workers: int | None = None,
    quiet: bool = False,
) -> Path:
    """Run, or go on with, a nested cross-validation.

    Args:
        prepared: folder of a store.
        run: folder of the run; made if it is not there.
        recipe: classes, grid, models, training.
        splitting: outer folds.
        given: folds to take instead; patients that are in none of them play no part.
        protocol: ``peer`` adds, for each outer fold, one training that it selects itself.
        workers: processes; None for as many as there are cores, 0 for this one.
        quiet: no progress bar.

    Returns:
        Path of ``predictions.csv``, one row for each model, inputs and patient (and repeat).

    Raises:
        StoreError: the folder holds a run of other data, another recipe or another version.
        CohortError: the cohort does not fit the study, or copies of a scan would be split apart.
    """
    refuse_other_kind(run, "run.json")
    store = Store.open(prepared)
    members = labelled_members(store, recipe.cohort)
    pairs = recipe.models.pairs()
    recipe.models.fusion_pairs()  # what cannot be fused is said before anything is trained
    for _, inputs in pairs:
        channel_positions(store.modalities, inputs)
    splits = given or nested_splits(members, splitting)
    if splitting.copies == "refuse":
        check_copies(store.copies(), splits)
    threads = max(recipe.training_of(model).threads for model, _ in pairs)
    with open_engine(workers, threads) as engine:
        site = engine.site
        splits = _settle_run(run, store, recipe, splits, pairs, site)
        asked = _Asked(store, run, recipe, splits, site)
        jobs = [job for pair in pairs for job in asked.nested(pair)]
        if protocol == "peer":
            jobs += [job for pair in pairs for job in asked.peers(pair)]
        _run_missing(jobs, engine, quiet)
    done = {job.folder for job in jobs}
    known = dict.fromkeys([*_recorded_pairs(run), *pairs])
    nested = [asked.nested(pair) for pair in known]
    peers = [asked.peers(pair) for pair in known]
    return _write_outcome(
        run,
        store,
        recipe,
        [o.repeat for o in splits.outer],
        _whole(nested, done),
        _whole(peers, done),
    )


def _whole(models: Sequence[Sequence[Training]], done: set[Path]) -> list[Training]:
    """The trainings of all models of which the folder holds every one."""
    return [
        job
        for jobs in models
        if all(job.folder in done or is_finished(job) for job in jobs)
        for job in jobs
    ]


def _run_missing(jobs: Sequence[Training], engine: Engine, quiet: bool) -> None:
    missing = [job for job in jobs if not is_finished(job)]
    title = f"{len(missing)} of {len(jobs)} trainings"
    run_jobs(missing, run_training, engine, title=title, quiet=quiet)


def labelled_members(store: Store, cohort: CohortSettings) -> list[Member]:
    """The patients of a store whose label is one of the study's classes, after its merges.

    Those without a label cannot be scored; those whose label the study excludes are left out.

    Raises:
        CohortError: a label that the study does not know.
    """
    named = [(entry, cohort.class_of(entry.label or "")) for entry in store.entries.values()]
    return [
        Member(entry.patient, label, entry.center, entry.group) for entry, label in named if label
    ]


def _settle_run(
    run: Path, store: Store, recipe: Recipe, splits: Splits, pairs: Sequence[Pair], site: Site
) -> Splits:
    """Write down what this run is, or check that the folder holds the same one.

    Device, arithmetic and versions are those of where the trainings run, which need not be here.
    """
    card: dict[str, Any] = {
        "prepared": store.digest,
        "splits": digest(asdict(splits)),
        "version": site.versions["cystgrid"],
        "device": site.device,
        "models": {},
    }
    for model, inputs in pairs:
        card["models"][f"{model}-{inputs}"] = _identity(recipe, model, inputs, site)
    path = run / "run.json"
    if path.is_file():
        old = json.loads(path.read_text("utf-8"))
        _refuse_difference(old, card, path)
        card["models"] = {**old["models"], **card["models"]}
    write_json(path, {**card, "versions": site.versions})
    if (run / "splits.json").is_file():
        return read_splits(run / "splits.json")
    write_splits(splits, run / "splits.json")
    return splits


def _identity(recipe: Recipe, model: str, inputs: str, site: Site) -> dict[str, Any]:
    """What decides a training's bytes besides data and folds, with the arithmetic taken there."""
    precision = site.precision(recipe.training_of(model).precision)
    return {**recipe.identity(model, inputs), "precision": precision}


def _refuse_difference(old: dict[str, Any], new: dict[str, Any], path: Path) -> None:
    """Refuse to mix two studies in one folder, naming what differs."""
    for name in ("prepared", "splits", "version", "device"):
        if old.get(name) != new[name]:
            raise StoreError(
                f"{path}: {name}",
                got=f"{str(new[name])[:12]} now",
                expected=f"{str(old.get(name))[:12]}, as when this run began",
                do="give another -o folder, or the same data, study and version",
            )
    for pair, identity in new["models"].items():
        before = old["models"].get(pair, identity)
        for name, value in identity.items():
            if json.dumps(before.get(name)) != json.dumps(value):
                raise StoreError(
                    f"{path}: {pair} {name}",
                    got=f"{value} now",
                    expected=f"{before.get(name)}, as when this run began",
                    do="give another -o folder, or the same study file",
                )


@dataclass(frozen=True)
class _Asked:
    """A run, of which the jobs of one model on one kind of inputs can be asked."""

    store: Store
    run: Path
    recipe: Recipe
    splits: Splits
    site: Site

    def nested(self, pair: Pair) -> list[Training]:
        """The nested trainings."""
        jobs = self._jobs(pair)
        return [
            jobs.training(i, j, fold, outer.test)
            for i, outer in enumerate(self.splits.outer)
            for j, fold in enumerate(outer.inner)
        ]

    def peers(self, pair: Pair) -> list[Training]:
        """One training an outer fold, which that fold selects: what published code does."""
        jobs = self._jobs(pair)
        leaky = zip(self.splits.outer, peer_folds(self.splits), strict=True)
        return [jobs.training(i, PEER, fold, outer.test) for i, (outer, fold) in enumerate(leaky)]

    def _jobs(self, pair: Pair) -> _Jobs:
        return _Jobs(self.store, self.run, self.recipe, pair, self.site)


class _Jobs:
    """Makes the jobs of one model on one kind of inputs, of the patients that have such scans."""

    def __init__(self, store: Store, run: Path, recipe: Recipe, pair: Pair, site: Site) -> None:
        self.store, self.run, self.recipe, self.pair = store, run, recipe, pair
        wanted = set(CHANNELS[pair[1]])
        self.blind = {
            entry.patient
            for entry in store.entries.values()
            if wanted and not wanted & set(entry.modalities)
        }
        self.identity = {"prepared": store.digest, **_identity(recipe, *pair, site)}

    def training(self, i: int, j: int | str, fold: InnerFold, test: tuple[str, ...]) -> Training:
        """The job of one inner fold (or ``peer``) in outer fold ``i``."""
        model, inputs = self.pair
        seen = InnerFold(self._seen(fold.train, i), self._seen(fold.validation, i))
        tested = self._seen(test, i)
        name = PEER if j == PEER else f"inner-{j}"
        return Training(
            model,
            inputs,
            i,
            j,
            seen,
            tested,
            self.store.folder,
            self.run / "jobs" / f"{model}-{inputs}" / f"outer-{i}" / name,
            self.recipe,
            digest([self.identity, asdict(seen), tested]),
        )

    def _seen(self, patients: tuple[str, ...], fold: int) -> tuple[str, ...]:
        """Those of whom there is a scan that the inputs use; the others are not scored on them."""
        kept = tuple(patient for patient in patients if patient not in self.blind)
        if not kept:
            raise CohortError(
                f"inputs {self.pair[1]}: outer fold {fold}",
                got="a side of which no patient has such a scan",
                expected="one at least",
                do="take inputs that more patients have",
            )
        return kept


def _write_outcome(
    run: Path,
    store: Store,
    recipe: Recipe,
    repeats: Sequence[int],
    nested: Sequence[Training],
    peers: Sequence[Training],
) -> Path:
    """Write the run's tables of predictions from its finished trainings."""
    predictions = outcome.outer_predictions(nested)
    validations = outcome.inner_validations(nested)
    validations["label"] = outcome.labels(validations, store, recipe)
    predictions, validations = _with_fusions(run, recipe, predictions, validations)
    if peers:
        frame = outcome.outer_predictions(peers)
        outcome.write_predictions(frame, store, recipe, repeats, run / outcome.PEERS)
    outcome.write_validations(validations, recipe, run / outcome.VALIDATIONS)
    outcome.write_patients(store, list(predictions["patient"]), run / outcome.PATIENTS)
    return outcome.write_predictions(predictions, store, recipe, repeats, run / outcome.PREDICTIONS)


def _recorded_pairs(run: Path) -> list[Pair]:
    """Models that this folder has been asked for before."""
    recorded = json.loads((run / "run.json").read_text("utf-8"))["models"]
    return [tuple(name.rsplit("-", 1)) for name in recorded]


def _with_fusions(
    run: Path, recipe: Recipe, predictions: pd.DataFrame, validations: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the decision fusions that the study asks for, and write down what they learned."""
    learned: dict[str, list[dict[str, Any]]] = {}
    for first, second in recipe.models.fusion_pairs():
        fused = fuse(first, second, predictions, validations, recipe.classes)
        predictions = pd.concat([predictions, fused[0]], ignore_index=True)
        validations = pd.concat([validations, fused[1]], ignore_index=True)
        learned["-".join(fused_name(first, second))] = [asdict(weight) for weight in fused[2]]
    if learned:
        write_json(run / DECISIONS, learned)
    return predictions, validations
