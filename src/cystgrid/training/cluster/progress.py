"""Progress of all jobs in one number that never falls and never runs past the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from cystgrid.progress import Advance


class Tally:
    """An actor that the nodes tell of their epochs, and that the asking machine reads."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def tell(self, number: int, count: int) -> None:
        """Job ``number`` has done ``count`` epochs; one begun again says less than before."""
        self.counts[number] = max(count, self.counts.get(number, 0))

    def read(self) -> dict[int, int]:
        """The epochs of each job so far."""
        return self.counts


class Progress:
    """Moves the bar by what the tally says and by what is known to be finished."""

    def __init__(self, advance: Advance, epochs: Sequence[int]) -> None:
        self.advance, self.epochs = advance, epochs
        self.seen = [0] * len(epochs)
        self.tally = ray.remote(Tally).options(num_cpus=0, max_restarts=-1).remote()
        self.answer: Any = None

    def finish(self, number: int) -> None:
        """A job is done, whatever was told of it."""
        self._reach(number, self.epochs[number])

    def update(self) -> None:
        """Ask, and take an answer if one has come; never waits."""
        if self.answer is None:
            self.answer = self.tally.read.remote()
        ready, _ = ray.wait([self.answer], timeout=0)
        if ready:
            answer, self.answer = self.answer, None
            try:
                counts = ray.get(answer)
            except RayError:  # its node was lost; it begins again elsewhere, and the bar waits
                return
            for number, count in counts.items():
                self._reach(number, count)

    def _reach(self, number: int, count: int) -> None:
        steps = min(count, self.epochs[number]) - self.seen[number]
        if steps > 0:
            self.seen[number] += steps
            self.advance(steps)
