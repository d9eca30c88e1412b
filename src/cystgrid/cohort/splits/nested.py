"""Nested folds: each outer fold is the test fold once, its other patients train and select.

By patient, the other folds take turns as inner validation, so that ``folds = 10`` gives the paper's
10 x 9 trainings; ``inner`` and ``turns`` make cheaper designs. By centre, the other centres'
patients are divided anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from cystgrid.cohort.splits.assign import assign_folds
from cystgrid.cohort.splits.centers import center_folds
from cystgrid.cohort.splits.folds import InnerFold, Member, OuterFold, Splits
from cystgrid.cohort.splits.settings import SplitSettings
from cystgrid.errors import CohortError


def nested_splits(members: Sequence[Member], settings: SplitSettings) -> Splits:
    """Outer folds, and in each its inner folds in turn as validation; all of it ``repeats`` times.

    Raises:
        CohortError: a class has too few patients (or groups) for so many folds; or, by centre,
            patients without one, a group in two, or too few centres.
    """
    return Splits(
        tuple(
            fold for repeat in range(settings.repeats) for fold in _once(members, settings, repeat)
        )
    )


def _once(members: Sequence[Member], settings: SplitSettings, repeat: int) -> list[OuterFold]:
    seed = _repeat_seed(settings.seed, repeat)
    if settings.by == "center":
        folds = center_folds(members, settings.min_center)
    else:
        folds = assign_folds(members, settings.folds, seed)
    outer = []
    for number, test in enumerate(folds):
        if settings.by == "patient" and settings.inner is None:
            others = [fold for fold in folds if fold != test]
        else:
            tested = set(test)
            training = [member for member in members if member.patient not in tested]
            where = f"splits.inner (outer fold {number})"
            others = assign_folds(training, settings.inner_folds, seed + 1 + number, where)
        outer.append(OuterFold(test, _turns(others)[: settings.turns], repeat))
    return outer


def _repeat_seed(seed: int, repeat: int) -> int:
    """The study's seed first; then seeds that no neighbouring study seed has."""
    return seed if repeat == 0 else int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])


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
    return _turns(assign_folds(members, folds, seed, "deploy.folds"))


def _turns(folds: Sequence[tuple[str, ...]]) -> tuple[InnerFold, ...]:
    """Each fold in turn as validation, the others together as training patients."""
    return tuple(
        InnerFold(
            tuple(sorted(p for fold in folds if fold != validation for p in fold)), validation
        )
        for validation in folds
    )
