"""``crossval --plan``: what a run will take, before it runs; nothing of it is written."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table

from cystgrid.processes import worker_count
from cystgrid.progress import progress_bar
from cystgrid.runs import opened, write_results
from cystgrid.sealing import write_sealed
from cystgrid.study import Study
from cystgrid.training.design import Design, Protocol, design
from cystgrid.training.engine import LocalEngine
from cystgrid.training.job import CURVE, TEST, VALIDATION, Training, probability_table
from cystgrid.training.nested import write_outcome
from cystgrid.training.planning import TrainingPlan, plan_trainings
from cystgrid.training.selection import Epoch
from cystgrid.training.site import Site
from cystgrid.training.trial import peak_memory

DEVICES = (1, 2, 4, 8)
"""For how many machines like this one a plan gives the time."""


@dataclass(frozen=True)
class Finished:
    """What trainings took that are all done, as far as their files tell.

    Attributes:
        count: of trainings.
        size: bytes of their folders.
        first, last: when the first and the last one's record was written, in seconds since 1970.
    """

    count: int
    size: int
    first: float
    last: float

    @classmethod
    def of(cls, jobs: Sequence[Training]) -> Finished:
        """Of the folders of ``jobs``, each of them finished."""
        ends = [job.record.stat().st_mtime for job in jobs]
        files = (path for job in jobs for path in job.folder.rglob("*") if path.is_file())
        return cls(len(jobs), sum(path.stat().st_size for path in files), min(ends), max(ends))


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes:
        trainings: all of them.
        before: seconds until the first training can be asked for: libraries, checks.
        after: seconds for tables and figures, once every training is done.
        memory: peak bytes of the process that gives out the trainings and draws the tables.
        caveats: what no trial can say, one sentence each.
        finished: what it took, where no training is left; else None.
    """

    trainings: TrainingPlan
    before: float
    after: float
    memory: int
    caveats: tuple[str, ...]
    finished: Finished | None = None

    def seconds(self, devices: int = 1) -> float:
        """The whole command's, on so many machines like this one."""
        return self.before + self.trainings.seconds(devices) + self.after


def plan_crossval(
    prepared: Path,
    run: Path,
    study: Study,
    *,
    models: tuple[str, ...] = (),
    inputs: tuple[str, ...] = (),
    features: Path | None = None,
    splits_file: Path | None = None,
    protocol: Protocol = "nested",
    workers: int | None = None,
    quiet: bool = False,
) -> Plan:
    """Try each model's trainings on the real patients, and draw tables of made-up predictions.

    The arguments are those of ``runs.run_crossval``; nothing is written into ``run``.

    Raises:
        CystgridError: whatever would stop the run itself.
    """
    libraries, start = time.process_time(), time.perf_counter()
    asked = opened(prepared, study, models, inputs, features, splits_file)
    planned = design(
        prepared, run, asked.recipe, study.splits, given=asked.given, protocol=protocol
    )
    engine = LocalEngine(worker_count(workers, planned.threads))
    planned.check(engine.site)
    before = libraries + time.perf_counter() - start
    trainings = plan_trainings(planned, engine, quiet=quiet)
    after = _seconds_of_tables(planned, engine.site, quiet=quiet)
    left = sum(each.left for each in trainings.pairs)
    finished = None if left else Finished.of(planned.trainings(engine.site))
    return Plan(trainings, before, after, peak_memory(), _caveats(planned), finished)


def _caveats(planned: Design) -> tuple[str, ...]:
    """In which way the plan is a most or a least."""
    recipe, search = planned.recipe, planned.recipe.search
    networks = [
        name for name in recipe.models.names if recipe.models.entry(name).family == "network"
    ]
    said = []
    if any(recipe.training_of(name).patience is not None for name in networks):
        said.append("training.patience: the time is that of all epochs, so a most")
    if networks and search.space and search.method == "optuna":
        said.append("search.method optuna: the time is that of no repeated draw, so a most")
    if networks and search.space and search.method == "halving":
        said.append(
            f"search.method halving: {search.count} candidates are in memory at first, and the "
            "trials had one: memory is a least"
        )
    return tuple(said)


def _seconds_of_tables(planned: Design, site: Site, *, quiet: bool) -> float:
    """What the end of the run takes, by going through it with predictions that are made up."""
    with (
        tempfile.TemporaryDirectory() as folder,
        progress_bar("tables of made-up predictions", 2, quiet=quiet) as advance,
    ):
        rehearsal = replace(planned, run=Path(folder))
        nested = [job for pair in planned.pairs for job in rehearsal.nested(pair, site)]
        peers = [job for pair in planned.pairs for job in rehearsal.peers(pair, site)]
        peers = peers if planned.protocol == "peer" else []
        generator = np.random.default_rng(0)
        for job in [*nested, *peers]:
            _make_up(job, generator)
        advance(1)
        start = time.perf_counter()
        path = write_outcome(rehearsal, nested, peers, planned.fusions())
        write_results(Path(folder), path, planned.store, planned.recipe, quiet=True)
        advance(1)
        return time.perf_counter() - start


