"""One command line in a process of its own, with what it said, how long it took and what memory.

Each process is forked from a clean server that has imported cystgrid and nothing else has run in,
so that starting takes milliseconds and its peak memory is that of the command alone.
"""

import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GIVEN_UP_AFTER = 60.0
"""In seconds: a command that has not ended by then hangs."""

PRELOADED = ["cystgrid.cli", "cystgrid.runs", "cystgrid.cohorts", "pydicom.pixels"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(PRELOADED)


@dataclass(frozen=True)
class Run:
    """What a command did.

    Attributes:
        exit_code: None where it had to be stopped; negative where a signal ended it.
        stdout, stderr: what it wrote, libraries below Python included.
        seconds: of processors, so that what else the machine does is not counted; wall time where
            it had to be stopped.
        growth: bytes by which its peak resident memory exceeded what it began with; 0 where the
            system does not tell.
        left_in_tmp: what it left in the system's folder for temporary files.
    """

    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    growth: int
    left_in_tmp: tuple[str, ...] = ()


def run(arguments: list[str], folder: Path, before: Callable[[], None] | None = None) -> Run:
    """Run ``cystgrid ARGUMENTS`` in ``folder``.

    Args:
        arguments: of the command line.
        folder: the working folder.
        before: called in the process first: hides a codec, or makes cystgrid misbehave.
    """
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_child, args=(theirs, arguments, str(folder), before))
    began = time.monotonic()
    process.start()
    theirs.close()
    try:
        ended = Run(*ours.recv()) if ours.poll(GIVEN_UP_AFTER) else None
    except EOFError:  # it was killed, or crashed
        process.join()
        ended = Run(process.exitcode, "", "", time.monotonic() - began, 0)
    if ended is None:
        process.kill()
        ended = Run(None, "", "", time.monotonic() - began, 0)
    process.join()
    return ended


def _child(pipe, arguments: list[str], folder: str, before: Callable[[], None] | None) -> None:
    from cystgrid.cli import app

    os.chdir(folder)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["TMPDIR"] = tempfile.tempdir = temporary
        with tempfile.TemporaryFile(dir=folder) as out, tempfile.TemporaryFile(dir=folder) as err:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.stdout, sys.stderr = _stream(1), _stream(2)
            if before is not None:
                before()
            _reset_peak()
            resident, began = _memory("VmRSS"), _processor_seconds()
            try:
                app(arguments, prog_name="cystgrid")
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            seconds, growth = _processor_seconds() - began, _memory("VmHWM") - resident
            sys.stdout.flush()
            sys.stderr.flush()
            said = [_all_of(out.fileno()), _all_of(err.fileno())]
        pipe.send((code, *said, seconds, growth, tuple(sorted(os.listdir(temporary)))))  # noqa: PTH208


def _stream(descriptor: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), "utf-8")


def _all_of(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode("utf-8", "replace")


def _reset_peak() -> None:
    """Let the kernel forget the peak so far (proc(5), clear_refs); Linux only."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def _processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(os.times()[:4])


def _memory(name: str) -> int:
    """``VmRSS`` or ``VmHWM`` in bytes; Linux only."""
    if sys.platform != "linux":
        return 0
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return 1024 * int(line.split()[1])
