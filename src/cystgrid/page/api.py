"""The page's HTTP interface: what its own scripts and other programs ask, in JSON."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi import Request as HttpRequest
from pydantic import BaseModel

from cystgrid.page.address import JobId
from cystgrid.page.jobs import Job, Jobs
from cystgrid.page.receiving import UPLOAD_SCHEMA, receive_study
from cystgrid.page.requests import Request
from cystgrid.page.results import Result
from cystgrid.page.site import site_of
from cystgrid.page.studies import Study
from cystgrid.provenance import NOTICE

router = APIRouter(tags=["studies"])


class Standing(BaseModel):
    """Where a study stands.

    Attributes:
        id: of the study.
        state: new, queued, running, cancelling, done, failed or cancelled.
        stage, done, total: what is being done, and how many of its steps are.
        ahead: studies that are read before it.
        seconds: since it was taken up, or that it took; None before.
        usual: seconds that readings take here, their median; None before the first.
        error: why it failed.
        request: what was asked.
    """

    id: str
    state: str
    stage: str
    done: int
    total: int
    ahead: int
    seconds: float | None
    usual: float | None
    error: str
    request: dict[str, Any]


@router.get("/model", summary="The model that reads")
def told_model(http: HttpRequest) -> dict[str, Any]:
    """Its classes, the scans it takes and how they must be prepared, the maps it can make."""
    model = site_of(http).model
    return {
        "notice": NOTICE,
        "model": model.name,
        "inputs": model.inputs,
        "sha256": model.sha256,
        "classes": model.classes,
        "modalities": model.preparation.modalities,
        "methods": {method.name: method.about for method in model.methods},
        "usual_methods": model.usual_methods,
        "preparation": model.preparation.model_dump(mode="json"),
    }


@router.get("/studies", summary="All studies, the latest first")
def studies(http: HttpRequest) -> list[Standing]:
    """Where each stands."""
    site = site_of(http)
    return [standing(job, site.jobs) for job in site.jobs.all()]


@router.post("/studies", status_code=201, summary="Give a study", openapi_extra=UPLOAD_SCHEMA)
async def give(http: HttpRequest) -> dict[str, str]:
    """Takes the files of one study; returns its id."""
    return {"id": await receive_study(http, site_of(http))}


@router.get("/studies/{job}", summary="Where a study stands")
def study(http: HttpRequest, job: JobId) -> Standing:
    """State, stage, steps."""
    site = site_of(http)
    return standing(site.job(job), site.jobs)


@router.get("/studies/{job}/series", summary="What its upload holds")
def series(http: HttpRequest, job: JobId) -> Study:
    """The series found, and the T1 and T2 that were chosen."""
    return site_of(http).study(job)


@router.post("/studies/{job}/run", status_code=202, summary="Ask for it to be read")
def run(http: HttpRequest, job: JobId, asked: Annotated[Request, Body()]) -> Standing:
    """Queues the study. Series that are left out are those that were chosen by their headers."""
    site = site_of(http)
    held = site.study(job)
    chosen = {name: getattr(held, name) for name in ("t1", "t2") if not getattr(asked, name)}
    site.ask(job, asked.model_copy(update=chosen))
    return study(http, job)


@router.post("/studies/{job}/cancel", status_code=202, summary="Stop it")
def cancel(http: HttpRequest, job: JobId) -> Standing:
    """At once if it waits, at its next step if it is being read."""
    site = site_of(http)
    site.jobs.cancel(site.job(job).id)
    return study(http, job)


@router.delete("/studies/{job}", status_code=204, summary="Remove it with its files")
def delete(http: HttpRequest, job: JobId) -> None:
    """Not while it waits or is being read."""
    site = site_of(http)
    site.jobs.delete(site.job(job).id)


@router.get("/studies/{job}/result", summary="The answer")
def result(http: HttpRequest, job: JobId) -> Result:
    """Probabilities, the set, maps and their shares."""
    return site_of(http).result(job)[0]


def standing(job: Job, jobs: Jobs) -> Standing:
    """A study's row, as it is told."""
    return Standing(
        id=job.id, state=job.state, stage=job.stage, done=job.done, total=job.total,
        ahead=jobs.ahead_of(job), seconds=job.seconds(), usual=jobs.usual_seconds(),
        error=job.error, request=job.request,
    )  # fmt: skip
