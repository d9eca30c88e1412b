"""What a cross-validation will take, from trials of its own trainings on this machine."""

from __future__ import annotations

import heapq
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cystgrid.models.published import Published, to_fetch
from cystgrid.training.decision import Pair
from cystgrid.training.design import Design
from cystgrid.training.engine import LocalEngine, run_jobs
from cystgrid.training.job import Training, is_finished
from cystgrid.training.recipe import Recipe
from cystgrid.training.trial import Cost, Trial, run_trial

TRIALS_SECONDS = 25.0
"""For the trials of all models together, more or less."""

LONGEST_TRIAL = 6.0
"""Seconds of one trial, where there are few models."""


@dataclass(frozen=True)
class PairPlan:
    """One model on one kind of inputs.

    Attributes:
        pair: model and inputs.
        left, done: trainings to be run, and those that the folder holds already.
        seconds: of each that is left, with as many at once as will run.
        costs: one for every worker; empty where nothing is left.
    """

    pair: Pair
    left: int
    done: int
    seconds: tuple[float, ...]
    costs: tuple[Cost, ...]

    @property
    def step(self) -> float:
        """Seconds of one optimiser step; 0 for a model that takes none."""
        return statistics.fmean(cost.step for cost in self.costs) if self.costs else 0.0

    @property
    def once(self) -> float:
        """Seconds that a process spends once on such trainings (libraries)."""
        return max((cost.once for cost in self.costs), default=0.0)

    @property
    def disk(self) -> int:
        """Bytes that the trainings that are left will take."""
        return self.left * max((cost.disk for cost in self.costs), default=0)


@dataclass(frozen=True)
class TrainingPlan:
    """All trainings of a run.

    Attributes:
        pairs: in the study's order.
        workers: trainings at a time; 0 for one, in this process.
        start: seconds until a worker process begins its first training.
        looking: seconds that it took to see what is done.
        fetch: weights that a hub has and this machine has not.
    """

    pairs: tuple[PairPlan, ...]
    workers: int
    start: float
    looking: float
    fetch: tuple[Published, ...]

    def seconds(self, devices: int = 1) -> float:
        """Until the last training ends, on so many machines like this one."""
        jobs = [seconds for plan in self.pairs for seconds in plan.seconds]
        slots = min(max(self.workers, 1) * devices, max(len(jobs), 1))
        first = self.start + sum(plan.once for plan in self.pairs if plan.left)
        return self.looking + (makespan(jobs, slots, first) if jobs else 0.0)

    @property
    def memory(self) -> int:
        """Peak bytes of one worker, as far as its trial went."""
        return max((cost.memory for plan in self.pairs for cost in plan.costs), default=0)

    @property
    def device_memory(self) -> int:
        """Peak bytes of one worker on a GPU."""
        return max((cost.device_memory for plan in self.pairs for cost in plan.costs), default=0)


def makespan(jobs: Iterable[float], slots: int, start: float) -> float:
    """When the last of ``jobs`` ends, each taken up in order by the first slot that is free.

    Args:
        jobs: seconds of each.
        slots: how many run at once.
        start: seconds before a slot takes its first.
    """
    free = [start] * slots
    for seconds in jobs:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def plan_trainings(planned: Design, engine: LocalEngine, *, quiet: bool = False) -> TrainingPlan:
    """Try every model that has trainings left, as many at once as will run; nothing is kept."""
    start = time.perf_counter()
    groups = _by_pair(planned, engine)
    left = {pair: [job for job in jobs if not is_finished(job)] for pair, jobs in groups.items()}
    looking = time.perf_counter() - start
    waiting = {pair: jobs for pair, jobs in left.items() if jobs}
    fetch = tuple(to_fetch(planned.recipe.models, (model for model, _ in waiting)))
    costs, begins = _try(waiting, _without_fetching(planned.recipe, fetch), engine, quiet)
    pairs = tuple(
        PairPlan(
            pair,
            len(left[pair]),
            len(jobs) - len(left[pair]),
            tuple(statistics.fmean(c.seconds(job) for c in costs[pair]) for job in left[pair]),
            tuple(costs.get(pair, ())),
        )
        for pair, jobs in groups.items()
    )
    return TrainingPlan(pairs, engine.workers, begins, looking, fetch)


def _by_pair(planned: Design, engine: LocalEngine) -> dict[Pair, list[Training]]:
    groups: dict[Pair, list[Training]] = {pair: [] for pair in planned.pairs}
    for job in planned.trainings(engine.site):
        groups[job.model, job.inputs].append(job)
    return groups


def _try(
    waiting: dict[Pair, list[Training]], recipe: Recipe, engine: LocalEngine, quiet: bool
) -> tuple[dict[Pair, list[Cost]], float]:
    """The costs of each pair, one a worker, and how long workers took to begin."""
    left = sum(map(len, waiting.values()))
    together = max(min(engine.workers, left), 1)
    budget = min(TRIALS_SECONDS / max(len(waiting), 1), LONGEST_TRIAL)
    with tempfile.TemporaryDirectory() as name:
        trials = {
            pair: [
                Trial(replace(jobs[k % len(jobs)], recipe=recipe), Path(name, f"{n}-{k}"), budget)
                for k in range(together)
            ]
            for n, (pair, jobs) in enumerate(waiting.items())
        }
        every = [trial for each in trials.values() for trial in each]
        began = time.time()
        run_jobs(every, run_trial, engine, title="trials of each model", quiet=quiet)
        costs = {pair: [_read(trial) for trial in each] for pair, each in trials.items()}
    return costs, _until_the_last_began([c for each in costs.values() for c in each], began)


def _read(trial: Trial) -> Cost:
    return Cost(**json.loads(trial.record.read_text("utf-8")))


def _until_the_last_began(costs: Sequence[Cost], began: float) -> float:
    """Seconds from ``began`` until the last process had its first trial."""
    first: dict[int, float] = {}
    for cost in costs:
        first[cost.process] = min(cost.began, first.get(cost.process, cost.began))
    return max(first.values(), default=began) - began


def _without_fetching(recipe: Recipe, fetch: Sequence[Published]) -> Recipe:
    """The same with random weights where a plan would have to fetch them: as much work."""
    models = recipe.models
    absent = {each.model for each in fetch}
    weights = {name: "none" if name in absent else models.weights_of(name) for name in models.names}
    return recipe.model_copy(update={"models": models.model_copy(update={"weights": weights})})
