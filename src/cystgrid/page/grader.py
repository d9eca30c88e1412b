"""Prepared patients that wait to be graded: bounded, and taken together as soon as may be.

Nothing waits for company: whoever is there when the process is free goes into one pass. Under load
the passes are full, and a lone request is answered at once.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from cystgrid.errors import CystgridError
from cystgrid.page.grading import FaultError, Outcome
from cystgrid.page.watched import DiedError, Watched
from cystgrid.preparation.patient import PreparedPatient

log = logging.getLogger(__name__)

TOGETHER = 16
"""Patients in one pass, at most: more gain nothing, and the last of them waits for all."""

LOOK_SECONDS = 1.0
"""Between looks at whether the process lives."""


class FullError(Exception):
    """As many wait as may; ``seconds``, whole ones, until there should be room."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Grader:
    """The queue before the process that grades; the process begins with the first who asks.

    Attributes:
        process: that grades; its own model.
        most: that may wait, beside those in the pass under way.
    """

    def __init__(self, process: Watched, most: int) -> None:
        self.process, self.most = process, most
        self._waiting: deque[tuple[PreparedPatient, Future[Outcome]]] = deque()
        self._change = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._pass_seconds = 0.0
        self._coming = 0

    @property
    def waiting(self) -> int:
        """How many wait, with those who are still being taken in."""
        return len(self._waiting) + self._coming

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one whose body is still to come; ``ask`` within it, or it is free again.

        Taking a patient in costs time, so nobody is taken in for whom there is no place.

        Raises:
            FullError: as many wait as may.
        """
        with self._change:
            if self.waiting >= self.most:
                passes = self.waiting / TOGETHER
                raise FullError(max(math.ceil(passes * self._pass_seconds), 1))
            self._coming += 1
        try:
            yield
        finally:
            with self._change:
                self._coming -= 1

    def ask(self, prepared: PreparedPatient) -> Future[Outcome]:
        """The answer to come. Cancelling it gives the place free, until it is in a pass.

        It ends in ``DiedError`` if the process dies over it, in ``CystgridError`` if it does not
        begin.
        """
        asked: Future[Outcome] = Future()
        with self._change:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="grader", daemon=True)
                self._thread.start()
            self._waiting.append((prepared, asked))
            asked.add_done_callback(self._leave)
            self._change.notify()
        return asked

    def stop(self) -> None:
        """End now; whoever waits still is told that the process died."""
        with self._change:
            self._ending = True
            self._change.notify()
        self.process.interrupt()
        if self._thread is not None:
            self._thread.join()
        self._fail(self._taken(self.most), DiedError())
        self.process.stop()

    def _leave(self, asked: Future[Outcome]) -> None:
        """Give the place free of one who does not wait any more."""
        if asked.cancelled():
            with self._change:
                for place in [each for each in self._waiting if each[1] is asked]:
                    self._waiting.remove(place)

    def _run(self) -> None:
        patience = None  # until the first one asks
        while not self._ending:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._ending, patience)
            if self._ready():
                patience = LOOK_SECONDS
                self._grade(self._taken(TOGETHER))
            else:
                patience = None  # the next one to ask lets it try again

    def _ready(self) -> bool:
        """Whether the process lives; where it does not begin, whoever waits is told."""
        try:
            self.process.stand_by()
        except (DiedError, CystgridError) as error:
            self._fail(self._taken(self.most), error)
            return False
        except Exception as error:
            self._fault(self._taken(self.most), error)
            return False
        return True

    def _taken(self, most: int) -> list[tuple[PreparedPatient, Future[Outcome]]]:
        """Those who have waited longest and wait still; from here on none can be cancelled."""
        with self._change:
            head = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        return [each for each in head if each[1].set_running_or_notify_cancel()]

    def _grade(self, taken: Sequence[tuple[PreparedPatient, Future[Outcome]]]) -> None:
        if not taken:
            return
        begun = time.monotonic()
        try:
            outcomes = self.process.call([prepared for prepared, _ in taken])
            self._pass_seconds = time.monotonic() - begun
            for (_, asked), outcome in zip(taken, outcomes, strict=True):
                asked.set_result(outcome)
        except DiedError as error:
            self._fail(taken, error)
        except Exception as error:  # a bug costs these their answers, and nobody who comes later
            self._fault(taken, error)

    def _fail(
        self, taken: Sequence[tuple[PreparedPatient, Future[Outcome]]], error: Exception
    ) -> None:
        for _, asked in taken:
            asked.set_exception(error)

    def _fault(
        self, taken: Sequence[tuple[PreparedPatient, Future[Outcome]]], error: Exception
    ) -> None:
        """Tell a bug by its kind; the process goes, that nobody is given what it may still say."""
        log.error("prepared patients: %s", type(error).__name__)  # its text may name one
        log.debug("", exc_info=error)
        for _, asked in taken:
            if not asked.done():
                asked.set_result(FaultError(type(error).__name__))
        self.process.stop()
