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
from cystgrid.page import api, archives, images, pages, programs
from cystgrid.page.failures import Failures, tell_failures
from cystgrid.page.grader import Grader
from cystgrid.page.grading import take_up_grader
from cystgrid.page.jobs import Jobs
from cystgrid.page.security import Access, Gate
from cystgrid.page.settings import PageSettings
from cystgrid.page.site import Site
from cystgrid.page.watched import Watched
from cystgrid.page.worker import Worker
from cystgrid.provenance import NOTICE

API = "/api"


def page_app(
    reading: Watched,
    studies: Path,
    token: str,
    hosts: frozenset[str],
    settings: PageSettings | None = None,
    archive: Archive | None = None,
) -> FastAPI:
    """Make the page.

    Args:
        reading: the process that reads studies, begun; it stays the caller's to end.
        studies: folder of uploads and results; made if it is not there.
        token: that every request must show.
        hosts: values of ``Host`` that mean this server, with the port.
        settings: bounds.
        archive: where studies can be taken from and results sent to.
    """
    bounds = settings or PageSettings()
    jobs = Jobs(studies)
    grader = Grader(Watched(take_up_grader, reading.model), bounds.max_prepared_waiting)
    site = Site(bounds, jobs, reading.told, Worker(jobs, reading), grader, archive)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(jobs.sweep)
        site.worker.start()
        yield
        await run_in_threadpool(site.worker.stop)
        await run_in_threadpool(site.grader.stop)

    app = FastAPI(
        title="cystgrid",
        version=__version__,
        description=NOTICE,
        lifespan=life,
        docs_url=None,  # its scripts would come from another server
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
    )
    app.state.site = site
    app.include_router(pages.router, include_in_schema=False)
    app.include_router(archives.router, include_in_schema=False)
    app.include_router(api.router, prefix=API)
    app.include_router(images.router, prefix=API)
    app.include_router(programs.router, prefix=API)
    with as_file(files("cystgrid.page") / "static") as static:
        app.mount("/static", StaticFiles(directory=static), name="static")
    tell_failures(app)
    app.add_middleware(Failures)
    access = Access(
        token, frozenset(host.lower() for host in hosts), bounds.max_upload_bytes,
        {f"{API}{programs.GRADE}": bounds.max_prepared_bytes},
    )  # fmt: skip
    app.add_middleware(Gate, access=access)  # the last one added is the first one asked
    return app
