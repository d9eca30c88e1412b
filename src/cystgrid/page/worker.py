"""One thread that gives the studies that wait to the process that reads them, one at a time."""

from __future__ import annotations

import logging
import threading

from cystgrid.errors import CystgridError
from cystgrid.page.jobs import Job, Jobs, State
from cystgrid.page.watched import DiedError, Watched

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between looks at whether the process lives, and at the queue should a wake-up be lost."""

DIED = (
    "The process that read this study ended in the middle: it was killed, or the memory ran out. "
    "Run it again."
)


class Worker:
    """Has studies read until it is told to end.

    Attributes:
        process: that reads; its own model.
    """

    def __init__(self, jobs: Jobs, process: Watched) -> None:
        self.jobs, self.process = jobs, process
        self._more, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Go on with what was left when the page last ended, then with what comes."""
        self.jobs.resume()
        self._thread.start()

    def wake(self) -> None:
        """There is a new study."""
        self._more.set()

    def stop(self) -> None:
        """End now; a study that is being read will begin anew when the page does."""
        self._ending.set()
        self._more.set()
        self.process.interrupt()
        self._thread.join()

    def _run(self) -> None:
        torn = False
        while not self._ending.is_set():
            self._more.clear()
            try:
                if torn:
                    self.jobs.resume()  # what was being read then is read again
                torn, found = False, self._next()
            except Exception as error:  # a full disk, say: with room again the queue goes on
                log.error("the queue of studies: %s", type(error).__name__)
                log.debug("", exc_info=error)
                found, torn = False, True
            if not found:
                self._more.wait(LOOK_SECONDS)

    def _next(self) -> bool:
        """Have the next study read; whether there was one."""
        job = self.jobs.next() if self._ready() else None
        if job is not None:
            self._read(job)
        return job is not None

    def _ready(self) -> bool:
        """Whether the process lives; one that died is begun anew."""
        try:
            self.process.stand_by()
        except (DiedError, CystgridError) as error:
            log.error("the process that reads studies does not begin: %s", type(error).__name__)
            return False
        return True

    def _read(self, job: Job) -> None:
        try:
            self.process.call(self.jobs.folder, job)
        except DiedError:
            if self._ending.is_set():
                return
            found = self.jobs.get(job.id)
            if found is not None and found.state is State.CANCELLING:
                self.jobs.end(job.id, State.CANCELLED)
            self.jobs.end(job.id, State.FAILED, DIED)
