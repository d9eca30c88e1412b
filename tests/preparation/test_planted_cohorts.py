"""Synthetic cohorts hold what was planted in them, and folds by patient hide what they must.

The learner is a nearest neighbour on the middle slice: it remembers everything it has seen, so
that whatever leaks, it finds.
"""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from cohorts_in_memory import CLASSES, write_cohort
from controls import window_splits
from cystgrid.cohort.splits import Member, SplitSettings, nested_splits
from cystgrid.preparation.standardise import standardise, unit_range
from cystgrid.preparation.store import Store

CHANCE = 1 / len(CLASSES)
SPLITS = SplitSettings(folds=5)


def score(prepared, *, by="label", splitting=SPLITS):
    """Balanced accuracy of out-of-fold answers to ``label`` or ``center``."""
    store = Store.open(prepared)
    entries = store.entries.values()
    members = [Member(e.patient, e.label, e.center, e.group) for e in entries]
    seen = {name: looked_at(store.load(name)) for name in store.patients}
    truth = {entry.patient: getattr(entry, by) for entry in entries}
    answers, asked = [], []
    for fold in nested_splits(members, splitting).outer:
        trained = [p for turn in fold.inner[:1] for p in (*turn.train, *turn.validation)]
        model = KNeighborsClassifier(1).fit([seen[p] for p in trained], [truth[p] for p in trained])
        answers += list(model.predict([seen[p] for p in fold.test]))
        asked += [truth[p] for p in fold.test]
    return balanced_accuracy_score(asked, answers)


def looked_at(patient):
    """The middle slice in coarse pixels, of the first scan there is; each scan scaled to 0-1."""
    channel = patient.present.index(True)
    slice_ = np.asarray(patient.crop[channel, patient.crop.shape[1] // 2])
    coarse = slice_.reshape(8, slice_.shape[0] // 8, 8, -1).mean(axis=(1, 3))
    return unit_range(coarse).ravel()


def within_chance(scores):
    """Whether the mean lies within three standard errors of chance."""
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    return abs(np.mean(scores) - CHANCE) < 3 * error


def permuted(seed, people=60):
    return np.random.default_rng(seed).permutation([CLASSES[n % 3] for n in range(people)]).tolist()


def test_the_planted_signal_is_there_and_without_it_nothing_is(tmp_path):
    assert score(write_cohort(tmp_path / "signal")) > 0.9
    assert score(write_cohort(tmp_path / "noise", 120, signal=0)) < CHANCE + 0.15


def test_the_scanners_pattern_tells_the_centre(tmp_path):
    assert score(write_cohort(tmp_path / "one", centers=3, scanner=3), by="center") > 0.9
    assert score(write_cohort(tmp_path / "none", 120, centers=3), by="center") < CHANCE + 0.15


def test_a_site_effect_makes_the_centre_tell_the_label(tmp_path):
    for site, low, high in ((0.0, 0.3, 0.5), (0.8, 0.7, 1.0)):
        store = Store.open(write_cohort(tmp_path / str(site), 120, centers=3, site=site))
        share = np.mean([CLASSES[int(e.center[1:])] == e.label for e in store.entries.values()])
        assert low <= share <= high


def test_a_scanner_and_a_site_effect_are_unlearned_at_a_new_centre(tmp_path):
    """By patient, knowing the scanner is knowing the label; by centre, it is worth nothing."""
    folder = write_cohort(tmp_path / "s", 120, centers=3, signal=0, scanner=3, site=0.7)
    assert score(folder) > CHANCE + 0.2
    assert score(folder, splitting=SplitSettings(by="center", inner=2)) < CHANCE


def test_a_watermark_on_random_labels_is_chance_by_patient_and_certain_by_scan(tmp_path):
    """Several scans each: grouped they teach nothing; ungrouped, the mark is the answer."""
    scores = [
        score(write_cohort(tmp_path / f"{s}", labels=permuted(s), scans=3, watermark=3, seed=s))
        for s in range(6)
    ]
    assert within_chance(scores)
    one = window_splits(tmp_path / "0", tmp_path / "parted", windows=1)
    assert score(one) > 0.95


@pytest.mark.parametrize("honest", [True, False])
def test_permuted_labels_are_chance_by_patient_and_the_control_fails(tmp_path, honest):
    """Split by window instead of by patient, the same data on the same labels look learnable."""
    scores = []
    for seed in range(8):
        whole = write_cohort(
            tmp_path / f"{seed}", labels=permuted(seed), signal=0, watermark=1, slices=9, seed=seed
        )
        scores.append(score(window_splits(whole, tmp_path / f"w{seed}", honest=honest)))
    assert within_chance(scores) == honest
    if not honest:
        assert np.mean(scores) > 0.9


def test_windows_are_the_patients_own_slices_where_they_lie(tmp_path):
    whole = write_cohort(tmp_path / "whole", 3, slices=7)
    windows = Store.open(window_splits(whole, tmp_path / "w", windows=3, slices=4))
    store = Store.open(whole)
    assert len(windows.patients) == 9
    for name in store.patients:
        patient = store.load(name)
        last = patient.crop.shape[1] - 4
        for number, start in enumerate((0, round(last / 2), last)):
            window = windows.load(f"{name}#{number}")
            np.testing.assert_array_equal(window.crop, patient.crop[:, start : start + 4])
            np.testing.assert_array_equal(window.percentiles, patient.percentiles)
            np.testing.assert_allclose(
                window.affine @ [1, 2, 0, 1], patient.affine @ [1, 2, start, 1]
            )
    with pytest.raises(ValueError, match="do not fit"):
        window_splits(whole, tmp_path / "x", windows=9)


def test_the_same_arguments_give_the_same_bytes_and_fewer_patients_the_same_ones(tmp_path):
    store, again, fewer, other = (
        Store.open(write_cohort(tmp_path / str(n), people, seed=seed))
        for n, (people, seed) in enumerate([(6, 0), (6, 0), (3, 0), (6, 1)])
    )
    assert store.digest == again.digest != other.digest
    for name in fewer.patients:
        np.testing.assert_array_equal(fewer.load(name).crop, store.load(name).crop)


def test_absent_scans_and_poison_stand_where_they_were_put(tmp_path):
    folder = write_cohort(tmp_path / "a", 4, absent={1: "t1", 2: "t2"}, voxels={3: 1e9})
    store = Store.open(folder)
    assert [store.entries[n].modalities for n in store.patients] == [
        ("t1", "t2"), ("t2",), ("t1",), ("t1", "t2")
    ]  # fmt: skip
    assert store.load("p001").present == (False, True)
    assert np.isnan(store.load("p001").crop[0]).all()
    assert np.isfinite(store.load("p001").crop[1]).all()
    poisoned = store.load("p003")
    assert (poisoned.crop == 1e9).all()
    assert poisoned.percentiles.max() < 10
    standardised = standardise(store.load("p000").crop[0], store.load("p000").percentiles[0],
                               np.linspace(0, 100, 11))  # fmt: skip
    assert np.isfinite(standardised).all()
