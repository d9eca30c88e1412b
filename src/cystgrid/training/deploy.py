"""One deployable model, trained on a whole cohort.

Every member is trained like an inner model of the cross-validation: one fold selects its epoch, the
others train it. With several members, each fold has a turn, and probabilities are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.splits import CopiesRule, InnerFold, Member, validation_splits
from cystgrid.errors import CohortError, SettingsError, StoreError
from cystgrid.preparation.store import Store
from cystgrid.provenance import digest, refuse_other_kind
from cystgrid.sealing import read_sealed, write_sealed
from cystgrid.training.checkpoint import read_checked
from cystgrid.training.deployed import write_model
from cystgrid.training.design import labelled_members
from cystgrid.training.engine import Cluster, Engine, open_engine, run_jobs
from cystgrid.training.job import STATE
from cystgrid.training.keeping import Keep, Say, go_on
from cystgrid.training.leakage import check_inner_copies
from cystgrid.training.member import Task, train_member
from cystgrid.training.model_before import DATA, RECIPE, SITE, finished_model, made_by
from cystgrid.training.recipe import Recipe, job_seed
from cystgrid.training.settings import DeploySettings
from cystgrid.training.sides import Sides

Calibrate = Callable[[NDArray[np.int64], NDArray[np.float64]], dict[str, Any]]
"""Class numbers ``(patient,)`` and probabilities ``(patient, class)`` to what model.json keeps."""


@dataclass(frozen=True)
class _MemberJob:
    prepared: Path
    folder: Path
    number: int
    name: str
    fold: InnerFold
    recipe: Recipe
    model: str
    inputs: str
    key: str

    @property
    def record(self) -> Path:
        return self.folder / f".{self.name}.json"

    @property
    def keep(self) -> Keep:
        return Keep(self.folder / f".{self.name}.{STATE}", self.key)

    @property
    def epochs(self) -> int:
        return self.recipe.epochs_of(self.model)


def train_model(
    prepared: Path,
    folder: Path,
    recipe: Recipe,
    settings: DeploySettings,
    *,
    copies: CopiesRule = "refuse",
    calibrate: Calibrate | None = None,
    workers: int | None = None,
    cluster: Cluster | None = None,
    quiet: bool = False,
    say: Say = lambda line: None,
) -> Path:
    """Train the study's first model on all labelled patients and write MODEL.

    Args:
        prepared: folder of a store.
        folder: of the model; a broken-off training there goes on, and the same model, finished,
            is left as it is.
        recipe: the first of its models, on the first of its inputs, is trained.
        settings: folds and members.
        copies: as in ``SplitSettings``.
        calibrate: learns from what each member says of its validation patients; None: no one does.
        workers: processes; None for as many as there are cores, 0 for this one.
        cluster: where the trainings run; None for this machine.
        quiet: no progress bar.
        say: takes a line of each member under way that has to begin again, of patients who are
            left out, and of a finished model that stays.

    Returns:
        Path of ``model.json``.

    Raises:
        SettingsError: more members than folds, or a package that the model needs is not there.
        CohortError: copies of a scan would train and select the same member, or nobody has a scan
            that the inputs use.
        StoreError: the folder holds another model, or something else of ours.
    """
    if settings.members > settings.folds:
        raise SettingsError(
            "deploy.members",
            got=settings.members,
            expected=f"at most deploy.folds ({settings.folds})",
            do="lower members or raise folds",
        )
    refuse_other_kind(folder, "model.json")
    model, inputs = recipe.models.pairs()[0]
    recipe.require([model])
    store = Store.open(prepared)
    with open_engine(cluster, workers, recipe.training_of(model).threads) as engine:
        made = made_by(store, recipe, settings, engine.site, calibrated=calibrate is not None)
        path = finished_model(folder, made, say)
        patients = _learned_from(store, recipe, inputs)
        jobs = _member_jobs(store, patients, folder, recipe, settings, made)
        if path is None:
            if copies == "refuse":
                check_inner_copies(store.copies(), [job.fold for job in jobs])
            _say_left_out(store, recipe, inputs, patients, say)
            kept = _trained(jobs, engine, say, quiet=quiet)
            learned = calibrate and calibrate(*_validation(kept))
            records = [each["member"] for each in kept]
            path = write_model(folder, store, patients, recipe, made, records, learned)
    for job in jobs:
        job.record.unlink(missing_ok=True)
        job.keep.forget()
    return path


def _trained(
    jobs: Sequence[_MemberJob], engine: Engine, say: Say, *, quiet: bool
) -> list[dict[str, Any]]:
    """What each member left behind; those that have not are trained."""
    missing = [job for job in jobs if not _is_finished(job)]
    go_on(missing, engine.site, say)
    title = f"{len(missing)} of {len(jobs)} members"
    run_jobs(missing, _run_member, engine, title=title, quiet=quiet)
    return [_read_record(job) for job in jobs]


def _validation(kept: Sequence[dict[str, Any]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Truth and probabilities of all members' validation patients, each in one fold alone."""
    truth = [code for each in kept for code in each["validation"]["truth"]]
    rows = [row for each in kept for row in each["validation"]["probabilities"]]
    return np.array(truth, dtype=np.int64), np.array(rows, dtype=np.float64)


