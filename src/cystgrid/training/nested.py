"""Nested cross-validation: every training a job with a folder of its own, resumed by what is there.

    RUN/jobs/<model>-<inputs>/outer-<i>/inner-<j>/
        model.safetensors  curve.csv  predictions.csv  job.json

``job.json`` is written last and holds the sha256 of the others: it is what makes a training count.
An outer fold's prediction is the mean of its inner models' probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.cohort.splits import (
    InnerFold,
    Member,
    Splits,
    SplitSettings,
    nested_splits,
    read_splits,
    write_splits,
)
from cystgrid.errors import StoreError
from cystgrid.preparation.store import Store
from cystgrid.processes import worker_count
from cystgrid.provenance import (
    digest,
    refuse_other_kind,
    sha256_bytes,
    versions,
    write_json,
    write_text,
)
from cystgrid.training.checkpoint import read_checked
from cystgrid.training.device import reproducible, resolve_precision, training_device
from cystgrid.training.engine import run_jobs
from cystgrid.training.leakage import check_copies
from cystgrid.training.member import channel_positions, save_member, train_member
from cystgrid.training.recipe import Recipe, job_seed

PROBABILITY = "p_{}"
"""Column of a class's probability."""


@dataclass(frozen=True)
class Training:
    """One job: a model, its inputs, and its place in the nested folds."""

    model: str
    inputs: str
    outer: int
    inner: int
    fold: InnerFold
    test: tuple[str, ...]
    prepared: Path
    folder: Path
    recipe: Recipe
    key: str

    @property
    def seed(self) -> int:
        """Of this training alone."""
        seed = self.recipe.training_of(self.model).seed
        return job_seed(seed, self.model, self.inputs, self.outer, self.inner)


