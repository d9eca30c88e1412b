"""A long list, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def pieces(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """``items`` in order, at most ``most`` together."""
    for start in range(0, len(items), most):
        yield items[start : start + most]
