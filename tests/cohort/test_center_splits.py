"""Laws of leave-one-centre-out: a centre is on one side only, and everybody is tested once."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.cohort.splits import Member, SplitSettings, center_folds, nested_splits
from cystgrid.errors import CohortError

LABELS = ("normal", "low", "high")


def cohort(sizes, *, group_size=1):
    """Patients of centres of these sizes, groups within a centre, labels by group."""
    return [
        Member(f"{c}{n:03}", LABELS[n // group_size % 3], f"c{c}", f"{c}g{n // group_size}")
        for c, size in enumerate(sizes)
        for n in range(size)
    ]


@settings(max_examples=40, deadline=None)
@given(
    large=st.lists(st.integers(30, 45), min_size=2, max_size=5),
    small=st.lists(st.integers(1, 4), max_size=3),
    group_size=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_each_centre_is_tested_once_and_never_meets_its_own_training(
    large, small, group_size, seed
):
    people = cohort([*large, *small], group_size=group_size)
    known = {member.patient: member for member in people}
    splits = nested_splits(people[::-1], SplitSettings(by="center", seed=seed))
    assert len(splits.outer) == len(large) + bool(small)
    assert Counter(p for fold in splits.outer for p in fold.test) == Counter(list(known))
    for number, fold in enumerate(splits.outer):
        tested = {known[p].center for p in fold.test}
        pooled = {f"c{c}" for c in range(len(large), len(large) + len(small))}
        assert tested == ({f"c{number}"} if number < len(large) else pooled)
        assert len(fold.inner) == 5
        validated = Counter(p for turn in fold.inner for p in turn.validation)
        assert validated == Counter(set(known) - set(fold.test))
        for turn in fold.inner:
            sides = [set(fold.test), set(turn.train), set(turn.validation)]
            assert set.union(*sides) == set(known)
            assert sum(map(len, sides)) == len(known)
            assert not tested & {known[p].center for p in (*turn.train, *turn.validation)}
            groups = [{known[p].group for p in side} for side in sides]
            assert sum(map(len, groups)) == len(set.union(*groups))
            counts = Counter(known[p].label for p in turn.validation)
            wanted = Counter(known[p].label for p in set(known) - set(fold.test))
            for label in LABELS:
                assert abs(counts[label] - wanted[label] / 5) <= group_size


def test_two_centres_are_enough():
    splits = nested_splits(cohort([30, 40]), SplitSettings(by="center", inner=3, turns=2))
    assert [len(fold.test) for fold in splits.outer] == [30, 40]
    assert [len(fold.inner) for fold in splits.outer] == [2, 2]


def test_who_is_tested_together_does_not_depend_on_the_seed_but_who_validates_does():
    one, two = (
        nested_splits(cohort([30, 40, 2]), SplitSettings(by="center", seed=seed)) for seed in (0, 1)
    )
    assert [fold.test for fold in one.outer] == [fold.test for fold in two.outer]
    assert one != two


def test_the_smallest_centre_of_its_own_is_the_settings():
    people = cohort([10, 6, 5, 4])
    assert [len(fold) for fold in center_folds(people, 5)] == [10, 6, 5, 4]
    assert [len(fold) for fold in center_folds(people, 6)] == [10, 6, 9]
    assert [len(fold) for fold in center_folds(people, 7)] == [10, 15]


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ([*cohort([30, 30]), Member("x", "low"), Member("y", "low")], "2 of 62 patients without"),
        ([*cohort([30]), Member("x", "low", "c9", "0g3")], "group '0g3': .* centres c0 and c9"),
        (cohort([60]), r"one test fold, of the centres c0 \(60\)"),
        (cohort([4, 4, 3]), r"one test fold, of the centres c0 \(4\), c1 \(4\), c2 \(3\)"),
        ([], "one test fold, of the centres of nobody"),
        ([*cohort([30, 30]), *cohort([1])], "'0000' twice"),
        (cohort([30, 9]), r"splits.inner \(outer fold 0\): got 5 folds, but too few of high \(3\)"),
    ],
)  # fmt: skip
def test_cohorts_that_cannot_be_left_out_by_centre_are_refused(people, words):
    with pytest.raises(CohortError, match=words):
        nested_splits(people, SplitSettings(by="center"))


def test_settings_by_centre():
    assert SplitSettings(by="center").inner_folds == 5
    assert SplitSettings(by="center", folds=2).inner_folds == 5
    with pytest.raises(ValueError, match=r"inner folds \(5\)"):
        SplitSettings(by="center", turns=6)
    with pytest.raises(ValueError, match="by"):
        SplitSettings(by="site")
