"""Laws of nested folds: nobody on two sides, nobody left out, the file's order changes nothing."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.cohort.splits import (
    Member,
    SplitSettings,
    assign_folds,
    nested_splits,
    read_splits,
    splits_of_folds,
    validation_splits,
    write_splits,
)
from cystgrid.errors import CohortError, StoreError

LABELS = ("normal", "low", "high")


def members(n, *, centers=3, group_size=1):
    return [
        Member(f"p{i:03}", LABELS[(i // group_size) % 3], f"c{i % centers}", f"g{i // group_size}")
        for i in range(n)
    ]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(30, 120), folds=st.integers(3, 10), seed=st.integers(0, 99))
def test_every_patient_is_tested_once_and_never_meets_its_own_training(n, folds, seed):
    people = members(n)
    splits = nested_splits(people, SplitSettings(folds=folds, seed=seed))
    names = {m.patient for m in people}
    assert Counter(p for fold in splits.outer for p in fold.test) == Counter(names)
    for fold in splits.outer:
        assert len(fold.inner) == folds - 1
        for inner in fold.inner:
            sides = [set(fold.test), set(inner.train), set(inner.validation)]
            assert set.union(*sides) == names
            assert sum(map(len, sides)) == len(names)
        validated = Counter(p for inner in fold.inner for p in inner.validation)
        assert validated == Counter(names - set(fold.test))


@settings(max_examples=20, deadline=None)
@given(inner=st.integers(2, 6), turns=st.integers(1, 2), seed=st.integers(0, 99))
def test_inner_folds_of_their_own_keep_the_laws(inner, turns, seed):
    people = members(60, group_size=2)
    group = {m.patient: m.group for m in people}
    splits = nested_splits(people, SplitSettings(folds=4, inner=inner, turns=turns, seed=seed))
    for outer in splits.outer:
        assert len(outer.inner) == turns
        for fold in outer.inner:
            sides = [set(outer.test), set(fold.train), set(fold.validation)]
            assert sorted(set.union(*sides)) == sorted(group)
            assert sum(map(len, sides)) == len(group)
            assert len({group[p] for p in fold.train} & {group[p] for p in fold.validation}) == 0
            assert len(fold.validation) == pytest.approx(45 / inner, abs=4)


def test_more_turns_than_inner_folds_are_refused():
    with pytest.raises(ValueError, match=r"inner folds \(3\)"):
        SplitSettings(folds=4, turns=4)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(30, 120), folds=st.integers(3, 10), seed=st.integers(0, 99))
def test_labels_are_spread_within_one_patient(n, folds, seed):
    people = {m.patient: m for m in members(n)}
    counts = [
        Counter(people[p].label for p in fold)
        for fold in assign_folds(list(people.values()), folds, seed)
    ]
    for label in LABELS:
        assert max(c[label] for c in counts) - min(c[label] for c in counts) <= 1


def test_centers_are_spread_as_well():
    people = {m.patient: m for m in members(90, centers=3)}
    for fold in assign_folds(list(people.values()), 5, seed=0):
        counts = Counter(people[p].center for p in fold)
        assert max(counts.values()) - min(counts.values()) <= 3


def test_a_group_is_never_divided():
    people = members(60, group_size=2)
    group = {m.patient: m.group for m in people}
    folds = assign_folds(people, 5, seed=1)
    assert all(
        not {group[p] for p in a} & {group[p] for p in b} for a in folds for b in folds if a != b
    )


def test_the_files_order_changes_nothing_and_the_seed_does():
    people = members(60)
    assert assign_folds(people, 5, 0) == assign_folds(people[::-1], 5, 0)
    assert assign_folds(people, 5, 0) != assign_folds(people, 5, 1)


def test_renamed_labels_give_the_same_folds():
    people = members(60)
    renamed = [Member(m.patient, m.label.upper(), m.center, m.group) for m in people]
    assert assign_folds(people, 5, 0) == assign_folds(renamed, 5, 0)


def test_too_few_of_a_class_are_refused_by_name():
    with pytest.raises(CohortError, match=r"high \(2\)"):
        assign_folds([*members(30), Member("x", "rare"), *members(8)[6:]][:8], 3, 0)


def test_a_deployable_models_folds_use_every_patient_once_for_validation():
    people = members(30)
    folds = validation_splits(people, 5, 0)
    assert sorted(p for f in folds for p in f.validation) == sorted(m.patient for m in people)
    assert all(not set(f.train) & set(f.validation) for f in folds)


def test_given_folds_are_tested_once_each_and_take_turns_as_validation():
    folds = [["c", "a"], ["d"], ["e", "b"], ["f"]]
    splits = splits_of_folds(folds)
    assert [set(fold.test) for fold in splits.outer] == [set(fold) for fold in folds]
    for fold in splits.outer:
        assert [set(turn.validation) for turn in fold.inner] == [
            set(other) for other in folds if set(other) != set(fold.test)
        ]
        for turn in fold.inner:
            assert sorted((*fold.test, *turn.train, *turn.validation)) == list("abcdef")


@pytest.mark.parametrize(
    "folds", [[["a"], ["b"]], [["a"], ["b"], []], [["a"], ["b"], ["a"]], [["a"], ["b"], ["c", "c"]]]
)
def test_given_folds_that_cannot_be_turned_are_refused(folds):
    with pytest.raises(CohortError, match="check the file the folds come from"):
        splits_of_folds(folds)


def test_written_splits_read_back_the_same(tmp_path):
    splits = nested_splits(members(30), SplitSettings(folds=3))
    write_splits(splits, tmp_path / "splits.json")
    assert read_splits(tmp_path / "splits.json") == splits


def test_splits_that_leak_are_refused(tmp_path):
    path = tmp_path / "splits.json"
    write_splits(nested_splits(members(30), SplitSettings(folds=3)), path)
    raw = json.loads(path.read_text())
    stolen = raw["outer"][1]["test"][0]
    raw["outer"][1]["inner"][0]["train"].append(stolen)
    path.write_text(json.dumps(raw))
    with pytest.raises(StoreError, match=f"'{stolen}' on two sides"):
        read_splits(path)
    path.write_text("[]")
    with pytest.raises(StoreError, match=r"splits\.json"):
        read_splits(path)
