"""Where the jobs run: worker processes of this machine.

A job is a picklable call that leaves its result on disk and gives the same bytes wherever it runs,
so it does not matter how many workers there are or in which order they take the jobs.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from typing import Any, TypeVar

from cystgrid.errors import StoreError
from cystgrid.processes import begin_worker, interrupts_held, stop
from cystgrid.progress import Advance, progress_bar

Job = TypeVar("Job")
Run = Callable[[Any, Callable[[], None]], None]
"""Runs one job; its second argument is called once an epoch."""

_ticks: SimpleQueue[int] | None = None


def run_jobs(
    jobs: Sequence[Job], run: Run, *, workers: int, epochs: int, title: str, quiet: bool
) -> None:
    """Run every job; the first failure stops the rest and is raised as it was.

    Args:
        jobs: picklable.
        run: a function of a module, so that workers can import it.
        workers: processes; 0 runs the jobs in this one.
        epochs: how many epochs all jobs have together, for the progress bar.
        title: of the bar.
        quiet: no bar.

    Raises:
        StoreError: a worker died without a word (killed, or out of memory).
    """
    with progress_bar(title, epochs, quiet=quiet) as advance:
        if workers == 0:
            for job in jobs:
                run(job, lambda: advance(1))
            return
        _run_in_processes(jobs, run, min(workers, max(len(jobs), 1)), advance)


def _run_in_processes(jobs: Sequence[Job], run: Run, workers: int, advance: Advance) -> None:
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    ticks: SimpleQueue[int] = context.SimpleQueue()
    drain = threading.Thread(target=_drain, args=(ticks, advance), daemon=True)
    drain.start()
    pool = ProcessPoolExecutor(workers, context, initializer=_keep_ticks, initargs=(ticks,))
    try:
        with interrupts_held():
            futures = [pool.submit(_call, run, job) for job in jobs]
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future.done():
                future.result()
        pool.shutdown(wait=True)
    except BrokenProcessPool as error:
        raise StoreError(
            "a worker process",
            got="its end without a word (killed, or out of memory)",
            expected="a finished training",
            do="free memory or lower --workers, and run again: it goes on",
        ) from error
    finally:
        stop(pool)
        ticks.put(0)
        drain.join()


def _drain(ticks: SimpleQueue[int], advance: Advance) -> None:
    while steps := ticks.get():
        advance(steps)


def _keep_ticks(ticks: SimpleQueue[int]) -> None:
    global _ticks
    _ticks = ticks
    begin_worker()


def _call(run: Run, job: Any) -> None:
    def tick() -> None:
        if _ticks is not None:
            _ticks.put(1)

    run(job, tick)
