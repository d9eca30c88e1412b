"""Centres as test folds: leave-one-centre-out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from cystgrid.cohort.splits.folds import Member, check_unique, groups_of
from cystgrid.errors import CohortError

INSTEAD = 'or set splits.by = "patient" in the study'


def center_folds(members: Sequence[Member], smallest: int) -> list[tuple[str, ...]]:
    """The patients of each centre, centres by name; small ones pooled into one last fold.

    Pooling keeps two promises: every patient is tested once, and no centre is both tested and
    trained on.

    Args:
        members: who is divided.
        smallest: a centre of fewer patients is pooled.

    Raises:
        CohortError: patients without a centre, a group in two centres, or fewer than two folds.
    """
    check_unique(members)
    _check_centers(members)
    by_center: dict[str, list[str]] = defaultdict(list)
    for member in members:
        by_center[member.center].append(member.patient)
    large = [by_center[name] for name in sorted(by_center) if len(by_center[name]) >= smallest]
    small = [each for those in by_center.values() if len(those) < smallest for each in those]
    folds = [tuple(sorted(fold)) for fold in (*large, small) if fold]
    if len(folds) < 2:
        counts = ", ".join(f"{name} ({len(by_center[name])})" for name in sorted(by_center))
        raise CohortError(
            "splits.by",
            got=f"one test fold, of the centres {counts or 'of nobody'}",
            expected=f"two or more; a centre needs {smallest} patients (splits.min_center)",
            do=f"lower splits.min_center, {INSTEAD}",
        )
    return folds


def _check_centers(members: Sequence[Member]) -> None:
    without = sum(not member.center for member in members)
    if without:
        raise CohortError(
            "center",
            got=f"{without} of {len(members)} patients without one",
            expected="a centre for everybody, as the folds are centres",
            do=f'fill the column "center" and prepare again, {INSTEAD}',
        )
    for name, group in sorted(groups_of(members).items()):
        places = sorted({member.center for member in group})
        if len(places) > 1:
            raise CohortError(
                f"group {name!r}",
                got=f"patients in the centres {' and '.join(places)}",
                expected="a group within one centre, as the folds are centres",
                do=f'correct the columns "center" and "group", {INSTEAD}',
            )
