"""Ctrl-C: who answers it, and when; in a worker process the main one does."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from types import FrameType

Ask = Callable[[], bool]
"""Whether work that can be put away is to be put away, and to end."""

STOPPING = "stopping after this step; Ctrl-C once more stops now"


PAUSE = 0.05
"""Seconds after which a Ctrl-C that came within an import is given again."""


def interrupt_after_imports(number: int, frame: FrameType | None) -> None:
    """Answer Ctrl-C as Python does, but never within an import: there it waits for its end.

    An extension that is interrupted while it begins is left half made. It may answer by an error of
    its own, and may crash the process at its end.

    Args:
        number: of the signal, as a handler is given it.
        frame: in which it came.

    Raises:
        KeyboardInterrupt: no import is under way.
    """
    if not _importing(frame):
        raise KeyboardInterrupt
    _interrupt_again()


def none_lost(unraisable: sys.UnraisableHookArgs) -> None:
    """``sys.unraisablehook`` that gives a Ctrl-C again which came where none can be raised.

    Python would print and forget one that comes while an object is finalized.
    """
    if unraisable.exc_type is KeyboardInterrupt:
        _interrupt_again()
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt_again() -> None:
    again = threading.Timer(PAUSE, _interrupt_main)
    again.daemon = True
    again.start()


def _interrupt_main() -> None:
    """Ctrl-C given by another thread to the main one, which it wakes from what it waits for."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:  # Windows
        signal.raise_signal(signal.SIGINT)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


USUAL = (signal.default_int_handler, interrupt_after_imports)
"""What answers Ctrl-C where nothing else was asked for; a process may be deaf to it as well."""


_stop: Event | None = None


def leave_to_main(stop: Event | None = None) -> None:
    """In a worker: leave Ctrl-C to the main process.

    Args:
        stop: by which the main process asks for an end (``interrupt_noted``).
    """
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def asked_to_stop() -> bool:
    """In a worker: whether the main process asks for an end."""
    return _stop is not None and _stop.is_set()


@contextmanager
def interrupt_noted() -> Iterator[Ask]:
    """Within it, a first Ctrl-C is noted, for work that then ends by itself; a second ends it now.

    Yields:
        Says whether to end: by Ctrl-C, or, in a worker, by the main process's word.

    Raises:
        KeyboardInterrupt: the work was done before it could end itself.
    """
    noted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted:
            interrupt_after_imports(number, frame)
        noted = True
        say_stopping()

    usual = signal.getsignal(signal.SIGINT)
    if usual not in USUAL or threading.current_thread() is not threading.main_thread():
        yield asked_to_stop
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted or asked_to_stop()
    finally:
        signal.signal(signal.SIGINT, usual)
    if noted:
        raise KeyboardInterrupt


def say_stopping() -> None:
    """Answer a Ctrl-C that takes a while, where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\n{STOPPING}\n")


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Within it, Ctrl-C waits: for starting workers, which inherit that until they ignore it.

    A worker that is interrupted while it still imports would fill the terminal with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
