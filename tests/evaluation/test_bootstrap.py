"""Scores under weights, the BCa interval and how often it holds the truth."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cystgrid.evaluation.metrics import answers
from cystgrid.evaluation.metrics.scores import score
from cystgrid.evaluation.uncertainty import bootstrap, pooled
from cystgrid.evaluation.uncertainty.pooled import SUMMARY, Pooled, estimate, under_weights
from simulated_predictions import as_pooled, coverage, fixed_model

CLASSES = 3
patients = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.tuples(*[st.integers(1, 4)] * 3)),
    min_size=1,
    max_size=30,
)
CLASS_SCORES = {
    "recall": pooled.recall_of,
    "precision": pooled.precision_of,
    "specificity": pooled.specificity_of,
    "f1": pooled.f1_of,
    "auc": pooled.auc_of,
    "average_precision": pooled.average_precision_of,
}


def of_rows(rows):
    truth, predicted = (np.array([row[n] for row in rows]) for n in (0, 1))
    values = np.array([row[2] for row in rows], dtype=float)
    values /= values.sum(axis=1, keepdims=True)
    names = np.array([f"P{n}" for n in range(len(rows))])
    return Pooled(names, truth, predicted[None], values[None])


@settings(deadline=None, max_examples=60)
@given(patients, st.data())
def test_a_score_under_weights_is_the_score_of_patients_written_out(rows, data):
    """Independent: every patient repeated as often as it was drawn, scored by the metrics."""
    found = of_rows(rows)
    weights = data.draw(
        st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)).filter(any)
    )
    written = np.repeat(np.arange(len(rows)), weights)
    expected = score(
        found.truth[written], found.predicted[0, written], found.probabilities[0, written]
    )
    drawn = np.array([weights, np.ones(len(rows))], dtype=float)
    for name, function in SUMMARY.items():
        value = under_weights(found, function, drawn)[0]
        assert value == pytest.approx(expected.overall[name], abs=1e-12, nan_ok=True), name
    for code in range(CLASSES):
        for name, make in CLASS_SCORES.items():
            value = under_weights(found, make(code), drawn)[0]
            own = expected.by_class[code][name]
            assert value == pytest.approx(own, abs=1e-12, nan_ok=True), (name, code)


@given(patients, st.integers(0, 5))
def test_resamples_keep_each_class_as_large_as_it_is(rows, seed):
    truth = of_rows(rows).truth
    weights = bootstrap.resample(truth, 20, np.random.default_rng(seed))
    for code in range(CLASSES):
        assert (weights[:, truth == code].sum(axis=1) == (truth == code).sum()).all()


def test_the_limits_equal_scipys_for_one_and_for_several_samples():
    generator = np.random.default_rng(0)
    samples = [generator.exponential(size=size) for size in (12, 30)]

    def mean_of_means(*parts, axis=-1):
        return sum(part.mean(axis=axis) for part in parts)

    for chosen in (samples[:1], samples):
        theirs = stats.bootstrap(
            chosen, mean_of_means, method="BCa", n_resamples=999, rng=np.random.default_rng(1)
        )
        left_out = [
            mean_of_means(*(np.delete(p, n) if p is part else p for p in chosen))
            for part in chosen
            for n in range(part.size)
        ]
        strata = np.repeat(np.arange(len(chosen)), [part.size for part in chosen])
        ours = bootstrap.bca_limits(
            mean_of_means(*chosen), theirs.bootstrap_distribution, np.array(left_out), strata
        )
        assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=1e-9)


def test_the_jackknife_leaves_one_patient_out():
    found, _ = fixed_model(np.random.default_rng(3), (6, 7, 8))
    left_out = bootstrap.jackknife(found, list(SUMMARY.values()))
    for n in range(21):
        others = np.delete(np.arange(21), n)
        for values, function in zip(left_out, SUMMARY.values(), strict=True):
            assert values[n] == pytest.approx(estimate(found.take(others), function), abs=1e-12)


def test_pieces_of_weights_change_nothing(monkeypatch):
    found, _ = fixed_model(np.random.default_rng(4), (10, 10, 10))
    whole = bootstrap.bootstrap_interval(found, resamples=300)
    monkeypatch.setattr(pooled, "CELLS_AT_ONCE", 31 * 7)
    left = bootstrap.jackknife(found, [pooled.macro_auc])[0]
    monkeypatch.undo()
    assert np.array_equal(left, bootstrap.jackknife(found, [pooled.macro_auc])[0])
    assert whole == bootstrap.bootstrap_interval(found, resamples=300)


def test_the_interval_holds_the_estimate_and_widens_with_the_level():
    found, _ = fixed_model(np.random.default_rng(5))
    narrow, wide = (bootstrap.bootstrap_interval(found, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


def test_the_seed_decides_the_interval():
    found, _ = fixed_model(np.random.default_rng(6))
    first, again, other = (
        bootstrap.bootstrap_interval(found, seed=seed, resamples=200) for seed in (3, 3, 4)
    )
    assert first == again != other


def test_a_faultless_result_has_a_point_as_interval_and_an_absent_class_no_say():
    truth = np.repeat([0, 2], [5, 7])
    found = as_pooled(truth, 9.0 * np.eye(3)[truth])
    for function in SUMMARY.values():
        interval = bootstrap.bootstrap_interval(found, function)
        assert (interval.low, interval.estimate, interval.high) == (1.0, 1.0, 1.0)


def test_one_class_has_no_interval_of_the_area():
    found = as_pooled(np.zeros(5, dtype=int), np.random.default_rng(0).normal(size=(5, 3)))
    assert np.isnan(bootstrap.bootstrap_interval(found, pooled.macro_auc).high)


def test_repeats_go_with_the_patient():
    """The same answers twice are no new patients: nothing gets surer."""
    once, other = fixed_model(np.random.default_rng(7))
    twice = Pooled(
        once.patients,
        once.truth,
        np.concatenate([once.predicted] * 2),
        np.concatenate([once.probabilities] * 2),
    )
    for function in SUMMARY.values():
        first = bootstrap.bootstrap_interval(once, function)
        second = bootstrap.bootstrap_interval(twice, function)
        assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-12)
    both = Pooled(
        once.patients,
        once.truth,
        np.concatenate([once.predicted, other.predicted]),
        np.concatenate([once.probabilities, other.probabilities]),
    )
    mean = np.mean([estimate(found, pooled.macro_auc) for found in (once, other)])
    assert estimate(both, pooled.macro_auc) == pytest.approx(mean, abs=1e-12)


def test_a_repeat_without_some_patients_is_scored_on_those_it_has():
    found, _ = fixed_model(np.random.default_rng(8), (9, 9, 9))
    absent = np.zeros(27, dtype=bool)
    absent[::4] = True
    predicted, probabilities = found.predicted.copy(), found.probabilities.copy()
    predicted[0, absent], probabilities[0, absent] = -1, np.nan
    holed = Pooled(found.patients, found.truth, predicted, probabilities)
    kept = found.take(np.flatnonzero(~absent))
    functions = [*SUMMARY.values(), *(make(1) for make in CLASS_SCORES.values())]
    for function in functions:
        assert estimate(holed, function) == pytest.approx(estimate(kept, function), abs=1e-12)


def test_coverage_is_what_the_interval_says():
    """A short version of benchmarks/intervals.py; 3 standard errors of 200 simulations."""
    for name, share in coverage(200, resamples=500).items():
        assert 0.95 - 3 * 0.0154 <= share <= 0.95 + 3 * 0.0154, name


def test_a_narrower_interval_would_be_found_out():
    """The control: 80 % intervals taken for 95 % ones fall outside those bounds."""
    held, truth = 0, 1.0 - stats.norm.cdf(-0.5)
    for seed in range(200):
        values = np.random.default_rng(seed).random(100) < truth
        found = as_pooled(
            np.zeros(100, dtype=int), np.where(values[:, None], [[1.0, 0.0]], [[0.0, 1.0]])
        )
        interval = bootstrap.bootstrap_interval(
            found, pooled.accuracy, level=0.8, resamples=300, seed=seed
        )
        held += interval.low <= truth <= interval.high
    assert held / 200 < 0.95 - 3 * 0.0154


def test_ten_models_of_a_thousand_patients_take_seconds():
    found, _ = fixed_model(np.random.default_rng(9), (300, 400, 300))
    start = time.process_time()
    bootstrap.bootstrap_intervals(found, SUMMARY.values())
    assert time.process_time() - start < 3.0, "a tenth of thirty seconds"


def test_scores_of_one_repeat_agree_with_scikit_learn():
    found, _ = fixed_model(np.random.default_rng(10))
    truth, predicted = found.truth, found.predicted[0]
    assert estimate(found, pooled.accuracy) == answers.accuracy(truth, predicted)
