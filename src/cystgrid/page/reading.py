"""In the process that reads studies: one study of the queue, from its files to its result."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cystgrid.errors import CystgridError
from cystgrid.page.facts import ModelFacts
from cystgrid.page.jobs import Job, Jobs, State
from cystgrid.page.report import write_report
from cystgrid.page.requests import Request, asked_patient
from cystgrid.page.results import RESULT
from cystgrid.page.studies import read_study
from cystgrid.page.watched import Work

if TYPE_CHECKING:  # torch comes in the process alone, not in the page
    from cystgrid.page.reader import Reader

log = logging.getLogger(__name__)

BUG = "A bug in cystgrid ({}); please report it with the text in the terminal."


class StoppedError(Exception):
    """The study was cancelled."""


def take_up_reader(model: Path) -> tuple[ModelFacts, Work]:
    """What the page must know of the model, and what reads a study with it (see ``Watched``).

    Raises:
        StoreError: no model there.
    """
    from cystgrid.page.reader import Reader

    reader = Reader(model)

    def work(folder: Path, job: Job) -> None:
        _ended(reader, Jobs(folder), job)

    return reader.facts(), work


def _ended(reader: Reader, jobs: Jobs, job: Job) -> None:
    """Read one study, and say how it ended."""
    try:
        _read(reader, jobs, job)
    except StoppedError:
        jobs.end(job.id, State.CANCELLED)
    except CystgridError as error:
        jobs.end(job.id, State.FAILED, str(error.naming(lambda _: "file")))
    except Exception as error:
        # neither message nor traceback: both may hold a path or a patient's name
        log.error("study %s: %s", job.id, type(error).__name__)
        log.debug("", exc_info=error)
        jobs.end(job.id, State.FAILED, BUG.format(type(error).__name__))
    else:
        jobs.end(job.id, State.DONE)


def _read(reader: Reader, jobs: Jobs, job: Job) -> None:
    place = jobs.place(job.id)
    study, request = read_study(place), Request.model_validate(job.request)
    modalities = reader.model.preparation.modalities
    patient = asked_patient(request, study, place, job.patient_key, modalities)
    fresh = place / "reading"
    shutil.rmtree(fresh, ignore_errors=True)

    def on_stage(stage: str, done: int, total: int) -> None:
        if not jobs.progress(job.id, stage, done, total):
            raise StoppedError

    result = reader.read(patient, request.methods or reader.usual_methods, fresh, on_stage)
    write_report(result, fresh)
    on_stage("Finishing", 1, 1)
    shutil.rmtree(place / RESULT, ignore_errors=True)
    fresh.rename(place / RESULT)
