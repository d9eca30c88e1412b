"""The door for programs that have prepared patients: one a request, many at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from cystgrid.errors import CystgridError, StoreError
from cystgrid.page.graded import Graded
from cystgrid.page.grader import FullError
from cystgrid.page.grading import FaultError, Outcome
from cystgrid.page.receiving import form_schema
from cystgrid.page.site import Site, busy, site_of
from cystgrid.page.watched import DiedError
from cystgrid.preparation.handed import handed_patient
from cystgrid.preparation.patient import PreparedPatient

router = APIRouter(tags=["prepared patients"])

GRADE = "/grade"
CARD, CROP, SETTINGS = "card", "crop", "settings"
BEGINNING_SECONDS = 10
"""In which a process that died is replaced."""

BODY_SCHEMA = form_schema(
    card={
        "type": "string",
        "format": "binary",
        "description": "The patient's patient.json.",
    },
    crop={
        "type": "string",
        "format": "binary",
        "description": "The patient's crop.npy.",
    },
    settings={
        "type": "string",
        "description": "`settings` of prepared.json, as JSON.",
    },
)

ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "What was sent is no prepared patient of this model's preparation."},
    503: {"description": "Too many wait, or the process that grades died: `Retry-After` seconds."},
}


@router.post(
    GRADE, summary="Grade a prepared patient", openapi_extra=BODY_SCHEMA, responses=ANSWERS
)
async def grade(http: HttpRequest) -> Graded:
    """The answer of `cystgrid predict`, for what `cystgrid prepare` wrote.

    Requests that come together are graded together. One whose client goes away is dropped.
    """
    site = site_of(http)
    try:
        with site.grader.place():
            asked = site.grader.ask(await _received(http, site))
    except FullError as error:
        raise busy("Too many requests are waiting.", error.seconds) from None
    return _told(await _or_gone(http, asked))


async def _received(http: HttpRequest, site: Site) -> PreparedPatient:
    """The patient of a request's body.

    Raises:
        CystgridError: none that the model can grade.
    """
    async with http.form(max_files=3, max_fields=3) as form:
        card, crop, settings = [await _part(form, name) for name in (CARD, CROP, SETTINGS)]
        told = settings.decode("utf-8", "replace"), site.model.preparation
        async with site.looking:
            return await run_in_threadpool(handed_patient, card, crop, *told)


async def _part(form: FormData, name: str) -> bytes:
    """A part's content, whether it was sent as a file or as text."""
    part = form.get(name)
    if part is None:
        raise StoreError(
            name, got="no such part", expected=f"the parts {CARD}, {CROP} and {SETTINGS}",
            do="send all three as multipart/form-data",
        )  # fmt: skip
    return await part.read() if isinstance(part, UploadFile) else part.encode()


async def _or_gone(http: HttpRequest, asked: Future[Outcome]) -> Future[Outcome]:
    """Wait until it has ended, unless the client goes away.

    Raises:
        ClientDisconnect: it did, and waits in no queue any more.
    """
    answer = asyncio.wrap_future(asked)
    gone = asyncio.ensure_future(http.receive())  # the body has come: what comes now is the end
    ends: set[asyncio.Future[Any]] = {answer, gone}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        answer.exception()  # looked at here, that asyncio does not report it; told by ``asked``
        return asked
    finally:
        gone.cancel()
        answer.cancel()


def _told(asked: Future[Outcome]) -> Graded:
    """The answer, or what is to be said instead.

    Raises:
        HTTPException: 503 where the process died, 500 for a bug.
        CystgridError: of this patient.
    """
    try:
        outcome = asked.result()
    except DiedError:
        raise busy("The process that grades ended in the middle.", BEGINNING_SECONDS) from None
    except CystgridError:
        raise busy("The model cannot be taken up.", BEGINNING_SECONDS) from None
    if isinstance(outcome, FaultError):
        raise HTTPException(500, f"A bug in cystgrid ({outcome}).")
    if isinstance(outcome, CystgridError):
        raise outcome
    return outcome
