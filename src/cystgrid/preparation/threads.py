"""One thread for ITK, wherever the same scan must give the same bytes on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk  # noqa: N813 (the name all its users know)


@contextmanager
def one_itk_thread() -> Iterator[None]:
    """Let ITK use one thread within the block.

    ITK sums by thread (a spline's contributions, a histogram's counts): another number of threads
    gives other last digits. Filters inside a filter obey the global number only.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
