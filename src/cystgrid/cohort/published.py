"""Folds that others published, as splits over the patients that were imported.

A published fold says who is tested; mostly who trains; sometimes who validates. Where validation is
given it is kept, as the one inner fold. Where it is not, the other test folds take turns as inner
validation, each within the published training patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cystgrid.cohort.fold_tables import Fold
from cystgrid.cohort.splits import (
    InnerFold,
    Member,
    OuterFold,
    Splits,
    check_disjoint,
    read_splits,
    splits_of_folds,
)
from cystgrid.errors import CohortError, StoreError


def splits_of_published(folds: Sequence[Fold]) -> Splits:
    """Published folds as splits, of the same ids.

    Raises:
        CohortError: no validation is given, and there are too few folds to take turns in.
    """
    if folds and all(fold.train and fold.validation for fold in folds):
        return Splits(
            tuple(
                OuterFold(_side(f.test), (InnerFold(_side(f.train), _side(f.validation)),))
                for f in folds
            )
        )
    turned = splits_of_folds([_side(fold.test) for fold in folds])
    return Splits(
        tuple(
            _within(outer, set(fold.train)) if fold.train else outer
            for fold, outer in zip(folds, turned.outer, strict=True)
        )
    )


def _within(fold: OuterFold, train: set[str]) -> OuterFold:
    """The fold's turns among its published training patients; nobody else joins them."""
    validations = [train.intersection(turn.validation) for turn in fold.inner]
    inner = tuple(InnerFold(_side(train - v), _side(v)) for v in validations if v)
    return replace(fold, inner=inner)


def renamed(splits: Splits, names: Mapping[str, str]) -> Splits:
    """The splits under other names; who has none is dropped, and so is an inner fold left empty."""

    def side(old: Iterable[str]) -> tuple[str, ...]:
        return _side(names[name] for name in old if name in names)

    outer = []
    for fold in splits.outer:
        turns = [InnerFold(side(turn.train), side(turn.validation)) for turn in fold.inner]
        kept = tuple(turn for turn in turns if turn.train and turn.validation)
        outer.append(OuterFold(side(fold.test), kept, fold.repeat))
    return Splits(tuple(outer))


def imported_splits(
    name: str, splits: Splits, patient_of: Mapping[str, str], group_of: Mapping[str, str]
) -> tuple[Splits | None, list[str]]:
    """Published splits over the patients that were imported, and what has to be said of them.

    Args:
        name: of the published folds, for the notes.
        splits: over the source's ids.
        patient_of: the imported patient of each id that became (part of) one.
        group_of: the group of each imported patient that is in one.

    Returns:
        The splits, or None where they do not hold together; and notes, without ids.
    """
    published = _everyone(splits)
    kept = renamed(splits, patient_of)
    notes = _counts(name, published, kept, patient_of)
    empty = sum(not fold.test or not fold.inner for fold in kept.outer)
    if empty:
        return None, [*notes, f"folds {name!r} not taken: {empty} of {len(kept.outer)} left empty"]
    try:
        check_disjoint(kept, name)
    except StoreError:
        return None, [*notes, f"folds {name!r} not taken: a patient stands on two sides of a fold"]
    parted = _parted(kept, group_of)
    if parted:
        notes.append(
            f"folds {name!r}: {parted} groups (scans of one patient) stand on both sides of a "
            "fold, as published"
        )
    return kept, notes


def given_splits(path: Path, members: Sequence[Member]) -> tuple[Splits, list[str]]:
    """A ``splits.json`` over the patients that are there, and what has to be said of it.

    Args:
        path: written by an import, by another run, or by hand.
        members: the labelled patients; ids of the file that are not among them are dropped.

    Returns:
        The splits; and notes: who was dropped, who is in no test fold, and which folds test or
        train on nobody of a class.

    Raises:
        StoreError: no such file, or a patient on two sides of a fold.
        CohortError: what is left is empty, or puts one patient's scans on two sides.
    """
    groups = {member.patient: member.group for member in members if member.group}
    patients = {member.patient: member.patient for member in members}
    splits, notes = imported_splits(path.stem, read_splits(path), patients, groups)
    if splits is None:
        raise CohortError(
            path,
            got=notes[-1],
            expected="folds over the patients that are prepared",
            do="check that these folds are of this cohort",
        )
    return splits, [*notes, *_lacking(path.stem, splits, members)]


def _lacking(name: str, splits: Splits, members: Sequence[Member]) -> list[str]:
    """Which folds do not test, or do not train on, every class; one note a class and side."""
    label_of = {member.patient: member.label for member in members}
    tested = [{label_of[p] for p in fold.test} for fold in splits.outer]
    trained = [[{label_of[p] for p in turn.train} for turn in fold.inner] for fold in splits.outer]
    notes = []
    for label in sorted(set(label_of.values())):
        untested = [n for n, labels in enumerate(tested) if label not in labels]
        untrained = [n for n, turns in enumerate(trained) if any(label not in t for t in turns)]
        for verb, folds in (("test", untested), ("train on", untrained)):
            if folds:
                numbers = ", ".join(map(str, folds))
                notes.append(f"folds {name!r}: outer {numbers} {verb} nobody of class {label!r}")
    return notes


def _counts(
    name: str, published: set[str], kept: Splits, patient_of: Mapping[str, str]
) -> list[str]:
    notes = []
    missing = sum(entry not in patient_of for entry in published)
    if missing:
        notes.append(
            f"folds {name!r}: {missing} of their {len(published)} ids are not among the patients "
            "and are dropped"
        )
    tested = {patient for fold in kept.outer for patient in fold.test}
    untested = set(patient_of.values()) - tested
    if untested:
        notes.append(f"folds {name!r}: {len(untested)} patients are in no test fold")
    return notes


def _parted(splits: Splits, group_of: Mapping[str, str]) -> int:
    """How many groups have a member that is tested and another that trains or validates."""
    parted: set[str] = set()
    for fold in splits.outer:
        tested = {group_of[patient] for patient in fold.test if patient in group_of}
        others = {p for turn in fold.inner for p in (*turn.train, *turn.validation)}
        parted |= tested & {group_of[patient] for patient in others if patient in group_of}
    return len(parted)


def _everyone(splits: Splits) -> set[str]:
    turns = [turn for fold in splits.outer for turn in fold.inner]
    sides = [fold.test for fold in splits.outer]
    sides += [side for turn in turns for side in (turn.train, turn.validation)]
    return {name for side in sides for name in side}


def _side(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
