"""The application: routes behind the gate, and the worker that lives as long as it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from cystgrid import __version__
from cystgrid.pacs.archive import Archive
from cystgrid.page import api, archives, images, pages
from cystgrid.page.failures import Failures, tell_failures
from cystgrid.page.jobs import Jobs
from cystgrid.page.reader import Reader
from cystgrid.page.security import Access, Gate
from cystgrid.page.settings import PageSettings
from cystgrid.page.site import Site
from cystgrid.page.worker import Worker
from cystgrid.provenance import NOTICE

LAST_STEP_SECONDS = 2.0
"""The end of the page does not wait longer for the study at hand: it begins anew next time."""


def page_app(
    model: Path,
    studies: Path,
    token: str,
    hosts: frozenset[str],
    settings: PageSettings | None = None,
    archive: Archive | None = None,
) -> FastAPI:
    """Make the page.

    Args:
        model: MODEL, taken up here, once.
        studies: folder of uploads and results; made if it is not there.
        token: that every request must show.
        hosts: values of ``Host`` that mean this server, with the port.
        settings: bounds.
        archive: where studies can be taken from and results sent to.

    Raises:
        StoreError: no model there.
    """
    bounds = settings or PageSettings()
    jobs, reader = Jobs(studies), Reader(model)
    site = Site(bounds, jobs, reader, Worker(jobs, reader), archive)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        site.worker.start()
        yield
        await run_in_threadpool(site.worker.stop, LAST_STEP_SECONDS)

    app = FastAPI(
        title="cystgrid",
        version=__version__,
        description=NOTICE,
        lifespan=life,
        docs_url=None,  # its scripts would come from another server
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.site = site
    app.include_router(pages.router, include_in_schema=False)
    app.include_router(archives.router, include_in_schema=False)
    app.include_router(api.router, prefix="/api")
    app.include_router(images.router, prefix="/api")
    with as_file(files("cystgrid.page") / "static") as static:
        app.mount("/static", StaticFiles(directory=static), name="static")
    tell_failures(app)
    app.add_middleware(Failures)
    access = Access(token, frozenset(host.lower() for host in hosts), bounds.max_upload_bytes)
    app.add_middleware(Gate, access=access)  # the last one added is the first one asked
    return app