def cross_validate(
    prepared: Path,
    run: Path,
    recipe: Recipe,
    splitting: SplitSettings,
    *,
    given: Splits | None = None,
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
        workers: processes; None for as many as there are cores, 0 for this one.
        quiet: no progress bar.

    Returns:
        Path of ``predictions.csv``, one row for each model, inputs and patient.

    Raises:
        StoreError: the folder holds a run of other data, another recipe or another version.
        CohortError: the cohort does not fit the study, or copies of a scan would be split apart.
    """
    refuse_other_kind(run, "run.json")
    store = Store.open(prepared)
    members = labelled_members(store, recipe.classes)
    pairs = list(recipe.models.pairs())
    for _, inputs in pairs:
        channel_positions(store.modalities, inputs)
    splits = given or nested_splits(members, splitting)
    if splitting.copies == "refuse":
        check_copies(store.copies(), splits)
    splits = _settle_run(run, store, recipe, splits, pairs)
    jobs = [job for pair in pairs for job in _trainings(store, run, recipe, splits, *pair)]
    missing = [job for job in jobs if not is_finished(job)]
    epochs = sum(recipe.training_of(job.model).epochs for job in missing)
    threads = max(recipe.training_of(model).threads for model, _ in pairs)
    run_jobs(
        missing,
        run_training,
        workers=worker_count(workers, threads),
        epochs=epochs,
        title=f"{len(missing)} of {len(jobs)} trainings",
        quiet=quiet,
    )
    earlier = _finished_earlier(store, run, recipe, splits, pairs)
    return _write_predictions(run, store, recipe.classes, [*earlier, *jobs])


def _finished_earlier(
    store: Store, run: Path, recipe: Recipe, splits: Splits, pairs: Sequence[tuple[str, str]]
) -> list[Training]:
    """Trainings of models that this folder already holds whole, but that were not asked for now."""
    recorded = json.loads((run / "run.json").read_text("utf-8"))["models"]
    found = []
    for name in recorded:
        model, inputs = name.rsplit("-", 1)
        jobs = _trainings(store, run, recipe, splits, model, inputs)
        if (model, inputs) not in pairs and all(is_finished(job) for job in jobs):
            found += jobs
    return found


def labelled_members(store: Store, classes: tuple[str, ...]) -> list[Member]:
    """The labelled patients of a store; those without a label cannot be scored and are left out."""
    return [
        Member(entry.patient, entry.label, entry.center, entry.group)
        for entry in store.entries.values()
        if entry.label in classes
    ]


def _settle_run(
    run: Path, store: Store, recipe: Recipe, splits: Splits, pairs: Sequence[tuple[str, str]]
) -> Splits:
    """Write down what this run is, or check that the folder holds the same one."""
    device = training_device()
    card: dict[str, Any] = {
        "prepared": store.digest,
        "splits": digest(asdict(splits)),
        "version": versions()["cystgrid"],
        "device": device.type,
        "models": {},
    }
    for model, inputs in pairs:
        card["models"][f"{model}-{inputs}"] = _identity(recipe, model, inputs)
    path = run / "run.json"
    if path.is_file():
        old = json.loads(path.read_text("utf-8"))
        _refuse_difference(old, card, path)
        card["models"] = {**old["models"], **card["models"]}
    write_json(path, {**card, "versions": versions()})
    if (run / "splits.json").is_file():
        return read_splits(run / "splits.json")
    write_splits(splits, run / "splits.json")
    return splits


def _identity(recipe: Recipe, model: str, inputs: str) -> dict[str, Any]:
    """What decides a training's bytes besides data and folds, with the arithmetic taken here."""
    precision = resolve_precision(recipe.training_of(model).precision, training_device())
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


def _trainings(
    store: Store, run: Path, recipe: Recipe, splits: Splits, model: str, inputs: str
) -> list[Training]:
    identity = {"prepared": store.digest, **_identity(recipe, model, inputs)}
    folder = run / "jobs" / f"{model}-{inputs}"
    return [
        Training(
            model,
            inputs,
            i,
            j,
            fold,
            outer.test,
            store.folder,
            folder / f"outer-{i}" / f"inner-{j}",
            recipe,
            digest([identity, asdict(fold), outer.test]),
        )
        for i, outer in enumerate(splits.outer)
        for j, fold in enumerate(outer.inner)
    ]


def run_training(job: Training, after_epoch: Callable[[], None]) -> None:
    """Train one inner model, let it predict its outer test fold, and put both on disk.

    The test patients are first read when weights, landmarks and epoch are settled.
    """
    store = Store.open(job.prepared)
    member, fitted = train_member(
        store, job.fold, job.recipe, job.model, job.inputs, seed=job.seed, after_epoch=after_epoch
    )
    record = save_member(member, fitted, job.folder / "model.safetensors")
    curve = pd.DataFrame([asdict(row) for row in fitted.curve]).to_csv(index=False)
    with reproducible(job.recipe.training_of(job.model).threads):
        probabilities = member.probabilities([store.load(patient) for patient in job.test])
    predictions = _table(job.test, job.recipe.classes, probabilities).to_csv(index=False)
    write_text(job.folder / "curve.csv", curve)
    write_text(job.folder / "predictions.csv", predictions)
    write_json(
        job.folder / "job.json",
        {
            "key": job.key,
            "model": job.model,
            "inputs": job.inputs,
            "outer": job.outer,
            "inner": job.inner,
            "seed": job.seed,
            "train": job.fold.train,
            "validation": job.fold.validation,
            "test": job.test,
            "curve_sha256": sha256_bytes(curve.encode()),
            "predictions_sha256": sha256_bytes(predictions.encode()),
            **record,
        },
    )


def _table(
    patients: Sequence[str], classes: Sequence[str], probabilities: NDArray[np.float64]
) -> pd.DataFrame:
    table = pd.DataFrame(probabilities, columns=[PROBABILITY.format(name) for name in classes])
    table.insert(0, "patient", list(patients))
    return table


def is_finished(job: Training) -> bool:
    """Whether the job's folder holds a whole, unaltered training of just this job."""
    try:
        record = json.loads((job.folder / "job.json").read_text("utf-8"))
        read_checked(job.folder / record["weights"], record["sha256"])
        read_checked(job.folder / "curve.csv", record["curve_sha256"])
        read_checked(job.folder / "predictions.csv", record["predictions_sha256"])
    except (OSError, ValueError, KeyError, StoreError):
        return False
    return bool(record["key"] == job.key)


def _write_predictions(
    run: Path, store: Store, classes: tuple[str, ...], jobs: Sequence[Training]
) -> Path:
    """Average the inner models of every outer fold and write RUN/predictions.csv."""
    columns = [PROBABILITY.format(name) for name in classes]
    frames = []
    for model, inputs, outer in dict.fromkeys((j.model, j.inputs, j.outer) for j in jobs):
        inner = [j for j in jobs if (j.model, j.inputs, j.outer) == (model, inputs, outer)]
        tables = [pd.read_csv(j.folder / "predictions.csv", dtype=str) for j in inner]
        mean = np.mean([table[columns].to_numpy(dtype=np.float64) for table in tables], axis=0)
        frame = _table(inner[0].test, classes, mean)
        frame.insert(0, "model", model)
        frame.insert(1, "inputs", inputs)
        frame.insert(2, "outer_fold", outer)
        frame["predicted"] = [classes[number] for number in mean.argmax(axis=1)]
        frames.append(frame)
    table = pd.concat(frames)
    table["center"] = [store.entries[patient].center for patient in table["patient"]]
    table["label"] = [str(store.entries[patient].label) for patient in table["patient"]]
    order = ["model", "inputs", "outer_fold", "patient", "center", "label", "predicted", *columns]
    path = run / "predictions.csv"
    write_text(path, table[order].to_csv(index=False))
    return path
