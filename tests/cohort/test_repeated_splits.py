"""Repeats, the peers' protocol, and folds that depend on the study and the patients alone."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.cohort.splits import (
    Member,
    Splits,
    SplitSettings,
    check_disjoint,
    nested_splits,
    peer_folds,
    read_splits,
    splits_text,
    write_splits,
)
from cystgrid.errors import StoreError

LABELS = ("normal", "low", "high")


def members(n, centers=3):
    return [Member(f"p{i:03}", LABELS[i % 3], f"c{i // 3 % centers}", f"g{i}") for i in range(n)]


@settings(max_examples=20, deadline=None)
@given(
    folds=st.integers(2, 5),
    inner=st.integers(2, 4),
    repeats=st.integers(1, 4),
    by=st.sampled_from(["patient", "center"]),
)
def test_any_number_of_folds_inner_folds_and_repeats(folds, inner, repeats, by):
    people = members(48)
    design = SplitSettings(by=by, folds=folds, inner=inner, repeats=repeats)
    splits = nested_splits(people, design)
    outer = folds if by == "patient" else 3
    assert [fold.repeat for fold in splits.outer] == [
        repeat for repeat in range(repeats) for _ in range(outer)
    ]
    assert all(len(fold.inner) == inner for fold in splits.outer)
    for repeat in range(repeats):
        tested = [p for fold in splits.outer if fold.repeat == repeat for p in fold.test]
        assert Counter(tested) == Counter(m.patient for m in people)
    check_disjoint(splits, "here")


def test_the_first_repeat_is_the_study_without_repeats_and_the_others_are_new():
    people = members(60)
    once = nested_splits(people, SplitSettings(folds=4, seed=3))
    often = nested_splits(people, SplitSettings(folds=4, seed=3, repeats=4))
    assert often.outer[:4] == once.outer
    tests = [{fold.test for fold in often.outer if fold.repeat == r} for r in range(4)]
    assert len(set.union(*tests)) == 16
    neighbours = nested_splits(people, SplitSettings(folds=4, seed=4, repeats=4))
    assert not {f.test for f in neighbours.outer} & {f.test for f in often.outer}


def test_two_outer_folds_need_inner_folds_of_their_own():
    with pytest.raises(ValueError, match="at least 3 folds, or inner folds"):
        SplitSettings(folds=2)
    assert len(nested_splits(members(24), SplitSettings(folds=2, inner=3)).outer) == 2


@pytest.mark.parametrize("by", ["patient", "center"])
def test_the_peers_protocol_selects_on_the_test_fold(by):
    people = members(60)
    splits = nested_splits(people, SplitSettings(by=by, folds=4, inner=3, turns=1, repeats=2))
    leaky = peer_folds(splits)
    assert [fold.validation for fold in leaky] == [fold.test for fold in splits.outer]
    for fold in leaky:
        assert sorted((*fold.train, *fold.validation)) == [m.patient for m in people]
        assert not set(fold.train) & set(fold.validation)


def test_written_repeats_read_back_and_older_files_without_them_do(tmp_path):
    path = tmp_path / "splits.json"
    splits = nested_splits(members(30), SplitSettings(folds=3, repeats=2))
    write_splits(splits, path)
    assert read_splits(path) == splits
    once = nested_splits(members(30), SplitSettings(folds=3))
    raw = json.loads(splits_text(once))
    for fold in raw["outer"]:
        del fold["repeat"]
    path.write_text(json.dumps(raw))
    assert read_splits(path) == once


@pytest.mark.parametrize("repeat", [-1, "0", 1.5, True, None])
def test_a_repeat_that_is_no_number_is_refused(tmp_path, repeat):
    path = tmp_path / "splits.json"
    raw = json.loads(splits_text(nested_splits(members(30), SplitSettings(folds=3))))
    raw["outer"][1]["repeat"] = repeat
    path.write_text(json.dumps(raw))
    with pytest.raises(StoreError, match='outer fold 1 whose "repeat"'):
        read_splits(path)


def test_a_patient_tested_twice_in_one_repeat_is_refused():
    """The control: in two repeats it is what repeating means."""
    splits = nested_splits(members(30), SplitSettings(folds=3, repeats=2))
    check_disjoint(splits, "here")
    one_repeat = Splits(tuple(replace(fold, repeat=0) for fold in splits.outer))
    with pytest.raises(StoreError, match="on two sides"):
        check_disjoint(one_repeat, "here")


PROGRAM = """
import json, locale, sys
locale.setlocale(locale.LC_ALL, "")
from cystgrid.cohort.splits import Member, SplitSettings, nested_splits, splits_text
names, settings = json.load(sys.stdin)
people = [Member(*each) for each in names]
sys.stdout.write(splits_text(nested_splits(people, SplitSettings(**settings))))
"""


@pytest.mark.parametrize("by", ["patient", "center"])
def test_order_locale_and_hash_seed_change_no_byte(by):
    """Names in several scripts, rows in any order, other processes: one text."""
    people = [
        Member(f"{name}{i}", LABELS[i % 3], ("ähre", "Zoë", "alpha")[i // 3 % 3], f"é{i // 2}")
        for i, name in enumerate(["Ü", "z", "Å", "a", "患者", "i", "İ", "Z"] * 6)
    ]
    people = [replace(m, group=f"{m.center}-{m.group}") for m in people]
    design = {"by": by, "folds": 4, "inner": 3, "repeats": 2}
    expected = splits_text(nested_splits(people, SplitSettings(**design)))
    turned = people[17:] + people[:17]
    places = ((people, "0", "C"), (people[::-1], "1", "C.UTF-8"), (turned, "77", "POSIX"))
    for rows, seed, language in places:
        told = json.dumps([[(m.patient, m.label, m.center, m.group) for m in rows], design])
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-c", PROGRAM], input=told, text=True,
            capture_output=True, check=True, encoding="utf-8",
            env={**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": language},
        )  # fmt: skip
        assert done.stdout == expected


@pytest.mark.parametrize("by", ["patient", "center"])
def test_renamed_labels_give_the_same_folds(by):
    people = members(60)
    renamed = [replace(m, label={"normal": "z", "low": "a", "high": "m"}[m.label]) for m in people]
    design = SplitSettings(by=by, folds=4, inner=3, repeats=2)
    assert nested_splits(people, design) == nested_splits(renamed, design)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.sampled_from(LABELS)), min_size=30, max_size=80),
    folds=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_labels_are_spread_within_the_largest_group(sizes, folds, seed):
    """The bound that the assignment promises, with groups of one label and of any size."""
    people = [
        Member(f"{g}-{i}", label, f"c{g % 2}", f"g{g}")
        for g, (size, label) in enumerate(sizes)
        for i in range(size)
    ]
    if any(sum(label == each for _, label in sizes) < folds for each in {s[1] for s in sizes}):
        return
    known = {m.patient: m for m in people}
    outer = nested_splits(people, SplitSettings(folds=folds, inner=2, turns=1, seed=seed)).outer
    for label in LABELS:
        counts = [sum(known[p].label == label for p in fold.test) for fold in outer]
        assert max(counts) - min(counts) <= max([s for s, each in sizes if each == label] or [0])
