"""Ctrl-C: one line, the contract's exit code, and no traceback of any process."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cystgrid.cohort.phantom import write_phantom_cohort

INTERRUPTED = 130


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupt")
    return write_phantom_cohort(folder, patients=8, seed=1, reduction=2.0, quiet=True)


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-c", "from cystgrid.cli import main; main()", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


def heed_interrupts():
    """A shell starts what it puts in the background deaf to Ctrl-C, and its children inherit it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name == "nt", reason="process groups are of POSIX systems")
@pytest.mark.parametrize("seconds", [2.0, 3.0, 5.0])
def test_ctrl_c_says_one_line_whenever_it_comes(cohort, tmp_path, seconds):
    command = ("prepare", cohort, "-o", tmp_path / "prepared", "--workers", "2")
    process = start(*command)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the command
    sent = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, said
    assert time.monotonic() - sent < 10, "workers are ended, not waited for"
    assert said.splitlines() == ["stopped; the same command goes on where it was"]