def _make_up(job: Training, generator: np.random.Generator) -> None:
    """Leave what a finished training leaves, with random answers and without weights."""
    job.folder.mkdir(parents=True)
    classes = job.recipe.classes
    for name, patients in ((TEST, job.test), (VALIDATION, job.fold.validation)):
        answers = generator.dirichlet(np.ones(len(classes)), size=len(patients))
        probability_table(patients, classes, answers).to_csv(job.folder / name, index=False)
    files, epochs = [TEST, VALIDATION], [1]
    if job.recipe.models.entry(job.model).family == "network":
        settings = job.recipe.training_of(job.model)
        looks = range(settings.evaluate_every, settings.epochs + 1, settings.evaluate_every)
        epochs = list(looks) or [settings.epochs]
        curve = pd.DataFrame([vars(Epoch(n, *generator.random(3))) for n in epochs])
        curve.to_csv(job.folder / CURVE, index=False)
        files.append(CURVE)
    write_sealed(
        job.record,
        {"files": dict.fromkeys(files, ""), "selected_epoch": epochs[0], "collapsed": False},
    )


def plan_tables(plan: Plan) -> list[Table]:
    """The plan for a terminal: what is trained, and how long it all takes, if anything is left."""
    trained = Table("model", "inputs", title="Trainings")
    for name in ("left", "done", "a step", "a training", "all, one by one", "disk"):
        trained.add_column(name, justify="right")
    for each in plan.trainings.pairs:
        total = sum(each.seconds)
        trained.add_row(
            *each.pair,
            str(each.left),
            str(each.done),
            duration_text(each.step) if each.step else "-",
            duration_text(total / each.left) if each.left else "-",
            duration_text(total),
            size_text(each.disk),
        )
    if plan.finished is not None:
        return [trained]
    slots = max(plan.trainings.workers, 1)
    together = f"{slots} training{'s' if slots > 1 else ''} at a time on each"
    timed = Table("machines like this one", title=f"Time, {together}")
    for name in ("start", "trainings", "tables and figures", "in all"):
        timed.add_column(name, justify="right")
    for count in DEVICES:
        parts = (plan.before, plan.trainings.seconds(count), plan.after, plan.seconds(count))
        timed.add_row(str(count), *map(duration_text, parts))
    return [trained, timed]


def plan_notes(plan: Plan) -> list[str]:
    """What else has to be said: memory, disk, weights to fetch, and what was not measured."""
    if plan.finished is not None:
        return _finished_notes(plan.finished, plan.after)
    trainings, costs = plan.trainings, [c for p in plan.trainings.pairs for c in p.costs]
    apart = max(trainings.workers, 0)
    whole = plan.memory + apart * trainings.memory
    notes = []
    if costs and plan.memory:
        notes.append(
            f"memory: {size_text(trainings.memory)} a worker, {size_text(whole)} in all"
            if apart
            else f"memory: {size_text(plan.memory)}"
        )
    if trainings.device_memory:
        notes.append(f"memory of the GPU: {size_text(trainings.device_memory)} a worker")
    notes.append(f"disk: {size_text(sum(each.disk for each in trainings.pairs))}")
    notes += [
        f"to fetch for {each.model}: {size_text(each.size)} from {each.source}; the time does not "
        "count it, and random weights were tried instead"
        for each in trainings.fetch
    ]
    if not all(cost.whole for cost in costs):
        notes.append("some trainings were tried on a part of their patients: memory is a least")
    return [*notes, *plan.caveats]


def _finished_notes(done: Finished, after: float) -> list[str]:
    """That nothing is left, what it took, and what the same command would still do."""
    first, last = (
        datetime.fromtimestamp(end).strftime("%Y-%m-%d %H:%M") for end in (done.first, done.last)
    )
    return [
        f"nothing is left to train: all {done.count} trainings are done",
        f"what they took: {size_text(done.size)} on disk; by their files' times the first ended at "
        f"{first}, the last at {last}",
        "the same command without --plan only makes tables and figures anew: "
        f"{duration_text(after)}",
    ]


def duration_text(seconds: float) -> str:
    """A duration in the unit in which it is read: ms, s, min or h."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size_text(count: int) -> str:
    """Bytes in the unit in which they are read: MB or GB (powers of 1000)."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
