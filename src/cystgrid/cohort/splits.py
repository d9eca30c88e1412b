"""Nested folds by patient: lists of names, decided before any voxel is read.

Each outer fold is the test fold once; the other folds take turns as inner validation. So
``folds = 10`` gives the paper's 10 x 9 trainings. ``inner`` and ``turns`` make cheaper designs.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from cystgrid.errors import CohortError, StoreError
from cystgrid.provenance import json_text, write_text
from cystgrid.settings import Settings

CopiesRule = Literal["refuse", "allow"]


class SplitSettings(Settings):
    """How patients are divided.

    Attributes:
        folds: number of outer folds.
        inner: number of inner folds into which an outer fold's training patients are divided anew;
            None takes the other outer folds as they are (the paper: 9 of 10).
        turns: how many inner folds take a turn as validation, each a training; None for all.
        seed: decides which of the equally good divisions is taken.
        copies: ``refuse`` stops where two patients on two sides of a fold have the same or nearly
            the same scan; ``allow`` goes on (they only look alike).
    """

    folds: int = Field(default=10, ge=3)
    inner: int | None = Field(default=None, ge=2)
    turns: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    copies: CopiesRule = "refuse"

    @model_validator(mode="after")
    def _turns_are_there(self) -> SplitSettings:
        inner = self.inner or self.folds - 1
        if self.turns is not None and self.turns > inner:
            raise ValueError(f"at most as many turns as inner folds ({inner})")
        return self


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
    """One test fold and the inner folds that share its training patients."""

    test: tuple[str, ...]
    inner: tuple[InnerFold, ...]


@dataclass(frozen=True)
class Splits:
    """All outer folds of a cross-validation."""

    outer: tuple[OuterFold, ...]


def assign_folds(members: Sequence[Member], folds: int, seed: int) -> list[tuple[str, ...]]:
    """Divide patients into ``folds`` sets, stratified by label, then centre, then size.

    A group is never divided. Greedy: groups in descending size (equal sizes in seeded order), each
    to the fold that holds fewest of its labels, then of its label and centre, then of all. The
    order of ``members`` does not matter.

    Raises:
        CohortError: a class has fewer groups than there are folds, or a patient stands twice.
    """
    groups = _groups(members)
    _check(members, groups, folds)
    names = sorted(groups)
    rng = np.random.default_rng(seed)
    shuffled = [names[position] for position in rng.permutation(len(names))]
    shuffled.sort(key=lambda name: -len(groups[name]))  # stable: seeded order among equals
    filled: list[list[Member]] = [[] for _ in range(folds)]
    for name in shuffled:
        ties = rng.permutation(folds)
        best = min(range(folds), key=lambda f: (*_crowding(filled[f], groups[name]), ties[f]))
        filled[best].extend(groups[name])
    return [tuple(sorted(member.patient for member in fold)) for fold in filled]


def nested_splits(members: Sequence[Member], settings: SplitSettings) -> Splits:
    """Outer folds, and in each its inner folds in turn as validation.

    Raises:
        CohortError: a class has too few patients (or groups) for so many folds.
    """
    folds = assign_folds(members, settings.folds, settings.seed)
    outer = []
    for number, test in enumerate(folds):
        others = [fold for fold in folds if fold != test]
        if settings.inner is not None:
            training = [member for member in members if member.patient not in test]
            others = assign_folds(training, settings.inner, settings.seed + 1 + number)
        outer.append(OuterFold(test, _turns(others)[: settings.turns]))
    return Splits(tuple(outer))


def splits_of_folds(folds: Sequence[Sequence[str]]) -> Splits:
    """Splits from folds that are given (published ones, centres): each is the test fold once.

    The other folds take turns as inner validation, as in ``nested_splits``.

    Args:
        folds: the patients of each fold; within a fold their order does not matter.

    Raises:
        CohortError: fewer than three folds, an empty one, or a patient in two.
    """
    sets = [tuple(sorted(fold)) for fold in folds]
    if len(sets) < 3 or not all(sets):
        raise CohortError(
            "folds",
            got=f"{len(sets)} folds, {sum(not fold for fold in sets)} of them empty",
            expected="at least three (test, validation, training), none empty",
            do="check the file the folds come from",
        )
    counts = Counter(patient for fold in sets for patient in fold)
    twice = [patient for patient, count in counts.items() if count > 1]
    if twice:
        raise CohortError(
            "folds",
            got=f"{twice[0]!r} {counts[twice[0]]} times",
            expected="every patient in one fold",
            do="check the file the folds come from",
        )
    others = [[fold for j, fold in enumerate(sets) if j != i] for i in range(len(sets))]
    return Splits(
        tuple(OuterFold(test, _turns(rest)) for test, rest in zip(sets, others, strict=True))
    )


def validation_splits(members: Sequence[Member], folds: int, seed: int) -> tuple[InnerFold, ...]:
    """Folds without a test fold, for a model to deploy: each validates one member's training."""
    return _turns(assign_folds(members, folds, seed))


