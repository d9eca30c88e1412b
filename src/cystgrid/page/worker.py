"""One thread that owns the model and reads the studies that wait, one at a time."""

from __future__ import annotations

import logging
import shutil
import threading

from cystgrid.errors import CystgridError
from cystgrid.page.jobs import Job, Jobs, State
from cystgrid.page.reader import Reader
from cystgrid.page.report import write_report
from cystgrid.page.requests import Request, asked_patient
from cystgrid.page.results import RESULT
from cystgrid.page.studies import read_study

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""Between looks at an empty queue, should a wake-up be lost."""

BUG = "A bug in cystgrid ({}); please report it with the text in the terminal."


class StoppedError(Exception):
    """The study was cancelled, or the page ends."""


class Worker:
    """Reads studies until it is told to end."""

    def __init__(self, jobs: Jobs, reader: Reader) -> None:
        self.jobs, self.reader = jobs, reader
        self._more, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Go on with what was left when the page last ended, then with what comes."""
        self.jobs.resume()
        self._thread.start()

    def wake(self) -> None:
        """There is a new study."""
        self._more.set()

    def stop(self, timeout: float | None = None) -> None:
        """End after the step at hand; a study that is being read will begin anew."""
        self._ending.set()
        self._more.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._more.clear()
            job = self.jobs.next()
            if job is None:
                self._more.wait(IDLE_SECONDS)
            else:
                self.work(job)

    def work(self, job: Job) -> None:
        """Read one study, and say how it ended."""
        try:
            self._read(job)
        except StoppedError:
            if not self._ending.is_set():
                self.jobs.end(job.id, State.CANCELLED)
        except CystgridError as error:
            self.jobs.end(job.id, State.FAILED, str(error.naming(lambda _: "file")))
        except Exception as error:
            # neither message nor traceback: both may hold a path or a patient's name
            log.error("study %s: %s", job.id, type(error).__name__)
            log.debug("", exc_info=error)
            self.jobs.end(job.id, State.FAILED, BUG.format(type(error).__name__))
        else:
            self.jobs.end(job.id, State.DONE)

    def _read(self, job: Job) -> None:
        place = self.jobs.place(job.id)
        study, request = read_study(place), Request.model_validate(job.request)
        modalities = self.reader.model.preparation.modalities
        patient = asked_patient(request, study, place, job.patient_key, modalities)
        fresh = place / "reading"
        shutil.rmtree(fresh, ignore_errors=True)

        def on_stage(stage: str, done: int, total: int) -> None:
            if self._ending.is_set() or not self.jobs.progress(job.id, stage, done, total):
                raise StoppedError

        methods = request.methods or self.reader.usual_methods
        result = self.reader.read(patient, methods, fresh, on_stage)
        write_report(result, fresh)
        if not self.jobs.progress(job.id, "Finishing", 1, 1):
            raise StoppedError
        shutil.rmtree(place / RESULT, ignore_errors=True)
        fresh.rename(place / RESULT)
