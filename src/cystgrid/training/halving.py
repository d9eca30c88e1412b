"""Successive halving: after each rung of epochs the best 1/eta of the candidates go on.

Jamieson & Talwalkar 2016. Every rung costs about as much as any other: the fewer candidates are
left, the longer they train. A survivor goes on from where it was, so that it ends with the bytes
that it would have had alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from cystgrid.training.course import Course
    from cystgrid.training.underway import Fit

Item = TypeVar("Item")


@dataclass(frozen=True)
class Rung:
    """One stage.

    Attributes:
        candidates: how many take part.
        epochs: that each of them has had at its end.
    """

    candidates: int
    epochs: int


def rungs(candidates: int, epochs: int, eta: int) -> tuple[Rung, ...]:
    """The stages from all candidates to one, which trains all ``epochs``."""
    counts = [candidates]
    while counts[-1] > 1:
        counts.append(max(counts[-1] // eta, 1))
    last = len(counts) - 1
    return tuple(
        Rung(count, math.ceil(epochs / eta ** (last - k))) for k, count in enumerate(counts)
    )


def epochs_in_all(stages: Sequence[Rung]) -> int:
    """Over all candidates."""
    before = [0, *(rung.epochs for rung in stages)]
    return sum(r.candidates * (r.epochs - b) for r, b in zip(stages, before, strict=False))


def halve(
    courses: Sequence[Course], epochs: int, eta: int, better: Callable[[Fit, Fit], bool]
) -> tuple[Fit, int]:
    """Train the candidates rung by rung.

    Args:
        courses: not begun; of equals, the earlier stays. Those that are stopped are let go of.
        epochs: of the last one left.
        eta: one in so many goes on.
        better: whether the first is strictly preferred.

    Returns:
        What the last one ends with, and its place in ``courses``.
    """
    alive = list(range(len(courses)))
    for rung in rungs(len(courses), epochs, eta):
        for stopped in alive[rung.candidates :]:
            courses[stopped].stop()
        alive = alive[: rung.candidates]
        found = {number: courses[number].until(rung.epochs) for number in sorted(alive)}
        alive = ranked(sorted(alive), found, better)
    return found[alive[0]], alive[0]


def ranked(
    numbers: Sequence[int], found: Mapping[int, Item], better: Callable[[Item, Item], bool]
) -> list[int]:
    """Numbers of what was found, best first; of equals, the earlier first."""

    def order(first: int, second: int) -> int:
        ahead = better(found[first], found[second])
        return -1 if ahead else int(better(found[second], found[first]))

    return sorted(numbers, key=functools.cmp_to_key(order))
