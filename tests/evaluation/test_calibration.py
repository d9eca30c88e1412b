"""Temperatures and prediction sets: what they promise, and whose patients they may see."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from cystgrid.evaluation.calibration import calibrated, fit_temperature, scaled
from cystgrid.evaluation.checking import PredictionsError
from cystgrid.evaluation.conformal import conformal_sets, exact_interval, threshold, thresholds
from cystgrid.evaluation.metrics.probabilities import log_loss
from cystgrid.evaluation.predictions import check_predictions
from cystgrid.evaluation.validation import read_validation

CLASSES = ("normal", "low", "high")
COLUMNS = [f"p_{name}" for name in CLASSES]


def draw(generator, patients, sharpness=1.0):
    """Truth by the probabilities themselves, which are then overdone by ``sharpness``."""
    values = generator.dirichlet(np.ones(3), patients)
    truth = (generator.random(patients)[:, None] > values.cumsum(axis=1)).sum(axis=1)
    return truth, scaled(values, 1.0 / sharpness)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_one_that_was_put_in(sharpness):
    truth, values = draw(np.random.default_rng(0), 20_000, sharpness)
    assert fit_temperature(truth, values) == pytest.approx(sharpness, rel=0.05)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_no_other_temperature_has_a_smaller_loss(seed):
    truth, values = draw(np.random.default_rng(seed), 40, 2.0)
    best = log_loss(truth, scaled(values, fit_temperature(truth, values)))
    for temperature in np.geomspace(0.05, 20.0, 200):
        assert best <= log_loss(truth, scaled(values, temperature)) + 1e-9


def test_scaling_keeps_the_order_and_one_changes_nothing():
    values = np.random.default_rng(1).dirichlet(np.ones(3), 50)
    assert np.allclose(scaled(values, 1.0), values, atol=1e-12)
    for temperature in (0.3, 4.0):
        assert (scaled(values, temperature).argsort() == values.argsort()).all()
    assert np.isfinite(scaled(np.array([[1.0, 0.0, 0.0]]), 0.05)).all()


def test_the_threshold_by_hand():
    scores = np.arange(1, 10) / 10  # nine: the rank is ceil(10 x 0.9) = 9
    assert threshold(scores, 0.1) == 0.9
    assert threshold(scores, 0.2) == 0.8
    assert threshold(scores[:8], 0.1) == math.inf, "ceil(9 x 0.9) = 9 of 8"
    assert threshold(np.empty(0), 0.1) == math.inf


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("by_class", [False, True])
def test_exchangeable_patients_are_covered_as_promised(rate, by_class):
    """The law: at least 1 - rate, within 3 standard errors; and not by far too large sets."""
    generator = np.random.default_rng(7)
    shares = []
    for _ in range(300):
        truth, values = draw(generator, 160, 3.0)
        limits = thresholds(truth[:80], values[:80], rate, by_class=by_class)
        inside = 1.0 - values[80:] <= limits
        shares.append(inside[np.arange(80), truth[80:]].mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) >= 1 - rate - 3 * error
    assert np.mean(shares) <= 1 - rate + (3 if by_class else 1) / 81 + 3 * error


def test_thresholds_by_class_cover_a_class_that_one_threshold_leaves_out():
    generator = np.random.default_rng(8)
    covered = {False: [], True: []}
    for _ in range(100):
        truth = np.repeat([0, 1], [180, 20])
        rare = generator.permutation(truth)
        value = np.clip(generator.normal(0.9 - 0.2 * rare, 0.1), 0.0, 1.0)
        values = np.stack([value, 1 - value], axis=1)
        for by_class, found in covered.items():
            limits = thresholds(rare[:100], values[:100], 0.1, by_class=by_class)
            inside = 1.0 - values[100:] <= limits
            own = rare[100:] == 1
            found.append(inside[own, 1].mean() if own.any() else np.nan)
    assert np.nanmean(covered[False]) < 0.8 < 0.88 < np.nanmean(covered[True])


@given(st.integers(0, 40), st.integers(1, 40))
def test_the_exact_interval_equals_statsmodels(hits, more):
    patients = hits + more
    expected = proportion_confint(hits, patients, method="beta")
    assert exact_interval(hits, patients) == pytest.approx(expected, abs=1e-9)
    assert exact_interval(patients, patients)[1] == 1.0
    theirs = stats.binomtest(hits, patients).proportion_ci(method="exact")
    assert exact_interval(hits, patients)[0] == pytest.approx(theirs.low, abs=1e-9)


@pytest.fixture
def world(make_frame, tmp_path):
    """Predictions, and validation rows of every other patient, by two inner models."""
    frame = make_frame(patients=60, folds=3)
    rows = []
    for (model, inputs, fold), _ in frame.groupby(["model", "inputs", "outer_fold"]):
        others = frame[(frame["model"] == model) & (frame["outer_fold"] != fold)]
        for inner in range(2):
            part = others[["patient", "label", *COLUMNS]].copy()
            part[COLUMNS] = scaled(part[COLUMNS].to_numpy(), 0.4 + 0.1 * inner)
            part.insert(0, "inner_fold", inner)
            part.insert(0, "outer_fold", fold)
            part.insert(0, "inputs", inputs)
            part.insert(0, "model", model)
            rows.append(part)
    path = tmp_path / "validation.csv"
    table = pd.concat(rows)
    table.to_csv(path, index=False)
    return check_predictions(frame, CLASSES), table, path


def test_a_patient_counts_once_with_the_mean_of_the_inner_models(world):
    found, table, path = world
    validation = read_validation(path, found)
    assert len(validation) == 6
    one = validation["vit", "early", "0"]
    assert one.truth.size == 40
    rows = table[(table["model"] == "vit") & (table["outer_fold"] == 0)]
    expected = rows.groupby("patient")[COLUMNS].mean().to_numpy()
    assert np.allclose(one.probabilities, expected, atol=1e-12)


def test_the_rows_order_changes_nothing(world, tmp_path):
    found, table, path = world
    shuffled = tmp_path / "shuffled.csv"
    table.sample(frac=1.0, random_state=1).to_csv(shuffled, index=False)
    first, second = (calibrated(found, read_validation(p, found)) for p in (path, shuffled))
    pd.testing.assert_frame_equal(first[0], second[0], check_exact=True)
    pd.testing.assert_frame_equal(first[1], second[1], check_exact=True)


def test_test_patients_touch_no_temperature_and_no_threshold(world):
    """Other probabilities and labels of the test patients: the same temperatures and limits."""
    found, _, path = world
    validation = read_validation(path, found)
    turned = found.frame.copy()
    turned[COLUMNS] = turned[COLUMNS].to_numpy()[:, ::-1]
    turned["label"] = turned["label"].map({"normal": "high", "low": "low", "high": "normal"})
    other = check_predictions(turned.drop(columns="repeat"), CLASSES)
    first, second = calibrated(found, validation)[1], calibrated(other, validation)[1]
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_calibrated_probabilities_sum_to_one_and_keep_every_answer(world):
    found, _, path = world
    rows, temperatures = calibrated(found, read_validation(path, found))
    assert len(rows) == len(found.frame) and len(temperatures) == 6
    assert np.allclose(rows[COLUMNS].sum(axis=1), 1.0)
    columns = [name for name in rows if name not in COLUMNS]
    pd.testing.assert_frame_equal(rows[columns], found.frame[columns])


def test_sets_are_written_in_the_classes_order(world):
    found, _, path = world
    sets = conformal_sets(found, read_validation(path, found), 0.1)
    assert len(sets) == len(found.frame)
    for cell in sets["set"]:
        names = cell.split("|") if cell else []
        assert names == [name for name in CLASSES if name in names]
    smaller = conformal_sets(found, read_validation(path, found), 0.5)
    for wide, narrow in zip(sets["set"], smaller["set"], strict=True):
        assert set(filter(None, narrow.split("|"))) <= set(wide.split("|"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda t: t.assign(outer_fold=0), "may not be fitted on there"),
        (lambda t: pd.concat([t, t[:1]]), "the same fold and patient"),
        (lambda t: t.assign(label="odd"), "not among the predictions' classes"),
        (lambda t: t.assign(label="low"), "elsewhere"),
        (lambda t: t.assign(p_low=2.0), "not a number from 0 to 1"),
        (lambda t: t.drop(columns="inner_fold"), "no column 'inner_fold'"),
        (lambda t: t[:0], "no rows"),
    ],
)
def test_validation_that_does_not_hold_together_is_refused(world, change, fault):
    found, table, path = world
    change(table).to_csv(path, index=False)
    with pytest.raises(PredictionsError, match=fault):
        read_validation(path, found)
