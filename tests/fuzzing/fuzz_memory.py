"""How much memory one reading takes: the process's high-water mark, set back before each case."""

from __future__ import annotations

import sys
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SET_BACK = "5"
"""Sets VmHWM to the present size (Linux, proc(5))."""

HEADROOM = 2**30
"""Address space that a worker may take on top of what it has: bounds what a defect can do."""


class PeakMemory:
    """MiB that the process grew by since this object was made; 0 where that cannot be measured."""

    def __init__(self) -> None:
        self._known = STATUS.exists() and _set_back()
        self._before = _field("VmRSS") if self._known else 0.0

    @property
    def growth(self) -> float:
        """The peak since then, beyond the size at that time."""
        return max(0.0, _field("VmHWM") - self._before) if self._known else 0.0


def _set_back() -> bool:
    try:
        CLEAR.write_text(SET_BACK)
    except OSError:
        return False
    return True


def _field(name: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def limit_address_space() -> None:
    """Let a worker's runaway allocation fail, rather than the machine."""
    if sys.platform != "linux":
        return
    import resource

    ceiling = int(_field("VmSize") * 2**20) + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
