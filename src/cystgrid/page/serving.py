"""The page on this machine's own address: one port, one token, one program a folder of studies."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from cystgrid.errors import UsageError
from cystgrid.locking import sole_writer
from cystgrid.pacs.archive import Archive
from cystgrid.page.app import page_app
from cystgrid.page.jobs import FOLDER_MODE
from cystgrid.page.reading import take_up_reader
from cystgrid.page.settings import PageSettings
from cystgrid.page.waiting import HeadInTime
from cystgrid.page.watched import Watched

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost")
TOKEN_BYTES = 32
MOST_CONNECTIONS = 300
"""At a time; a browser opens six, and as many more as may wait to be graded are no harm. Further
ones get 503."""

KEPT_SECONDS = 5
"""A connection between two requests."""

SECONDS_TO_END = 3
"""A request still open when the page ends is given no longer."""


def serve_page(
    model: Path,
    studies: Path,
    port: int,
    settings: PageSettings,
    archive: Archive | None,
    tell: Callable[[str], None],
) -> None:
    """Serve the page until it is interrupted.

    Args:
        model: MODEL.
        studies: folder of uploads and results; made if it is not there.
        port: on the loopback; 0 for any that is free.
        settings: bounds.
        archive: where studies can be taken from and results sent to.
        tell: given the link, once the page answers there.

    Raises:
        StoreError: no model there, or another page serves this folder.
        UsageError: the port is taken.
    """
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it tells of bodies
    token = secrets.token_urlsafe(TOKEN_BYTES)
    studies.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    reading = Watched(take_up_reader, model)
    with sole_writer(studies), _listening(port) as listener, reading:
        number = listener.getsockname()[1]
        hosts = frozenset(f"{host}:{number}" for host in HOSTS)
        app = page_app(reading, studies, token, hosts, settings, archive)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=HeadInTime,
                ws="none",
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=KEPT_SECONDS,
                log_level="error",  # not whatever somebody sends
                access_log=False,  # addresses hold the token once, and ids
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=SECONDS_TO_END,
            )
        )
        tell(f"http://{LOOPBACK}:{number}/?token={token}")
        with suppress(KeyboardInterrupt):  # which is how a page is ended
            server.run(sockets=[listener])


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    # the protocol is named, or asyncio does not recognise TCP and leaves Nagle's algorithm on: an
    # answer's body would wait 40 ms for the receipt of its head
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise UsageError(
                "--port",
                got=f"{port}, which another program uses" if port else "no free port",
                expected="a free port",
                do="choose another, or 0 for any that is free",
            ) from error
        listener.listen(socket.SOMAXCONN)
        yield listener
