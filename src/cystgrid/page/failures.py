"""What a browser is told when something fails: a sentence, never a path, a traceback or a name."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cystgrid.errors import ArchiveDownError, CystgridError
from cystgrid.page.rendering import render

log = logging.getLogger(__name__)

API = "/api/"
NOT_FOUND = "There is no such page."


class Failures:
    """ASGI middleware: a bug is logged by its kind alone, and told as such."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer where that fails."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            log.debug("a client went away")
        except Exception as error:
            log.error("%s while answering", type(error).__name__)
            log.debug("", exc_info=error)
            if not begun and scope["type"] == "http":
                sentence = f"A bug in cystgrid ({type(error).__name__})."
                await _told(Request(scope), 500, sentence)(scope, receive, send)


def tell_failures(app: FastAPI) -> None:
    """Add the answers for what is refused."""

    @app.exception_handler(CystgridError)
    async def of_ours(request: Request, error: CystgridError) -> Response:
        status = 503 if isinstance(error, ArchiveDownError) else 400
        return _told(request, status, _sentence(error.naming(lambda _: "file")))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        sentence = NOT_FOUND if error.detail == "Not Found" else error.detail
        return _told(request, error.status_code, sentence, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def of_fields(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]  # its input is not repeated
        field = ".".join(str(part) for part in first["loc"][1:])
        return _told(request, 422, f"{field}: {first['msg']}.")


def _sentence(error: CystgridError) -> str:
    """The one line of an error, as a page says it."""
    return f"{error.where}: got {error.got}, expected {error.expected}. To do: {error.do}."


def _told(
    request: Request, status: int, sentence: str, headers: dict[str, str] | None = None
) -> Response:
    if request.url.path.startswith(API):
        return JSONResponse({"error": sentence}, status, headers)
    page = render("error.html.j2", status=status, sentence=sentence)
    return HTMLResponse(page, status, headers)
