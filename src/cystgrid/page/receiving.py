"""An upload, from the request's body to files in a study's folder."""

from __future__ import annotations

from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from cystgrid.page.site import Site
from cystgrid.page.studies import FILES
from cystgrid.page.uploads import Unpacking

FIELD = "files"
MOST_FIELDS = 20
"""Beside the files: a form of ours has fewer."""


def form_schema(**parts: dict[str, Any]) -> dict[str, Any]:
    """Of a body with these parts, all required, for the API's description.

    It is not FastAPI that reads such a body: it is bounded as it comes.
    """
    whole = {"type": "object", "required": list(parts), "properties": parts}
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": whole}},
        }
    }


UPLOAD_SCHEMA = form_schema(
    files={
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "DICOM files, zip archives of them, NIfTI files.",
    }
)


async def receive_study(http: Request, site: Site) -> str:
    """Take an upload; its id.

    Raises:
        ScanError: too much, an archive not to be trusted, or nothing that can be read.
        HTTPException: 413 for a body that is too long, 503 where too many studies are kept.
    """
    await run_in_threadpool(site.refuse_full)
    most = site.settings.max_files
    async with http.form(max_files=most + 1, max_fields=MOST_FIELDS) as form:
        sent = [
            (one.filename or "", one.file) for one in form.getlist(FIELD)
            if isinstance(one, UploadFile) and one.filename
        ]  # fmt: skip
        return await run_in_threadpool(_keep, site, sent)


def _keep(site: Site, sent: list[tuple[str, BinaryIO]]) -> str:
    job, folder = site.jobs.begin()
    try:
        (folder / FILES).mkdir()
        unpacking = Unpacking(folder / FILES, site.settings)
        for name, stream in sent:
            unpacking.take(name, stream)
        site.add(job, folder, unpacking.names)
    except BaseException:
        site.jobs.forget(job)
        raise
    return job
