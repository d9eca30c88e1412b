"""Batches of the stream in order, drawn ahead by worker processes, never more than a few."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.pretraining.stream import LabelledGrids, Stream
from cystgrid.processes import in_order
from cystgrid.training.device import reproducible

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
    with in_order(partial(_packed, stream), range(first, stop_before), workers) as drawn:
        yield from map(_unpack, drawn)


def _packed(stream: Stream, number: int) -> Packed:
    with reproducible(threads=1):
        drawn = stream.draw(number)
    grey = (drawn.grids * LEVELS).round().to(torch.uint8)
    return grey.numpy(), drawn.fractions.numpy(), drawn.facts.numpy()


def _unpack(packed: Packed) -> LabelledGrids:
    grey, fractions, facts = (torch.from_numpy(array) for array in packed)
    return LabelledGrids(grey.float() / LEVELS, fractions, facts)