def _learned_from(store: Store, recipe: Recipe, inputs: str) -> list[Member]:
    """The labelled patients of whom there is a scan that the inputs use.

    Raises:
        CohortError: there is none.
    """
    blind = Sides.of(store, inputs).blind
    seen = [each for each in labelled_members(store, recipe.cohort) if each.patient not in blind]
    if not seen:
        raise CohortError(
            f"inputs {inputs}",
            got="no labelled patient with such a scan",
            expected="one at least",
            do="take inputs that more patients have",
        )
    return seen


def _say_left_out(
    store: Store, recipe: Recipe, inputs: str, seen: Sequence[Member], say: Say
) -> None:
    labelled = len(labelled_members(store, recipe.cohort))
    if left := labelled - len(seen):
        say(f"inputs {inputs}: {left} of {labelled} labelled patients are left out: they have no "
            "such scan")  # fmt: skip


def _member_jobs(
    store: Store,
    patients: Sequence[Member],
    folder: Path,
    recipe: Recipe,
    settings: DeploySettings,
    made: Mapping[str, Any],
) -> list[_MemberJob]:
    model, inputs = recipe.models.pairs()[0]
    identity = [made[DATA], made[RECIPE], made[SITE]]
    seed = recipe.training_of(model).seed
    folds = validation_splits(patients, settings.folds, seed)
    alone = settings.members == 1
    return [
        _MemberJob(
            store.folder,
            folder,
            number,
            "model" if alone else f"member-{number}",
            fold,
            recipe,
            model,
            inputs,
            digest([*identity, asdict(fold), number]),
        )
        for number, fold in enumerate(folds[: settings.members])
    ]


def _run_member(job: _MemberJob, after_epoch: Callable[[], None]) -> None:
    seed = job_seed(
        job.recipe.training_of(job.model).seed, job.model, job.inputs, "deploy", job.number
    )
    task = Task(job.fold, job.recipe, job.model, job.inputs, seed)
    store = Store.open(job.prepared)
    trained = train_member(store, task, after_epoch, job.keep)
    record = {**trained.member.save(job.folder, job.name), **trained.record()}
    validation = {
        "truth": task.targets([store.entries[name] for name in job.fold.validation]).tolist(),
        "probabilities": trained.validation.tolist(),
    }
    write_sealed(job.record, {"key": job.key, "member": record, "validation": validation})
    job.keep.forget()


def _read_record(job: _MemberJob) -> dict[str, Any]:
    return read_sealed(job.record, expected="the record of a trained member", do="run it again")


def _is_finished(job: _MemberJob) -> bool:
    try:
        record = _read_record(job)
        read_checked(job.folder / record["member"]["weights"], record["member"]["sha256"])
        record["validation"]  # which an older version did not keep
    except (OSError, ValueError, KeyError, StoreError):
        return False
    return bool(record["key"] == job.key)
