"""One program a folder of studies, and the port that it listens on."""

import socket

import pytest

from cystgrid.errors import StoreError, UsageError
from cystgrid.locking import sole_writer
from cystgrid.page.serving import serve_page
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
