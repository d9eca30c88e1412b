import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.evaluation import metrics

CLASSES = 3
TOLERANCE = 1e-12
patients = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.tuples(*[st.integers(0, 3)] * 3)),
    min_size=1,
    max_size=40,
)


def arrays(rows):
    """Truth, prediction and coarse probabilities, so that ties abound."""
    truth = np.array([row[0] for row in rows])
    predicted = np.array([row[1] for row in rows])
    weights = np.array([row[2] for row in rows], dtype=float) + 1.0
    return truth, predicted, weights / weights.sum(axis=1, keepdims=True)


def by_hand(truth, predicted, probabilities):
    """Every metric from its definition, with loops and no library."""
    present = sorted(set(truth) | set(predicted))
    precisions, recalls, true_recalls, areas = [], [], [], []
    for code in present:
        hits = sum(t == p == code for t, p in zip(truth, predicted, strict=True))
        called, real = sum(predicted == code), sum(truth == code)
        precisions.append(hits / called if called else 0.0)
        recalls.append(hits / real if real else 0.0)
        if real:
            true_recalls.append(hits / real)
    for code in range(probabilities.shape[1]):
        positive = probabilities[truth == code, code]
        negative = probabilities[truth != code, code]
        if len(positive) and len(negative):
            wins = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
            areas.append(sum(wins) / len(wins))
    seen = sum((int(t) - int(p)) ** 2 for t, p in zip(truth, predicted, strict=True))
    chance = sum((int(t) - int(p)) ** 2 for t in truth for p in predicted) / len(truth)
    return {
        "accuracy": sum(truth == predicted) / len(truth),
        "precision": sum(precisions) / len(precisions),
        "recall": sum(recalls) / len(recalls),
        "balanced_accuracy": sum(true_recalls) / len(true_recalls),
        "auc": sum(areas) / len(areas) if areas else math.nan,
        "kappa": 1.0 - seen / chance if chance else math.nan,
    }


@settings(deadline=None)
@given(patients)
def test_every_metric_equals_its_definition_without_a_warning(rows):
    truth, predicted, probabilities = arrays(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.score(truth, predicted, probabilities)
    assert list(found) == list(metrics.METRICS)
    expected = by_hand(truth, predicted, probabilities)
    for name in metrics.METRICS:
        assert found[name] == pytest.approx(expected[name], abs=TOLERANCE, nan_ok=True), name


@settings(deadline=None, max_examples=30)
@given(patients, st.randoms(use_true_random=False))
def test_the_order_of_patients_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    first, second = metrics.score(*arrays(rows)), metrics.score(*arrays(shuffled))
    assert first == pytest.approx(second, abs=TOLERANCE, nan_ok=True)


def test_a_fold_of_one_class_leaves_undefined_what_is_undefined():
    truth = np.zeros(4, dtype=np.int64)
    found = metrics.score(truth, truth, np.full((4, CLASSES), 1 / 3))
    assert math.isnan(found["auc"]) and math.isnan(found["kappa"])
    assert found["accuracy"] == found["balanced_accuracy"] == found["precision"] == 1.0


def test_balanced_accuracy_ignores_a_class_that_nobody_has_and_recall_does_not():
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert metrics.balanced_accuracy(truth, predicted) == 0.75
    assert metrics.recall(truth, predicted) == 0.5


def test_kappa_weighs_a_far_miss_more_than_a_near_one():
    truth = np.array([0, 1, 2, 0, 1, 2])
    near, far = truth.copy(), truth.copy()
    near[0], far[0] = 1, 2
    assert metrics.kappa(truth, far, CLASSES) < metrics.kappa(truth, near, CLASSES) < 1.0


def test_the_confusion_matrix_has_the_truth_in_its_rows():
    matrix = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([0, 1, 1]), CLASSES)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("count", [0, 3])
def test_shapes_that_do_not_fit_are_refused(count):
    codes = np.zeros(count, dtype=np.int64)
    with pytest.raises(ValueError, match="expected"):
        metrics.score(codes, codes, np.zeros((count - 1 if count else 0, CLASSES)))
