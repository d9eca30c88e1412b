"""The page's HTML: plain forms that work without a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from cystgrid.errors import CystgridError
from cystgrid.page.address import JobId, SeriesKey
from cystgrid.page.jobs import Job, State
from cystgrid.page.pictures import frame_of
from cystgrid.page.planes import Frame
from cystgrid.page.proposal import proposed_box
from cystgrid.page.receiving import receive_study
from cystgrid.page.rendering import has_viewer, render
from cystgrid.page.requests import Request as Asked
from cystgrid.page.results import Result
from cystgrid.page.site import Site, site_of
from cystgrid.page.studies import Study
from cystgrid.preparation.settings import reference_of

router = APIRouter(default_response_class=HTMLResponse)

SEE_OTHER = 303
EDGES = ("x0", "x1", "y0", "y1", "z0", "z1")


@router.get("/")
def index(http: Request) -> str:
    """Where a study is dropped, and those there are."""
    site = site_of(http)
    rows = [(job, site.study(job.id), _told(site, job)) for job in site.jobs.all()]
    return render("index.html.j2", rows=rows, model=site.model, archive=site.archive is not None)


@router.post("/studies")
async def upload(http: Request) -> RedirectResponse:
    """Take a study."""
    job = await receive_study(http, site_of(http))
    return RedirectResponse(f"/studies/{job}", SEE_OTHER)


@router.get("/studies/{job}")
def study(
    http: Request,
    job: JobId,
    change: Annotated[bool, Query()] = False,
    t1: Annotated[SeriesKey | None, Query()] = None,
    t2: Annotated[SeriesKey | None, Query()] = None,
    stored: Annotated[int | None, Query()] = None,
    already: Annotated[int, Query()] = 0,
    refused: Annotated[int, Query()] = 0,
) -> str:
    """A study, by where it stands: to be asked for, being read, or read.

    With ``change``, it is asked for anew; ``t1`` and ``t2`` are then series to begin with. The
    three numbers tell what became of results that were just sent.
    """
    site = site_of(http)
    found, held = site.job(job), site.study(job)
    if found.state.busy:
        ahead = site.jobs.ahead_of(found)
        return render("progress.html.j2", job=found, study=held, ahead=ahead)
    if found.state is State.DONE and not change:
        sent = "" if stored is None else _sent(stored, already, refused)
        return _result_page(site, found, held, sent)
    return _choice_page(site, found, held, {"t1": t1, "t2": t2} if change else {})


@router.post("/studies/{job}/run")
async def run(http: Request, job: JobId) -> RedirectResponse:
    """Ask for it to be read."""
    async with http.form(max_files=0, max_fields=60) as form:
        fields = {name: str(value).strip() for name, value in form.items()}
        methods = tuple(str(one) for one in form.getlist("methods"))
    edges = [fields.get(name, "") for name in EDGES]
    region = fields.get("region", "box")
    asked = Asked(
        t1=fields.get("t1", ""),
        t2=fields.get("t2", ""),
        box=",".join(edges) if region == "box" and any(edges) else "",
        mask=fields.get("mask", "") if region == "mask" else "",
        label=fields.get("label", "") if region == "mask" else "",
        as_proposed=fields.get("proposed", "") == ",".join(edges),
        methods=methods,
    )
    await run_in_threadpool(site_of(http).ask, job, asked, fields.get("patient", ""))
    return RedirectResponse(f"/studies/{job}", SEE_OTHER)


@router.post("/studies/{job}/cancel")
def cancel(http: Request, job: JobId) -> RedirectResponse:
    """Stop it."""
    site = site_of(http)
    site.jobs.cancel(site.job(job).id)
    return RedirectResponse(f"/studies/{job}", SEE_OTHER)


@router.post("/studies/{job}/delete")
def delete(http: Request, job: JobId, sure: Annotated[str, Form()] = "") -> RedirectResponse:
    """Remove it with its files."""
    site = site_of(http)
    if sure != "yes":
        raise HTTPException(422, "Tick the box that says so, to delete a study.")
    site.jobs.delete(site.job(job).id)
    return RedirectResponse("/", SEE_OTHER)


@router.get("/compare")
def compare(http: Request, earlier: JobId, later: JobId) -> str:
    """Two results of one patient side by side."""
    site = site_of(http)
    jobs = site.job(earlier), site.job(later)
    if jobs[0].patient_key != jobs[1].patient_key:
        raise HTTPException(422, "These studies are of two patients.")
    sides = [(job, site.study(job.id), site.result(job.id)[0]) for job in jobs]
    if sides[0][2].classes != sides[1][2].classes:
        raise HTTPException(422, "These studies were graded into other classes.")
    sides.sort(key=lambda side: (side[1].date, side[0].created))
    return render("compare.html.j2", sides=sides)


@router.get("/help")
def instructions(http: Request) -> str:
    """What the page does and does not, and its HTTP interface."""
    routes = [(path, sorted(found), next(iter(found.values())).get("summary", ""))
              for path, found in http.app.openapi()["paths"].items()]  # fmt: skip
    return render("help.html.j2", routes=routes, model=site_of(http).model)


def _told(site: Site, job: Job) -> Result | None:
    return site.result(job.id)[0] if job.state is State.DONE else None


def _sent(stored: int, already: int, refused: int) -> str:
    told = f"The archive stored {stored} objects; {already} were there already."
    if not refused:
        return told
    return f"{told} {refused} are there with other content, and nothing was overwritten."


def _choice_page(site: Site, job: Job, held: Study, taken: Mapping[str, str | None]) -> str:
    """Where scans and region are chosen.

    Args:
        site: of the page.
        job: the study.
        held: what its upload holds.
        taken: series that were just chosen, before those asked for last and those of the headers.
    """
    preparation = site.model.preparation
    asked = Asked.model_validate(job.request) if job.request else Asked()
    chosen = {
        name: given if (given := taken.get(name)) is not None else
        getattr(asked, name) or getattr(held, name)
        for name in ("t1", "t2")
    }  # fmt: skip
    keys = {name: chosen[name] for name in preparation.modalities if chosen[name]}
    ground = keys[reference_of(keys)] if keys else next(
        (one.key for one in held.series if one.usable), ""
    )  # fmt: skip
    frame, fault = _frame(site, job, ground)
    masks = [one for one in held.series if one.usable and one.can_be_mask]
    proposed = proposed_box(frame) if frame else ""
    box = (asked.box or proposed or "," * (len(EDGES) - 1)).split(",")
    values: dict[str, Any] = {
        "job": job, "study": held, "chosen": chosen, "ground": ground, "asked": asked,
        "proposed": proposed, "masks": masks,
        "box": dict(zip(EDGES, box, strict=True)), "frame": frame, "fault": fault,
        "modalities": preparation.modalities, "preparation": preparation,
        "methods": site.model.methods,
        "usual": asked.methods or site.model.usual_methods,
    }  # fmt: skip
    return render("choice.html.j2", **values)


def _frame(site: Site, job: Job, key: str) -> tuple[Frame | None, str]:
    """Of the scan that the box is drawn on; or why it cannot be shown.

    The page is made all the same: another scan may be chosen on it, or the study removed.
    """
    try:
        return frame_of(site.reference(job.id, key)), ""
    except CystgridError as error:
        return None, str(error.naming(lambda _: "file"))


def _result_page(site: Site, job: Job, held: Study, sent: str) -> str:
    result, _ = site.result(job.id)
    asked = Asked.model_validate(job.request)
    ground = getattr(asked, result.reference)
    shown = next(
        (number for number, made in enumerate(result.maps)
         if made.explained in ("", result.predicted)), 0,
    )  # fmt: skip
    others = [(other, site.study(other.id)) for other in site.others_of(job)]
    return render(
        "result.html.j2",
        job=job, study=held, result=result, asked=asked, ground=ground, others=others,
        archive=site.archive is not None, sent=sent, shown=shown,
        frame=frame_of(site.reference(job.id, ground)), viewer=has_viewer(),
        modalities=[n for n in site.model.preparation.modalities if getattr(asked, n)],
    )  # fmt: skip
