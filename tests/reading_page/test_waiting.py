"""Connections on which a request is begun and not finished, by plain sockets to a small server."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from cystgrid.page import waiting

DEADLINE = 0.5
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_SECONDS = 2 * DEADLINE


async def answering(scope, receive, send):
    """Answers before the body has come; ``/slow`` takes longer than a head may."""
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW_SECONDS)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port():
    """Of a server in a thread, whose clients have half a second for a head."""
    with pytest.MonkeyPatch.context() as patch, socket.socket() as listener:
        patch.setattr(waiting, "HEAD_SECONDS", DEADLINE)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(
            answering, http=waiting.HeadInTime, lifespan="off", log_level="error",
            timeout_keep_alive=60,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@contextmanager
def kept(port, before=WHOLE):
    """A connection on which ``before`` was answered."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        if before:
            line.sendall(before)
            assert answer(line).endswith(b"ok")
        yield line


def answer(line):
    got = b""
    while not got.endswith(b"ok"):
        got += line.recv(1000)
        assert got
    return got


@pytest.mark.parametrize("before", [b"", WHOLE], ids=["new", "kept"])
@pytest.mark.parametrize("half", [b"GE", b"GET / HTTP/1.1\r\nHost: x\r\nX-a: "])
def test_half_a_head_holds_no_connection(port, before, half):
    with kept(port, before) as line:
        line.sendall(half)
        begun = time.monotonic()
        assert line.recv(1) == b""
        assert time.monotonic() - begun < 3 * DEADLINE


def test_a_body_that_does_not_come_holds_no_connection_behind_its_answer(port):
    with kept(port) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        answer(line)
        line.sendall(b"a")
        begun = time.monotonic()
        assert line.recv(1) == b""
        assert time.monotonic() - begun < 3 * DEADLINE


def test_a_request_that_is_being_answered_is_not_cut_short(port):
    slow = WHOLE.replace(b"GET /", b"GET /slow")
    with kept(port) as line:
        for _ in range(2):
            line.sendall(slow)
            answer(line)
