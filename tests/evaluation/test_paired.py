"""Tests of pairs: against statsmodels, worked by hand, and by how often they are wrong."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests

from cystgrid.evaluation.uncertainty.bootstrap import jackknife, replicates
from cystgrid.evaluation.uncertainty.delong import delong, influences, stratified_variance
from cystgrid.evaluation.uncertainty.paired import (
    corrected_t_test,
    difference_interval,
    holm,
    mcnemar,
)
from cystgrid.evaluation.uncertainty.pooled import Pooled, estimate, macro_auc
from simulated_predictions import as_pooled, fixed_model, paired_sizes, t_test_sizes

SIMULATIONS = 200
THREE_ERRORS = 3 * (0.05 * 0.95 / SIMULATIONS) ** 0.5


@pytest.mark.parametrize("count", [1, 2, 7, 45])
def test_holm_equals_statsmodels(count):
    values = np.random.default_rng(count).random(count).round(2) ** 3  # ties among them
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1], abs=1e-12)


def test_holm_by_hand_and_undefined_values_are_no_comparisons():
    assert holm([0.01, math.nan, 0.04, 0.03]) == pytest.approx(
        [0.03, math.nan, 0.06, 0.06], nan_ok=True
    )


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_exact_test_less_half_the_chance_of_what_was_seen(only_first, only_second):
    first = np.array([True] * only_first + [False] * only_second + [True] * 5 + [False] * 2)
    second = np.array([False] * only_first + [True] * only_second + [True] * 5 + [False] * 2)
    exact = their_mcnemar([[5, only_first], [only_second, 2]], exact=True).pvalue
    both = only_first + only_second
    seen = stats.binom.pmf(min(only_first, only_second), both, 0.5)
    expected = exact - seen if only_first != only_second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(first, second) == pytest.approx(mcnemar(second, first), abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=30).filter(lambda v: np.ptp(v) > 1e-3))
def test_without_correction_it_is_the_paired_t_test_and_with_it_is_more_careful(values):
    naive = corrected_t_test(values, 0.0)
    assert naive == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, abs=1e-9)
    assert corrected_t_test(values, 1 / 9) >= naive


def test_the_corrected_t_test_by_hand():
    values = np.array([0.1, 0.3, -0.1, 0.2, 0.0])
    t = 0.1 / math.sqrt((1 / 5 + 1 / 4) * values.var(ddof=1))
    assert corrected_t_test(values, 1 / 4) == pytest.approx(2 * stats.t.sf(t, 4), abs=1e-12)


def test_no_variance_is_judged_by_nothing():
    assert corrected_t_test([0.0] * 5, 0.1) == 1.0
    assert math.isnan(corrected_t_test([0.2] * 5, 0.1))
    assert math.isnan(corrected_t_test([0.2], 0.1))
    assert math.isnan(corrected_t_test([0.2, math.nan], 0.1))


def delong_by_hand(truth, first, second):
    """DeLong, DeLong and Clarke-Pearson (1988), equations 3 to 6, by loops over pairs."""
    kernels = []
    for values in (first, second):
        positive, negative = values[truth == 1], values[truth == 0]
        kernels.append(
            np.array([[(p > n) + 0.5 * (p == n) for n in negative] for p in positive], dtype=float)
        )
    rows = np.cov([kernel.mean(axis=1) for kernel in kernels])
    columns = np.cov([kernel.mean(axis=0) for kernel in kernels])
    covariance = rows / kernels[0].shape[0] + columns / kernels[0].shape[1]
    difference = kernels[0].mean() - kernels[1].mean()
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return 2 * stats.norm.sf(abs(difference) / error), error


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.booleans())
def test_with_two_classes_it_is_delongs_own(seed, coarse):
    generator = np.random.default_rng(seed)
    truth = np.repeat([0, 1], [14, 11])
    pair = []
    for _ in range(2):
        value = np.clip(generator.normal(0.4 + 0.2 * truth, 0.2), 0.01, 0.99)
        value = np.round(value, 1) if coarse else value
        values = np.stack([1 - value, value], axis=1)
        names = truth.astype(str)
        pair.append(Pooled(names, truth, values.argmax(axis=1)[None], values[None]))
    expected = delong_by_hand(truth, *(found.probabilities[0, :, 1] for found in pair))
    assert delong(*pair) == pytest.approx(expected, abs=1e-9)


def test_with_three_classes_its_error_is_the_bootstraps():
    found, other = fixed_model(np.random.default_rng(0), (80, 110, 90), shared=0.5)
    area, parts = influences(found)
    assert area == pytest.approx(estimate(found, macro_auc), abs=1e-12)
    draws = replicates(found, [macro_auc], resamples=4000)[0]
    assert math.sqrt(stratified_variance(parts, found)) == pytest.approx(draws.std(), rel=0.06)
    paired = draws - replicates(other, [macro_auc], resamples=4000)[0]
    assert delong(found, other)[1] == pytest.approx(paired.std(), rel=0.06)


def test_a_model_does_not_differ_from_itself_and_too_few_patients_are_undefined():
    found, _ = fixed_model(np.random.default_rng(1))
    assert delong(found, found)[0] == 1.0
    lonely = as_pooled(np.array([0, 1, 1, 2, 2]), np.random.default_rng(2).normal(size=(5, 3)))
    assert math.isnan(delong(lonely, lonely)[0])


def test_the_interval_of_a_difference_is_narrower_for_models_that_agree():
    widths = []
    for shared in (0.0, 0.9):
        pair = fixed_model(np.random.default_rng(3), shared=shared)
        draws = [replicates(found, [macro_auc])[0] for found in pair]
        left = [jackknife(found, [macro_auc])[0] for found in pair]
        values = tuple(estimate(found, macro_auc) for found in pair)
        interval = difference_interval(values, tuple(draws), tuple(left), pair[0].truth)
        assert interval.low < interval.estimate < interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < 0.6 * widths[0]


def test_tests_of_equal_models_reject_as_rarely_as_they_say():
    for name, share in paired_sizes(SIMULATIONS).items():
        assert share <= 0.05 + THREE_ERRORS, name


def test_the_corrected_t_test_keeps_its_size_where_the_naive_one_does_not():
    """Learners of equal worth, really cross-validated; benchmarks/intervals.py has 1000."""
    sizes = t_test_sizes(SIMULATIONS, repeats=3)
    for name in ("corrected, 1 x 10 folds", "corrected, 3 x 10 folds"):
        assert sizes[name] <= 0.05 + THREE_ERRORS, name
    assert sizes["naive, 3 x 10 folds"] >= 0.25
