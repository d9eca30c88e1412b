"""One function over many items, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from cystgrid.errors import StoreError
from cystgrid.processes import ignore_interrupts

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Each item's result, in the order of finishing.

    Args:
        work: importable by name, as are ``items`` and results; what it raises is raised here.
        items: what to work on.
        workers: processes; 0 works in this one.

    Raises:
        StoreError: a worker process died.
    """
    if workers == 0:
        yield from map(work, items)
        return
    # spawn: the same on every system, and no lock of ours or ITK's is copied half-held
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=ignore_interrupts)
    try:
        for future in as_completed([pool.submit(work, item) for item in items]):
            yield future.result()
    except BrokenProcessPool as error:
        raise StoreError(
            "--workers",
            got="a worker process that died (killed, or out of memory)",
            expected="workers that finish",
            do="run again with fewer workers; what is done is kept",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
