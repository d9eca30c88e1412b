"""A process of its own for a model: watched, and replaced when it dies.

A reading may need more memory than there is, and a library may crash: neither ends the page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from cystgrid.errors import CystgridError
from cystgrid.interrupts import interrupts_held
from cystgrid.processes import begin_worker

Work = Callable[..., Any]
TakeUp = Callable[[Path], tuple[Any, Work]]
"""Of a folder MODEL: what is to be told of it at once, and what answers calls. It imports what it
needs itself, so that the page need not."""

SECONDS_TO_END = 5.0
"""After a kill, for the system to clear it away."""


class DiedError(Exception):
    """The process ended while it was asked: killed, out of memory, or told to."""


class Watched:
    """A process that answers one call after another; threads that call take turns.

    Attributes:
        model: MODEL.
        told: what its process said of the model when it last began.
    """

    def __init__(self, take_up: TakeUp, model: Path) -> None:
        self.model = model
        self.told: Any = None
        self._take_up = take_up
        self._process: BaseProcess | None = None
        self._line: Connection | None = None
        self._busy = threading.Event()
        self._turn = threading.Lock()
        self._ending = threading.Lock()  # two that wait for its end would miss it, both

    def __enter__(self) -> Self:
        self.stand_by()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def number(self) -> int | None:
        """The process's, for the system; None where there is none."""
        with self._ending:
            process = self._process
            return process.pid if process is not None and process.is_alive() else None

    @property
    def at_work(self) -> bool:
        """Whether it was asked for something that it has not answered yet."""
        return self._busy.is_set()

    def stand_by(self) -> None:
        """See to it that the process lives and has taken up the model; seconds if it must begin.

        Raises:
            DiedError: it died over it.
            CystgridError: there is no model, or it is damaged.
        """
        with self._turn:
            if self.number is None:
                self._begin()

    def call(self, *what: Any) -> Any:
        """What the process answers.

        Args:
            what: arguments of the work; they and the answer are ours, and can be sent.

        Raises:
            DiedError: it died before it had answered, or was never begun.
        """
        with self._turn, self._at_work() as line:
            line.send(what)
            return line.recv()

    def _begin(self) -> None:
        self.stop()
        context = get_context("spawn")  # no lock of ours or a library's is copied half-held
        self._line, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._take_up, self.model), daemon=True
        )
        try:
            with interrupts_held():
                self._process.start()
        except (OSError, MemoryError) as error:  # no memory, or no process more
            self._process = None
            raise DiedError from error
        finally:
            theirs.close()
        with self._at_work() as line:
            found = line.recv()
        if isinstance(found, CystgridError):
            raise found
        self.told = found

    def interrupt(self) -> None:
        """End what it is doing, and the process with it; one that does nothing stays."""
        if self.at_work:
            self._kill()

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._kill()
        if self._line is not None:
            self._line.close()
            self._line = None

    def _kill(self) -> None:
        with self._ending:
            if self._process is not None:
                self._process.kill()
                self._process.join(SECONDS_TO_END)

    @contextmanager
    def _at_work(self) -> Iterator[Connection]:
        """Within it, the process has something to do; the line to it.

        Raises:
            DiedError: it died meanwhile, or was never begun.
        """
        self._busy.set()
        try:
            if self._line is None:
                raise EOFError
            yield self._line
        except (EOFError, OSError) as error:
            self._kill()  # it may still be about to end: who asks next shall find it gone
            raise DiedError from error
        finally:
            self._busy.clear()


def _serve(line: Connection, take_up: TakeUp, model: Path) -> None:
    """In the process: take the model up, and answer until the page is gone."""
    begin_worker()
    try:
        told, work = take_up(model)
    except CystgridError as error:
        line.send(error)
        return
    line.send(told)
    with suppress(EOFError):
        while True:
            line.send(work(*line.recv()))
