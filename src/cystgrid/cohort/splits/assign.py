"""Patients into folds: stratified by label, then centre, then size; groups stay whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cystgrid.cohort.splits.folds import Member, check_unique, groups_of
from cystgrid.errors import CohortError


def assign_folds(
    members: Sequence[Member], folds: int, seed: int, setting: str = "splits.folds"
) -> list[tuple[str, ...]]:
    """Divide patients into ``folds`` sets, stratified by label, then centre, then size.

    A group is never divided. Greedy: groups in descending size (equal sizes in seeded order), each
    to the fold that holds fewest of its labels, then of its label and centre, then of all. The
    order of ``members`` does not matter. Where every group is of one label, two folds' numbers of
    a label differ by no more than its largest group.

    Args:
        members: who is divided.
        folds: into how many sets.
        seed: decides among equally good divisions.
        setting: where ``folds`` comes from, for messages.

    Raises:
        CohortError: a class has fewer groups than there are folds, or a patient stands twice.
    """
    groups = groups_of(members)
    check_unique(members)
    _check_enough(groups, folds, setting)
    names = sorted(groups)
    rng = np.random.default_rng(seed)
    shuffled = [names[position] for position in rng.permutation(len(names))]
    shuffled.sort(key=lambda name: -len(groups[name]))  # stable: seeded order among equals
    filled = [_Fold() for _ in range(folds)]
    for name in shuffled:
        ties = rng.permutation(folds)
        best = min(range(folds), key=lambda f: (*filled[f].crowding(groups[name]), ties[f]))
        filled[best].add(groups[name])
    return [tuple(sorted(fold.patients)) for fold in filled]


@dataclass
class _Fold:
    """A fold while it fills, counted as it goes: a thousand patients take a moment."""

    patients: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    strata: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, group: list[Member]) -> None:
        self.patients += [member.patient for member in group]
        self.labels.update(member.label for member in group)
        self.strata.update((member.label, member.center) for member in group)

    def crowding(self, group: list[Member]) -> tuple[int, int, int]:
        """How many there are with the group's labels, with its labels and centres, in all."""
        return (
            sum(self.labels[member.label] for member in group),
            sum(self.strata[(member.label, member.center)] for member in group),
            len(self.patients),
        )


def _check_enough(groups: dict[str, list[Member]], folds: int, setting: str) -> None:
    per_label: Counter[str] = Counter()
    for group in groups.values():
        per_label.update({member.label for member in group})
    rare = [f"{label} ({count})" for label, count in sorted(per_label.items()) if count < folds]
    if rare or not groups:
        raise CohortError(
            setting,
            got=f"{folds} folds, but too few of {', '.join(rare) or 'all'}",
            expected="at least one patient (or group) of each class in every fold",
            do=f"lower {setting.split(' ', 1)[0]} in the study, or add patients",
        )
