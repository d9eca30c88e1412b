"""Studies out of an archive (PACS) onto the page, and DICOM results back into it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from cystgrid.errors import ScanError
from cystgrid.pacs.archive import Archive
from cystgrid.pacs.fetching import Weigh
from cystgrid.pacs.rows import Query as StudyQuery
from cystgrid.pacs.rows import asked_uid
from cystgrid.page.address import JobId
from cystgrid.page.rendering import render
from cystgrid.page.site import Site, site_of
from cystgrid.page.studies import FILES

router = APIRouter(default_response_class=HTMLResponse)

SEE_OTHER = 303
SHOWN = 50
"""Studies listed, at most: who sees so many asks more closely."""


@router.get("/archive")
def look(
    http: Request, patient: Annotated[str, Query()] = "", date: Annotated[str, Query()] = ""
) -> str:
    """The studies with MR series that match."""
    archive = _archive(site_of(http))
    asked = StudyQuery(patient=patient.strip(), date=date.strip(), modality="MR", limit=SHOWN)
    rows = archive.find(asked)
    return render("archive.html.j2", rows=rows, most=SHOWN, patient=patient, date=date)


@router.post("/archive")
def take(http: Request, study: Annotated[str, Form()]) -> RedirectResponse:
    """Fetch a study, whole, and look through it."""
    site = site_of(http)
    archive, uid = _archive(site), asked_uid(study, "study")
    site.refuse_full()
    job, folder = site.jobs.begin()
    try:
        _refuse_many(site, archive, uid)
        archive.fetch(uid, folder / FILES, weigh=_bound(site.settings.max_unpacked_bytes))
        site.add(job, folder, {})
    except BaseException:
        site.jobs.forget(job)
        raise
    return RedirectResponse(f"/studies/{job}", SEE_OTHER)


@router.post("/studies/{job}/send")
def send(http: Request, job: JobId) -> RedirectResponse:
    """Store its DICOM results in the archive; what is there already is not sent again."""
    site = site_of(http)
    archive = _archive(site)
    result, folder = site.result(job)
    if not result.dicom:
        raise HTTPException(404, f"This study has no DICOM results. {result.no_dicom}.")
    report = archive.send([folder / name for name in result.dicom])
    stored, already, refused = map(len, (report.stored, report.already, report.refused))
    return RedirectResponse(
        f"/studies/{job}?stored={stored}&already={already}&refused={refused}", SEE_OTHER
    )


def _archive(site: Site) -> Archive:
    if site.archive is None:
        raise HTTPException(404, "This page was started without an archive (--pacs).")
    return site.archive


def _refuse_many(site: Site, archive: Archive, study: str) -> None:
    """The same bound as for an upload.

    Raises:
        ScanError: the study has more files than one may have.
    """
    rows, most = archive.instances(study), site.settings.max_files
    if len(rows) > most:
        raise _too_large(f"{len(rows)} instances", f"{most}", "max_files")


def _bound(most: int) -> Weigh:
    """The same bound as for an upload, of bytes on disk; what an archive lists states none."""
    came = 0

    def weigh(size: int) -> None:
        nonlocal came
        came += size
        if came > most:
            told = f"{most:,} bytes"
            raise _too_large(f"over {told}", told, "max_unpacked_bytes")

    return weigh


def _too_large(got: str, most: str, setting: str) -> ScanError:
    return ScanError(
        "study", got=f"a study of {got}", expected=f"at most {most}",
        do=f"raise {setting} in the page's settings",
    )  # fmt: skip
