"""One writer at a time: a folder of ours is locked for as long as a command writes into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from cystgrid.errors import StoreError

LOCK = ".lock"
"""Stays in the folder; the system frees it however its holder ends."""

HALF_WRITTEN = re.compile(r"\..+\.\d+(-\d+)?\.tmp")
"""Names of temporary files, as ``provenance.write_pieces`` gives them (once, without a thread)."""

PLACES = ("*", "jobs/*/*/*/*", "patients/*/*", "tables/*", "figures/*")
"""Where in a folder of ours a killed command may leave them."""

WAIT = 1.0
"""Seconds: a look at whether a folder is locked holds it for a moment."""


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Within it, no other process that asks writes into the folder; it is made if need be.

    What killed commands left half written is taken away first, and in the end what lost nodes left.

    Raises:
        StoreError: another process writes there, or the folder cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=WAIT)
    except Timeout as error:
        raise StoreError(
            folder,
            got="a folder that another process writes into",
            expected="one writer at a time",
            do="wait until it is done or end it, or give another folder",
        ) from error
    except OSError as error:
        raise StoreError(
            folder,
            got=error.strerror,
            expected="a folder that can be written",
            do="choose another folder, or check permissions and free space",
        ) from error
    try:
        _clear(folder)
        yield
        _clear(folder)
    finally:
        _leave(folder, lock)


def _clear(folder: Path) -> None:
    for path in half_written(folder):
        with suppress(OSError):
            path.unlink()


def _leave(folder: Path, lock: BaseFileLock) -> None:
    """Give the folder free; one into which nothing was written is not left behind."""
    empty = [path.name for path in folder.iterdir()] == [LOCK]
    if empty:
        (folder / LOCK).unlink()
    lock.release()
    if empty:
        with suppress(OSError):
            folder.rmdir()


def half_written(folder: Path) -> list[Path]:
    """Temporary files that lie in a folder of ours."""
    return [
        path
        for place in PLACES
        for path in folder.glob(place)
        if HALF_WRITTEN.fullmatch(path.name) and not path.is_symlink() and path.is_file()
    ]


def is_locked(folder: Path) -> bool:
    """Whether a process writes into the folder now; nothing is written to find out."""
    path = folder / LOCK
    if not path.is_file():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a read-only folder: nobody writes there
        return False
    lock.release()
    return False