def _turns(folds: Sequence[tuple[str, ...]]) -> tuple[InnerFold, ...]:
    """Each fold in turn as validation, the others together as training patients."""
    return tuple(
        InnerFold(
            tuple(sorted(p for fold in folds if fold != validation for p in fold)), validation
        )
        for validation in folds
    )


def _groups(members: Iterable[Member]) -> dict[str, list[Member]]:
    groups: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        groups[member.group or member.patient].append(member)
    return groups


def _crowding(fold: list[Member], group: list[Member]) -> tuple[int, int, int]:
    """Count the fold's patients: with the group's labels, its labels and centres, in all."""
    labels = Counter(member.label for member in fold)
    strata = Counter((member.label, member.center) for member in fold)
    return (
        sum(labels[member.label] for member in group),
        sum(strata[(member.label, member.center)] for member in group),
        len(fold),
    )


def _check(members: Sequence[Member], groups: dict[str, list[Member]], folds: int) -> None:
    twice = [name for name, n in Counter(member.patient for member in members).items() if n > 1]
    if twice:
        raise CohortError(
            "patient",
            got=f"{twice[0]!r} twice",
            expected="unique ids",
            do="give each patient one row",
        )
    per_label: Counter[str] = Counter()
    for group in groups.values():
        per_label.update({member.label for member in group})
    rare = [f"{label} ({count})" for label, count in sorted(per_label.items()) if count < folds]
    if rare or not members:
        raise CohortError(
            "splits.folds",
            got=f"{folds} folds, but too few of {', '.join(rare) or 'all'}",
            expected="at least one patient (or group) of each class in every fold",
            do="lower splits.folds in the study, or add patients",
        )


def write_splits(splits: Splits, path: Path) -> None:
    """Write ``splits.json``, the same bytes for the same splits."""
    write_text(path, splits_text(splits))


def splits_text(splits: Splits) -> str:
    """``splits.json`` as it is written."""
    return json_text(asdict(splits))


def read_splits(path: Path) -> Splits:
    """Read ``splits.json`` and check that no patient is on both sides of any split.

    Raises:
        StoreError: the file is not of this form, or leaks.
    """
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise _no_splits(path, f"no readable file ({error.strerror})") from error
    except ValueError as error:
        raise _no_splits(path, "no JSON") from error
    splits = _parsed(raw, path)
    check_disjoint(splits, path)
    return splits


def _parsed(raw: Any, path: Path) -> Splits:
    """Splits of parsed JSON, held to their form."""
    outer = raw.get("outer") if isinstance(raw, dict) else None
    if not isinstance(outer, list) or not outer:
        raise _no_splits(path, 'no list of folds under "outer"')
    folds = []
    for number, fold in enumerate(outer):
        inner = fold.get("inner") if isinstance(fold, dict) else None
        if not isinstance(inner, list) or not inner:
            raise _no_splits(path, f'outer fold {number} without a list under "inner"')
        turns = tuple(
            InnerFold(_side(turn, "train", path, number), _side(turn, "validation", path, number))
            for turn in inner
        )
        folds.append(OuterFold(_side(fold, "test", path, number), turns))
    return Splits(tuple(folds))


def _side(holder: Any, name: str, path: Path, number: int) -> tuple[str, ...]:
    side = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(side, list) or not side or not all(isinstance(each, str) for each in side):
        raise _no_splits(path, f'outer fold {number} without a list of ids under "{name}"')
    return tuple(side)


def _no_splits(path: Path, got: str) -> StoreError:
    return StoreError(
        path,
        got=got,
        expected='{"outer": [{"test": [ids], "inner": [{"train": [ids], "validation": [ids]}]}]}',
        do="give the splits.json of an import or of a run",
    )


def check_disjoint(splits: Splits, where: object) -> None:
    """Refuse splits in which a patient is tested twice, or meets its own training.

    Raises:
        StoreError: naming the fold and the patient.
    """
    tested = Counter(patient for fold in splits.outer for patient in fold.test)
    for number, fold in enumerate(splits.outer):
        for inner in fold.inner:
            sides = Counter([*fold.test, *inner.train, *inner.validation])
            leaks = [p for p, n in sides.items() if n > 1] + [p for p in fold.test if tested[p] > 1]
            if leaks:
                raise StoreError(
                    f"{where}: outer fold {number}",
                    got=f"{leaks[0]!r} on two sides",
                    expected="every patient on one side",
                    do="make the splits again",
                )
