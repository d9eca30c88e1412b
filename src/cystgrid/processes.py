"""Worker processes: how many this machine carries, and who answers Ctrl-C."""

from __future__ import annotations

import os
import signal


def worker_count(wanted: int | None, threads: int = 1) -> int:
    """Worker processes to use: what was asked for, or one for every ``threads`` usable cores."""
    if wanted is not None:
        return wanted
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max((usable or 1) // threads, 1)


def ignore_interrupts() -> None:
    """In a worker: leave Ctrl-C to the main process, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
