"""Folds given from outside, over the patients that are there, and what is said of them."""

from dataclasses import replace

import pytest

from cystgrid.cohort.published import given_splits
from cystgrid.cohort.splits import (
    InnerFold,
    Member,
    OuterFold,
    Splits,
    SplitSettings,
    nested_splits,
    write_splits,
)
from cystgrid.errors import CohortError, StoreError

LABELS = ("normal", "low", "high")
PEOPLE = [Member(f"p{i:02}", LABELS[i % 3], "c", f"p{i:02}") for i in range(30)]


@pytest.fixture
def given_notes(tmp_path):
    def _given(splits, people=PEOPLE):
        write_splits(splits, tmp_path / "mine.json")
        return given_splits(tmp_path / "mine.json", people)

    return _given


def test_ones_own_folds_come_back_whole_with_nothing_to_say(given_notes):
    splits = nested_splits(PEOPLE, SplitSettings(folds=3, repeats=2))
    assert given_notes(splits) == (splits, [])


def test_repeats_outlive_patients_that_are_not_there(given_notes):
    splits = nested_splits(PEOPLE, SplitSettings(folds=3, repeats=2))
    kept, notes = given_notes(splits, PEOPLE[3:])
    assert [fold.repeat for fold in kept.outer] == [0, 0, 0, 1, 1, 1]
    assert notes == ["folds 'mine': 3 of their 30 ids are not among the patients and are dropped"]


def test_folds_that_lack_a_class_are_named_with_it(given_notes):
    a, b, c = (tuple(m.patient for m in PEOPLE if m.label == label) for label in LABELS)
    mixed = (*a[:4], *b[:4], *c[:4])
    sound = OuterFold(mixed, (InnerFold((*a[4:7], *b[4:7], *c[4:7]), (*a[7:], *b[7:], *c[7:])),))
    no_high = OuterFold((*a[4:6], *b[4:6]), (InnerFold(mixed, (*a[6:], *b[6:], *c[4:])),))
    only_normal = OuterFold(a[6:], (InnerFold((*a[:4], *b), c),))
    kept, notes = given_notes(Splits((sound, no_high, only_normal)))
    assert len(kept.outer) == 3
    assert notes[1:] == [
        "folds 'mine': outer 1, 2 test nobody of class 'high'",
        "folds 'mine': outer 2 train on nobody of class 'high'",
        "folds 'mine': outer 2 test nobody of class 'low'",
    ]


def test_leaks_and_folds_of_nobody_are_refused(given_notes):
    splits = nested_splits(PEOPLE, SplitSettings(folds=3))
    first = splits.outer[0]
    leaky = replace(first, test=(*first.test, first.inner[0].train[0]))
    with pytest.raises(StoreError, match="on two sides"):
        given_notes(Splits((leaky, *splits.outer[1:])))
    with pytest.raises(CohortError, match="left empty"):
        given_notes(splits, PEOPLE[:1])
