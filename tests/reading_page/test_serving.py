"""One program a folder of studies, and the port that it listens on."""

import asyncio
import socket

import pytest

from cystgrid.errors import StoreError, UsageError
from cystgrid.locking import sole_writer
from cystgrid.page.serving import _listening, serve_page
from cystgrid.page.settings import PageSettings


def serve(studies, port=0):
    serve_page(studies / "no-model", studies, port, PageSettings(), None, print)


def test_a_second_page_on_the_same_folder_is_refused_and_the_first_ones_end_frees_it(tmp_path):
    with sole_writer(tmp_path), pytest.raises(StoreError, match="one writer at a time"):
        serve(tmp_path)
    with pytest.raises(StoreError, match=r"model\.json"):  # the folder is free: it comes to that
        serve(tmp_path)


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"{port}, which another program uses"):
            serve(tmp_path, port)


def test_an_answer_is_sent_at_once_on_a_kept_connection_too():
    """Its head and its body are two writes; the second must not wait for the first's receipt."""
    told = []

    class Asked(asyncio.Protocol):
        def connection_made(self, transport):
            line = transport.get_extra_info("socket")
            told.append(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def ask(listener):
        async with await asyncio.get_running_loop().create_server(Asked, sock=listener):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            await reader.read()
            writer.close()

    with _listening(0) as listener:
        asyncio.run(ask(listener))
    assert told == [1]
