import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cystgrid.evaluation import metrics, statistics

CONFUSION = np.array([[22, 6, 2], [8, 15, 7], [3, 9, 18]])
matrices = arrays(np.int64, (3, 3), elements=st.integers(0, 30)).filter(lambda m: m.sum() > 0)


@settings(deadline=None)
@given(matrices)
def test_scores_of_a_confusion_matrix_equal_those_of_its_patients(confusion):
    truth, predicted = np.array(
        [pair for pair, count in np.ndenumerate(confusion) for _ in range(count)]
    ).T
    for name in ("accuracy", "balanced_accuracy"):
        found = float(getattr(statistics, name)(confusion))
        assert found == pytest.approx(getattr(metrics, name)(truth, predicted), abs=1e-12)


@settings(deadline=None)
@given(matrices)
def test_resamples_keep_each_class_as_large_as_it_is(confusion):
    drawn = statistics.resample(confusion, 50, seed=1)
    assert (drawn.sum(axis=2) == confusion.sum(axis=1)).all()
    assert (drawn[:, confusion == 0] == 0).all()


@pytest.mark.parametrize("statistic", [statistics.accuracy, statistics.balanced_accuracy])
def test_the_interval_agrees_with_resampling_patients_one_by_one(statistic):
    """Independent implementation: indices of patients, drawn within each class."""
    generator = np.random.default_rng(5)
    values = []
    for _ in range(4000):
        drawn = np.zeros_like(CONFUSION)
        for code, row in enumerate(CONFUSION):
            answers = np.repeat(np.arange(3), row)
            chosen = answers[generator.integers(0, len(answers), len(answers))]
            drawn[code] = np.bincount(chosen, minlength=3)
        values.append(statistic(drawn))
    interval = statistics.bootstrap_interval(CONFUSION, statistic, resamples=4000)
    assert (interval.low, interval.high) == pytest.approx(
        tuple(np.quantile(values, [0.025, 0.975])), abs=0.012
    )


def test_the_interval_holds_the_estimate_and_widens_with_the_level():
    narrow, wide = (statistics.bootstrap_interval(CONFUSION, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    assert narrow.estimate == pytest.approx((22 + 15 + 18) / 90)


def test_the_seed_decides_the_interval():
    first, again, other = (
        statistics.bootstrap_interval(CONFUSION, seed=seed, resamples=200) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_a_faultless_result_has_a_point_as_interval_and_an_absent_class_no_say():
    interval = statistics.bootstrap_interval(np.diag([5, 0, 7]))
    assert (interval.low, interval.estimate, interval.high) == (1.0, 1.0, 1.0)


def test_the_interval_covers_the_true_value_about_as_often_as_it_says():
    truth = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])
    generator = np.random.default_rng(11)
    covered = 0
    for trial in range(200):
        confusion = np.array([generator.multinomial(30, row) for row in truth])
        interval = statistics.bootstrap_interval(confusion, resamples=1000, seed=trial)
        covered += interval.low <= np.trace(truth) / 3 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_two_thousand_resamples_of_a_hundred_patients_take_less_than_two_seconds():
    start = time.perf_counter()
    statistics.bootstrap_interval(CONFUSION)
    assert time.perf_counter() - start < 2.0
