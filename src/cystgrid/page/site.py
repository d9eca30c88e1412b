"""What every route of the page needs: the studies, the model, and how to look one of them up."""

from __future__ import annotations

from asyncio import Semaphore
from dataclasses import dataclass, field
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest

from cystgrid.pacs.archive import Archive
from cystgrid.page.facts import ModelFacts
from cystgrid.page.finding import find_study
from cystgrid.page.grader import Grader
from cystgrid.page.jobs import Job, Jobs, State
from cystgrid.page.requests import Request, asked_patient
from cystgrid.page.results import RESULT, Result, read_result
from cystgrid.page.settings import PageSettings
from cystgrid.page.studies import Study, read_study, write_study
from cystgrid.page.worker import Worker
from cystgrid.preparation.patient import check_complete
from cystgrid.provenance import digest

RETRY_SECONDS = 60

LOOKED_AT_ONCE = 2
"""Prepared patients: more threads that look at them would keep the page from answering others."""


@dataclass(frozen=True)
class Site:
    """The page's parts.

    Attributes:
        settings: bounds.
        jobs: every study.
        model: that reads and grades, without its networks.
        worker: that has the studies read.
        grader: before which prepared patients wait.
        archive: where studies can be taken from and results sent to; None without one.
        looking: held while a prepared patient is looked at.
    """

    settings: PageSettings
    jobs: Jobs
    model: ModelFacts
    worker: Worker
    grader: Grader
    archive: Archive | None = None
    looking: Semaphore = field(default_factory=lambda: Semaphore(LOOKED_AT_ONCE))

    def job(self, job: str) -> Job:
        """A study's row.

        Raises:
            HTTPException: 404, there is none.
        """
        found = self.jobs.get(job)
        if found is None:
            raise HTTPException(404, "There is no such study; it may have been deleted.")
        return found

    def study(self, job: str) -> Study:
        """What its upload holds."""
        return read_study(self.jobs.place(self.job(job).id))

    def result(self, job: str) -> tuple[Result, Path]:
        """Its result, and where that lies.

        Raises:
            HTTPException: 404, it has none yet.
        """
        if self.job(job).state is not State.DONE:
            raise HTTPException(404, "This study has no result yet.")
        folder = self.jobs.place(job) / RESULT
        return read_result(folder), folder

    def reference(self, job: str, key: str) -> str:
        """The scan of a key, as ``read_scan`` takes it."""
        return str(self.jobs.place(job).absolute() / self.study(job).of(key).reference)

    def others_of(self, job: Job) -> list[Job]:
        """Read studies of the same patient, the latest first."""
        return [
            other
            for other in self.jobs.all()
            if other.patient_key == job.patient_key
            and other.id != job.id
            and other.state is State.DONE
        ]

    def refuse_full(self) -> None:
        """Refuse another upload where too many studies are kept.

        Raises:
            HTTPException: 503, with the time after which to try again.
        """
        if self.jobs.kept() >= self.settings.max_studies:
            raise busy(f"{self.settings.max_studies} studies are kept; delete some of them first.")

    def add(self, job: str, folder: Path, names: dict[str, str]) -> Study:
        """Look through an upload, and keep it.

        Raises:
            ScanError: it holds nothing that could be read.
        """
        study = find_study(folder, names)
        write_study(study, folder)
        self.jobs.add(job, study.patient_key)
        return study

    def ask(self, job: str, request: Request, patient: str = "") -> None:
        """Queue a study, after a look at whether what is asked can be done.

        Args:
            job: the study.
            request: what is asked.
            patient: a name typed for a study whose files state none, to find earlier ones by.

        Raises:
            CystgridError: a scan or a region is missing or not usable.
            HTTPException: 503 where too many wait, 409 where it is being read already.
        """
        found, place = self.job(job), self.jobs.place(job)
        self._refuse_long()
        study = read_study(place)
        typed = bool(patient and not study.patient)
        key = digest(["typed", patient]) if typed else found.patient_key
        preparation = self.model.preparation
        asked = asked_patient(request, study, place, key, preparation.modalities)
        check_complete(asked, preparation)
        unknown = set(request.methods) - {method.name for method in self.model.methods}
        if unknown:
            raise HTTPException(422, "There is no such method for this model.")
        most = self.settings.max_waiting
        if not self.jobs.queue(job, key, request.model_dump(mode="json"), most):
            self._refuse_long()
            raise HTTPException(409, "This study is being read already.")
        if typed:
            write_study(study.model_copy(update={"patient": patient, "patient_key": key}), place)
        self.worker.wake()

    def _refuse_long(self) -> None:
        """Refuse another reading where too many wait.

        Raises:
            HTTPException: 503, with the time after which to try again.
        """
        if self.jobs.waiting() >= self.settings.max_waiting:
            raise busy(f"{self.settings.max_waiting} studies are waiting.")


def busy(sentence: str, seconds: int = RETRY_SECONDS) -> HTTPException:
    """The answer to whoever came at a time when it cannot be done, and when to come again."""
    again = "in a minute" if seconds == RETRY_SECONDS else f"in {seconds} s"
    return HTTPException(503, f"{sentence} Try again {again}.", {"Retry-After": str(seconds)})


def site_of(http: HttpRequest) -> Site:
    """The site of a request's application."""
    site: Site = http.app.state.site
    return site
