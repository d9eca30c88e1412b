"""Where the jobs run: worker processes of this machine, or a Ray cluster (``cluster``).

A job is a picklable call that leaves its result on disk and gives the same bytes wherever it runs,
so it does not matter how many workers there are or in which order they take the jobs.
"""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Protocol

from cystgrid.errors import StoreError
from cystgrid.interrupts import asked_to_stop, interrupts_held, say_stopping
from cystgrid.processes import RETRIES, begin_worker, stop, worker_count
from cystgrid.progress import Advance, progress_bar
from cystgrid.training.device import take_turn
from cystgrid.training.recipe import Recipe
from cystgrid.training.site import Site, this_site

Run = Callable[[Any, Callable[[], None]], None]
"""Runs one job, a function of a module; its second argument is called once an epoch."""

_ticks: SimpleQueue[int] | None = None


class Job(Protocol):
    """A training that can be given to any machine; a picklable, frozen dataclass.

    Attributes:
        model: name in the study.
        prepared: folder of the store.
        folder: into which the result goes.
        recipe: the study's; it may name files of this machine.
        record: the file that is written last, and makes the job count; in ``folder``.
        epochs: how often it ticks.
    """

    @property
    def model(self) -> str: ...  # noqa: D102 - described above, as the others
    @property
    def prepared(self) -> Path: ...  # noqa: D102
    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def recipe(self) -> Recipe: ...  # noqa: D102
    @property
    def record(self) -> Path: ...  # noqa: D102
    @property
    def epochs(self) -> int: ...  # noqa: D102


class Engine(Protocol):
    """Something that runs jobs."""

    @property
    def site(self) -> Site:
        """What every machine that takes a job is like."""

    def run(self, jobs: Sequence[Job], run: Run, advance: Advance) -> None:
        """Run every job; the first failure stops the rest and is raised as it was."""


@dataclass(frozen=True)
class Cluster:
    """How a Ray cluster is asked.

    Attributes:
        address: of the cluster; None starts one on this machine.
        job_cpus: that a training reserves; None for as many as its recipe has threads.
        job_gpus: that a training reserves, a part of one or whole ones; None for a part of one
            where the cluster has GPUs, so that a node's cores are used.
        say: takes a line about the cluster once it is known.
        debug: let Ray talk to the terminal.
    """

    address: str | None = None
    job_cpus: int | None = None
    job_gpus: float | None = None
    say: Callable[[str], None] = lambda line: None
    debug: bool = False


@contextmanager
def open_engine(cluster: Cluster | None, workers: int | None, threads: int) -> Iterator[Engine]:
    """The engine, for as long as it is needed.

    Args:
        cluster: None runs the jobs on this machine.
        workers: jobs at a time; None for as many as there are cores, and here 0 for this process.
        threads: of the processor, that a job uses.

    Raises:
        SettingsError: Ray, or a node that can take a job, cannot be had.
        StoreError: nodes that differ.
    """
    if cluster is None:
        yield LocalEngine(worker_count(workers, threads))
        return
    from cystgrid.training.cluster.connection import require_ray

    require_ray()
    from cystgrid.training.cluster.engine import open_ray

    with open_ray(cluster, workers, threads) as engine:
        yield engine


def run_jobs(jobs: Sequence[Job], run: Run, engine: Engine, *, title: str, quiet: bool) -> None:
    """Run every job where ``engine`` says, with one bar over all their epochs.

    Raises:
        StoreError: workers died without a word (killed, or out of memory), again and again.
    """
    total = sum(job.epochs for job in jobs)
    with progress_bar(title, total, quiet=quiet) as advance:
        engine.run(jobs, run, advance)


class LocalEngine:
    """Worker processes of this machine."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        """Processes; 0 runs the jobs in this one."""

    @property
    def site(self) -> Site:
        """What this machine is like."""
        return this_site()

    def run(self, jobs: Sequence[Job], run: Run, advance: Advance) -> None:
        """Run every job; the first failure stops the rest and is raised as it was."""
        if self.workers == 0:
            for job in jobs:
                run(job, lambda: advance(1))
        elif jobs:
            _run_in_processes(jobs, run, min(self.workers, len(jobs)), advance)


def _run_in_processes(jobs: Sequence[Job], run: Run, workers: int, advance: Advance) -> None:
    """Run the jobs in workers; when one dies, new ones take what is not done."""
    left = list(jobs)
    for tries in itertools.count():
        try:
            _run_left(left, run, min(workers, len(left)), advance)
            return
        except BrokenProcessPool as error:
            if tries == RETRIES:
                raise StoreError(
                    "a worker process",
                    got=f"its end without a word (killed, or out of memory), {tries + 1} times",
                    expected="a finished training",
                    do="free memory or lower --workers, and run again: it goes on",
                ) from error


def _run_left(left: list[Job], run: Run, workers: int, advance: Advance) -> None:
    """Run the jobs in a pool of workers, and take those out of the list that are done."""
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    ticks: SimpleQueue[int] = context.SimpleQueue()
    counted: list[int] = []
    drain = threading.Thread(target=_drain, args=(ticks, advance, counted), daemon=True)
    drain.start()
    numbers: SimpleQueue[int] = context.SimpleQueue()
    for number in range(workers):
        numbers.put(number)
    asked = context.Event()
    begun = ticks, numbers, asked
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=begun)
    jobs, before = list(left), sum(job.epochs for job in left)
    try:
        with interrupts_held():
            futures = [pool.submit(_call, run, job) for job in jobs]
        _wait(futures, asked)
        for job, future in zip(jobs, futures, strict=True):
            if future.done() and future.exception() is None:
                left.remove(job)
        for future in futures:
            if future.done():
                future.result()
        pool.shutdown(wait=True)
    finally:
        stop(pool)
        ticks.put(0)
        drain.join()
        if left:  # its epochs will be counted again
            done = before - sum(job.epochs for job in left)
            advance(min(done - sum(counted), 0))


def _wait(futures: Sequence[Future[None]], asked: Event) -> None:
    """Wait until all are done or one has failed; on Ctrl-C until what is under way is put away.

    A second Ctrl-C waits no longer.
    """
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    except KeyboardInterrupt:
        asked.set()
        say_stopping()
        wait([future for future in futures if not future.cancel()])
        raise


def _drain(ticks: SimpleQueue[int], advance: Advance, counted: list[int]) -> None:
    while steps := ticks.get():
        advance(steps)
        counted.append(steps)


def _begin(ticks: SimpleQueue[int], numbers: SimpleQueue[int], asked: Event) -> None:
    global _ticks
    _ticks = ticks
    begin_worker(asked)
    take_turn(numbers.get())


def _call(run: Run, job: Any) -> None:
    def tick() -> None:
        if _ticks is not None:
            _ticks.put(1)

    if asked_to_stop():  # it was given out already when the others were told
        raise KeyboardInterrupt
    run(job, tick)
