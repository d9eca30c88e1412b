"""What folds are: names on sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from cystgrid.errors import CohortError


@dataclass(frozen=True)
class Member:
    """What a fold assignment may know of a patient."""

    patient: str
    label: str
    center: str = ""
    group: str = ""


@dataclass(frozen=True)
class InnerFold:
    """One training: ``train`` fits, ``validation`` selects; neither meets the outer test fold."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


@dataclass(frozen=True)
class OuterFold:
    """One test fold and the inner folds that share its training patients.

    Attributes:
        test: who is tested.
        inner: the trainings.
        repeat: which repetition of the whole division it belongs to; in each, a patient is tested
            once.
    """

    test: tuple[str, ...]
    inner: tuple[InnerFold, ...]
    repeat: int = 0


@dataclass(frozen=True)
class Splits:
    """All outer folds of a cross-validation, repeat after repeat."""

    outer: tuple[OuterFold, ...]


def groups_of(members: Iterable[Member]) -> dict[str, list[Member]]:
    """Members that must stay together, by their group; who has none is one alone."""
    groups: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        groups[member.group or member.patient].append(member)
    return groups


def check_unique(members: Iterable[Member]) -> None:
    """Refuse a patient that stands twice.

    Raises:
        CohortError: naming the patient.
    """
    twice = [name for name, n in Counter(member.patient for member in members).items() if n > 1]
    if twice:
        raise CohortError(
            "patient",
            got=f"{twice[0]!r} twice",
            expected="unique ids",
            do="give each patient one row",
        )
