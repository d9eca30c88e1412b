"""Worker processes: how many this machine carries, how work is given out."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from typing import TypeVar, cast

from cystgrid.errors import StoreError
from cystgrid.interrupts import interrupts_held, leave_to_main

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 3
"""Items begun for each worker: enough that none waits for a slow one before it."""

JOIN_SECONDS = 10.0
"""For the thread of a pool whose workers were ended; it takes milliseconds."""

RETRIES = 3
"""Times that items are given out again after a worker died (killed, or out of memory)."""


def worker_count(wanted: int | None, threads: int = 1) -> int:
    """Worker processes to use: what was asked for, or one for every ``threads`` usable cores."""
    if wanted is not None:
        return wanted
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max((usable or 1) // threads, 1)


def begin_worker(stop: Event | None = None) -> None:
    """In a worker: leave Ctrl-C to the main process, and end with it, however it ends.

    Args:
        stop: by which the main process asks for an end (``interrupts.interrupt_noted``).
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    leave_to_main(stop)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left to clean up for; files are written whole or not at all


def each(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Each item's result, in the order of finishing.

    Whatever ends it early, Ctrl-C too, ends the workers at once: files are written whole or not at
    all, so that nothing of theirs can be half done. When a worker dies, what is not done is given
    to new ones.

    Args:
        work: importable by name, as are ``items`` and results; what it raises is raised here.
        items: what to work on.
        workers: processes; 0 works in this one.

    Raises:
        StoreError: worker processes died again and again.
    """
    if workers == 0 or not items:
        yield from map(work, items)
        return
    left = dict(enumerate(items))
    for tries in range(RETRIES + 1):
        try:
            yield from _each_left(work, left, workers)
            return
        except BrokenProcessPool as error:
            if tries == RETRIES:
                raise _died() from error


def _each_left(
    work: Callable[[Item], Result], left: dict[int, Item], workers: int
) -> Iterator[Result]:
    """Results as they come; what is done is taken out of ``left``."""
    # spawn: the same on every system, and no lock of ours or ITK's is copied half-held
    pool = ProcessPoolExecutor(
        min(workers, len(left)), get_context("spawn"), initializer=begin_worker
    )
    try:
        with interrupts_held():
            futures = {pool.submit(work, item): number for number, item in left.items()}
        for future in as_completed(futures):
            result = future.result()
            del left[futures[future]]
            yield result
        pool.shutdown(wait=True)
    finally:
        stop(pool)


@contextmanager
def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Iterator[Result]]:
    """Within it, an iterator of each item's result, in the items' order.

    The workers begin at once, before the first result is asked for, and are never more than
    ``AHEAD`` items a worker ahead of what was taken: results do not pile up.

    Args:
        work: importable by name, as are ``items`` and results; what it raises is raised here.
        items: what to work on.
        workers: processes; 0 works in this one.

    Raises:
        StoreError: a worker process died.
    """
    if workers == 0 or not items:
        yield map(work, items)
        return
    count = min(workers, len(items))
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=begin_worker)
    rest = iter(items)
    try:
        with interrupts_held():
            begun = deque(pool.submit(work, item) for item in islice(rest, AHEAD * count))
        yield _taken(pool, work, begun, rest)
    except BrokenProcessPool as error:
        raise _died() from error
    finally:
        stop(pool)


def _taken(
    pool: ProcessPoolExecutor,
    work: Callable[[Item], Result],
    begun: deque[Future[Result]],
    rest: Iterator[Item],
) -> Iterator[Result]:
    """Results in order; each one taken lets another item begin."""
    while begun:
        result = begun.popleft().result()
        begun.extend(pool.submit(work, item) for item in islice(rest, 1))
        yield result


def _died() -> StoreError:
    return StoreError(
        "--workers",
        got="a worker process that died (killed, or out of memory)",
        expected="workers that finish",
        do="run again with fewer workers; what is done is kept",
    )


def stop(pool: ProcessPoolExecutor) -> None:
    """End a pool's workers now, and its thread: it closes a pipe that Python writes to at exit."""
    processes = list((pool._processes or {}).values())
    thread = cast(threading.Thread | None, pool._executor_manager_thread)
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    if thread is not None:
        thread.join(JOIN_SECONDS)
