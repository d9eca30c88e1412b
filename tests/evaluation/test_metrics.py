"""Every metric equals an independent implementation; what is undefined is NaN."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from cystgrid.evaluation.metrics import answers, decisions, probabilities, ranking, scores
from cystgrid.evaluation.metrics.scores import ALL_METRICS, CLASS_METRICS
from metrics_by_hand import by_hand, class_by_hand

CLASSES = 3
TOLERANCE = 1e-12
patients = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.tuples(*[st.integers(0, 3)] * 3)),
    min_size=1,
    max_size=40,
)
costs = st.lists(st.floats(0, 9), min_size=9, max_size=9).map(lambda c: np.reshape(c, (3, 3)))


def arrays(rows):
    """Truth, prediction and coarse probabilities, so that ties abound."""
    truth = np.array([row[0] for row in rows])
    predicted = np.array([row[1] for row in rows])
    weights = np.array([row[2] for row in rows], dtype=float) + 1.0
    return truth, predicted, weights / weights.sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=60)
@given(patients, costs, st.sampled_from([0.5, 0.8, 0.9]))
def test_every_metric_equals_its_definition_without_a_warning(rows, matrix, specificity):
    found_in = arrays(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores.score(*found_in, costs=matrix, specificity=specificity)
    assert tuple(found.overall) == ALL_METRICS
    expected = by_hand(*found_in, matrix, specificity)
    for name in ALL_METRICS:
        assert found.overall[name] == pytest.approx(expected[name], abs=TOLERANCE, nan_ok=True), (
            name
        )
    for code, own in enumerate(found.by_class):
        assert tuple(own) == CLASS_METRICS
        expected = class_by_hand(*found_in, code, specificity)
        for name in CLASS_METRICS:
            assert own[name] == pytest.approx(expected[name], abs=TOLERANCE, nan_ok=True), name


@settings(deadline=None, max_examples=30)
@given(patients, st.randoms(use_true_random=False))
def test_the_order_of_patients_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    first, second = scores.score(*arrays(rows)), scores.score(*arrays(shuffled))
    assert first.overall == pytest.approx(second.overall, abs=TOLERANCE, nan_ok=True)
    for one, other in zip(first.by_class, second.by_class, strict=True):
        assert one == pytest.approx(other, abs=TOLERANCE, nan_ok=True)


@settings(deadline=None, max_examples=30)
@given(patients)
def test_renaming_the_classes_renames_the_scores(rows):
    truth, predicted, values = arrays(rows)
    other = scores.score(2 - truth, 2 - predicted, values[:, ::-1])
    found = scores.score(truth, predicted, values)
    for one, renamed in zip(found.by_class, other.by_class[::-1], strict=True):
        assert one == pytest.approx(renamed, abs=TOLERANCE, nan_ok=True)
    for name in set(ALL_METRICS) - {"confidence_calibration_error"}:  # of ties it takes the first
        expected = pytest.approx(other.overall[name], abs=TOLERANCE, nan_ok=True)
        assert found.overall[name] == expected, name


@settings(deadline=None, max_examples=30)
@given(patients)
def test_brier_and_log_loss_equal_scikit_learns(rows):
    truth, _, values = arrays(rows)
    loss = sklearn_metrics.log_loss(truth, values, labels=np.arange(CLASSES))
    assert probabilities.log_loss(truth, values) == pytest.approx(loss, abs=TOLERANCE)
    if len(set(truth)) == 2:  # the library's form for two classes is half of the sum over classes
        code = truth.max()
        values = np.stack([1 - values[:, code], values[:, code]], axis=1)
        half = sklearn_metrics.brier_score_loss(truth == code, values[:, 1])
        two = (truth == code).astype(int)
        assert probabilities.brier(two, values) == pytest.approx(2 * half, abs=TOLERANCE)


def test_a_fold_of_one_class_leaves_undefined_what_is_undefined():
    truth = np.zeros(4, dtype=np.int64)
    found = scores.score(truth, truth, np.full((4, CLASSES), 1 / 3))
    undefined = {name for name, value in found.overall.items() if math.isnan(value)}
    assert undefined == {"auc", "average_precision", "sensitivity_at_specificity", "mcc", "kappa"}
    assert found.overall["balanced_accuracy"] == found.overall["precision"] == 1.0
    first, second, _ = found.by_class
    assert math.isnan(first["specificity"]) and math.isnan(second["recall"])
    assert math.isnan(second["f1"]) and math.isnan(second["precision"])
    assert first["recall"] == second["specificity"] == 1.0


def test_balanced_accuracy_ignores_a_class_that_nobody_has_and_recall_does_not():
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert answers.balanced_accuracy(truth, predicted) == 0.75
    assert answers.precision_recall_f1(truth, predicted)[1] == 0.5


def test_kappa_weighs_a_far_miss_more_than_a_near_one():
    truth = np.array([0, 1, 2, 0, 1, 2])
    near, far = truth.copy(), truth.copy()
    near[0], far[0] = 1, 2
    assert answers.kappa(truth, far, CLASSES) < answers.kappa(truth, near, CLASSES) < 1.0


def test_sensitivity_takes_no_point_that_no_threshold_gives():
    positive = np.array([True, True, False, False, False, False, False, False, False, False])
    values = np.array([0.9, 0.3, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])

    def at(positive, values, specificity):
        curve = ranking.roc(positive, values)
        return ranking.class_sensitivity_at_specificity(curve, specificity)

    assert at(positive, values, 0.9) == 0.5, "1 of 8 false alarms is too many"
    assert at(positive, values, 0.875) == 1.0, "exactly 1 of 8 is allowed"
    tenth = np.array([True] + [False] * 10), np.array([0.5, 0.6] + [0.1] * 9)
    assert at(*tenth, 0.9) == 1.0, "1 of 10 is allowed at 0.9, though 1 - 0.9 < 0.1 in binary"


def test_acting_on_everybody_and_on_nobody():
    positive = np.array([True, False, False, False])
    thresholds = np.array([0.25])
    assert decisions.net_benefit_of_all(positive, thresholds) == pytest.approx(0.0, abs=TOLERANCE)
    assert decisions.net_benefit(positive, np.zeros(4), thresholds).tolist() == [0.0]
    perfect = decisions.net_benefit(positive, positive.astype(float), decisions.THRESHOLDS)
    assert np.allclose(perfect, 0.25, atol=TOLERANCE)


def test_the_chance_of_a_grade_or_higher_adds_up():
    values = np.array([[0.2, 0.3, 0.5]])
    assert [decisions.at_least(values, code)[0] for code in range(3)] == pytest.approx(
        [1, 0.8, 0.5]
    )


def test_probabilities_that_tell_the_truth_are_calibrated_and_overdone_ones_are_not():
    generator = np.random.default_rng(0)
    values = generator.dirichlet(np.ones(CLASSES), 20_000)
    truth = (generator.random(20_000)[:, None] > values.cumsum(axis=1)).sum(axis=1)
    assert probabilities.classwise_calibration_error(truth, values) < 0.01
    assert probabilities.confidence_calibration_error(truth, values) < 0.01
    sharper = values**4 / (values**4).sum(axis=1, keepdims=True)
    assert probabilities.classwise_calibration_error(truth, sharper) > 0.1


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_bins_hold_equal_values_together_and_about_equal_numbers(values):
    values = np.array(values, dtype=float)
    inside = probabilities.bins(values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(inside[order]) >= 0).all()
    assert all(len(set(inside[values == value])) == 1 for value in set(values))
    distinct = probabilities.bins(np.arange(values.size, dtype=float))
    counts = np.bincount(distinct)
    assert counts.max() - counts.min() <= 1
    assert counts.size == max(1, min(10, values.size // 10))


def test_the_confusion_matrix_has_the_truth_in_its_rows():
    matrix = answers.confusion_matrix(np.array([0, 0, 2]), np.array([0, 1, 1]), CLASSES)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("count", [0, 3])
def test_shapes_that_do_not_fit_are_refused(count):
    codes = np.zeros(count, dtype=np.int64)
    with pytest.raises(ValueError, match="expected"):
        scores.score(codes, codes, np.zeros((count - 1 if count else 0, CLASSES)))
