"""Batches of the stream in order, drawn ahead by worker processes, never more than a few."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.errors import StoreError
from cystgrid.pretraining.stream import LabelledGrids, Stream
from cystgrid.processes import begin_worker, interrupts_held, stop

AHEAD = 2
"""Batches that each worker may be ahead of the trainer."""

Packed = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]
LEVELS = 255
"""Grey levels of a grid: what a scan's noise drowns anyway, in a quarter of the bytes."""


def feed(stream: Stream, first: int, stop_before: int, workers: int) -> Iterator[LabelledGrids]:
    """Batches ``first`` to ``stop_before`` - 1, in order; the same with any number of workers.

    Args:
        stream: what to draw.
        first: number of the first batch.
        stop_before: number after the last one.
        workers: processes that draw; 0 draws here.

    Raises:
        StoreError: a worker died.
    """
    numbers = range(first, stop_before)
    if workers == 0:
        yield from (_unpack(_packed(stream, number)) for number in numbers)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin)
    try:
        yield from _ordered(pool, stream, numbers, AHEAD * workers)
    except BrokenProcessPool as error:
        raise StoreError(
            "--workers",
            got="a worker process that died (killed, or out of memory)",
            expected="workers that finish",
            do="run again: it goes on from the last saved state",
        ) from error
    finally:
        stop(pool)


def _ordered(
    pool: ProcessPoolExecutor, stream: Stream, numbers: range, ahead: int
) -> Iterator[LabelledGrids]:
    waiting: deque[Future[Packed]] = deque()
    with interrupts_held():
        waiting.extend(pool.submit(_packed, stream, number) for number in numbers[:ahead])
    for number in numbers:
        packed = waiting.popleft().result()
        if number + ahead < numbers.stop:
            waiting.append(pool.submit(_packed, stream, number + ahead))
        yield _unpack(packed)


def _begin() -> None:
    begin_worker()
    torch.set_num_threads(1)


def _packed(stream: Stream, number: int) -> Packed:
    drawn = stream.draw(number)
    grey = (drawn.grids * LEVELS).round().to(torch.uint8)
    return grey.numpy(), drawn.fractions.numpy(), drawn.facts.numpy()


def _unpack(packed: Packed) -> LabelledGrids:
    grey, fractions, facts = (torch.from_numpy(array) for array in packed)
    return LabelledGrids(grey.float() / LEVELS, fractions, facts)
