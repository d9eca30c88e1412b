"""Warnings that are not shown, in one thread: others' repeat values of headers, names among them.

``warnings.catch_warnings`` puts the filters of the whole process away and back. Of two threads that
are within it at once, one shows its warnings all the same, and the other may leave everybody's
hidden for good.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Depth(threading.local):
    """How many ``quietly`` a thread is within."""

    value = 0


_depth = _Depth()
_inserting = threading.Lock()


class _Here:
    """Stands in a filter in a pattern's place: whatever is said in a thread that is to be quiet."""

    def match(self, _text: str) -> bool:
        """Whether the filter applies."""
        return _depth.value > 0


_FILTER: Any = ("ignore", _Here(), Warning, None, 0)


@contextmanager
def quietly() -> Iterator[None]:
    """Within it, warnings of this thread are not shown; those of other threads are."""
    _put_first()
    _depth.value += 1
    try:
        yield
    finally:
        _depth.value -= 1


def _put_first() -> None:
    """Have our filter asked before all others; outside of ``quietly`` it applies to nothing."""
    filters: Any = warnings.filters
    if filters and filters[0] is _FILTER:
        return
    with _inserting:
        filters.insert(0, _FILTER)
        later = [place for place, one in enumerate(filters) if one is _FILTER][1:]
        for place in reversed(later):
            del filters[place]
