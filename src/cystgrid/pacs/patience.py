"""How long an archive is waited for, and how often the same is asked again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import Field, model_validator

from cystgrid.errors import ArchiveDownError
from cystgrid.settings import Settings

T = TypeVar("T")
Sleep = Callable[[float], None]


class Patience(Settings):
    """Time-outs and retries.

    Attributes:
        connect_seconds: to reach the archive.
        answer_seconds: between two pieces of its answer.
        attempts: how often the same is tried while nothing comes of it.
        first_wait_seconds: after the first failure; each further wait is twice as long,
        longest_wait_seconds: but no longer than this.
    """

    connect_seconds: float = Field(default=10.0, gt=0, le=600)
    answer_seconds: float = Field(default=60.0, gt=0, le=3600)
    attempts: int = Field(default=5, ge=1, le=100)
    first_wait_seconds: float = Field(default=1.0, ge=0, le=3600)
    longest_wait_seconds: float = Field(default=60.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _ordered(self) -> Patience:
        if self.first_wait_seconds > self.longest_wait_seconds:
            raise ValueError("first_wait_seconds no larger than longest_wait_seconds")
        return self

    def waits(self) -> Iterator[float]:
        """Seconds to wait after each failure in turn, without end."""
        wait = self.first_wait_seconds
        while True:
            yield wait
            wait = min(2 * wait, self.longest_wait_seconds)


def patiently(
    step: Callable[[], T],
    patience: Patience,
    *,
    done: Callable[[], int] = lambda: 0,
    sleep: Sleep = time.sleep,
) -> T:
    """Do ``step``, and again after a wait where the archive was down.

    Args:
        step: begins where the last try ended; a failure that waiting cannot mend ends it at once.
        patience: how often and how long.
        done: grows with what has been achieved; a try that achieved something begins the count of
            attempts anew, so that a large study over a bad line ends some time.
        sleep: waits.

    Raises:
        ArchiveDownError: as many tries in a row as ``patience`` allows achieved nothing.
    """
    failures, waits, before = 0, patience.waits(), done()
    while True:
        try:
            return step()
        except ArchiveDownError as error:
            if done() > before:
                failures, waits, before = 0, patience.waits(), done()
            failures += 1
            if failures >= patience.attempts:
                raise ArchiveDownError(
                    error.where,
                    got=f"{error.got}, {failures} times in a row",
                    expected=error.expected,
                    do=error.do,
                ) from error
            sleep(next(waits))
