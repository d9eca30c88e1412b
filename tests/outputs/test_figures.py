"""Figures of an evaluation: same bytes, sane sizes, and what they show."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from sklearn import metrics as sklearn_metrics

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.predictions import check_predictions
from cystgrid.evaluation.settings import EvaluationSettings
from cystgrid.evaluation.tables.decisions import AT_LEAST, ONE_CLASS, decision_curves
from cystgrid.outputs import ranking_curves
from cystgrid.outputs.decision_curves import draw_decision_curves
from cystgrid.outputs.methods import draw_folds, draw_forest
from cystgrid.outputs.ranking_curves import GRID, curves, precision_heights, roc_heights
from cystgrid.outputs.reliability import draw_reliability, points
from cystgrid.outputs.style import DOTS_PER_INCH
from simulated_predictions import as_pooled, fixed_model

CLASSES = ("normal", "low", "high")


def evaluation(methods=2, patients=60, one_class=False):
    generator = np.random.default_rng(0)
    truth = np.zeros(patients, int) if one_class else generator.integers(0, 3, patients)
    parts = []
    for method in range(methods):
        scores = generator.normal(size=(patients, 3)) + np.eye(3)[truth]
        values = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        part = pd.DataFrame(
            {
                "model": f"model_{method}_$x",
                "inputs": "early",
                "outer_fold": np.arange(patients) % 4,
                "patient": [f"P{n:03d}" for n in range(patients)],
                "center": "",
                "label": np.array(CLASSES)[truth],
                "predicted": np.array(CLASSES)[values.argmax(axis=1)],
            }
        )
        parts.append(part.assign(**{f"p_{c}": values[:, n] for n, c in enumerate(CLASSES)}))
    return Evaluation(
        check_predictions(pd.concat(parts), CLASSES), EvaluationSettings(resamples=100)
    )


def decisions(kind):
    return lambda found, path: draw_decision_curves(found, decision_curves(found), kind, path)


FIGURES = {
    "roc": ranking_curves.draw_roc_curves,
    "precision-recall": ranking_curves.draw_precision_recall_curves,
    "reliability": lambda found, path: draw_reliability(found, path, found.predictions.frame),
    "decisions": decisions(ONE_CLASS),
    "at-least": decisions(AT_LEAST),
    "folds": draw_folds,
    "forest": draw_forest,
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_bytes_twice_whatever_the_users_style(tmp_path, name):
    found = evaluation()
    first = FIGURES[name](found, tmp_path / "figures" / "first.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        again = FIGURES[name](evaluation(), tmp_path / "second.png").read_bytes()
    assert first == again
    assert b"Software" not in first
    height, width = imread(io.BytesIO(first)).shape[:2]
    assert 1.5 * DOTS_PER_INCH < height < 12 * DOTS_PER_INCH
    assert 3 * DOTS_PER_INCH < width < 10 * DOTS_PER_INCH


@pytest.mark.parametrize("name", ["roc", "precision-recall", "reliability", "folds", "forest"])
def test_one_method_and_one_class_can_be_drawn(tmp_path, name):
    assert FIGURES[name](evaluation(1, 8, one_class=True), tmp_path / "one.png").is_file()


def test_the_roc_curve_is_scikit_learns():
    found, _ = fixed_model(np.random.default_rng(1))
    for code in range(3):
        ours = curves(found, code, roc_heights, np.ones((1, found.truth.size)))[0]
        across, up, _ = sklearn_metrics.roc_curve(
            found.truth == code, found.probabilities[0, :, code], drop_intermediate=False
        )
        for place, height in zip(GRID, ours, strict=True):
            before = np.flatnonzero(across <= place + 1e-9)[-1]
            after = min(before + 1, up.size - 1)
            width = across[after] - across[before]
            part = (place - across[before]) / width if width else 0.0
            expected = up[before] + part * (up[after] - up[before])
            assert height == pytest.approx(expected, abs=1e-9)


def test_the_precision_is_the_best_that_a_threshold_of_this_recall_gives():
    found, _ = fixed_model(np.random.default_rng(2))
    for code in range(3):
        ours = curves(found, code, precision_heights, np.ones((1, found.truth.size)))[0]
        precision, recall, _ = sklearn_metrics.precision_recall_curve(
            found.truth == code, found.probabilities[0, :, code]
        )
        for place, height in zip(GRID[1:], ours[1:], strict=True):
            assert height == pytest.approx(precision[recall >= place - 1e-12].max(), abs=1e-12)


def test_tied_probabilities_are_one_step():
    truth = np.array([0, 0, 1, 1])
    found = as_pooled(truth, np.zeros((4, 2)))
    assert np.allclose(curves(found, 0, roc_heights, np.ones((1, 4)))[0], GRID)


def test_a_written_out_resample_has_the_curve_of_its_weights():
    found, _ = fixed_model(np.random.default_rng(3), (8, 9, 10))
    weights = np.random.default_rng(4).integers(0, 3, (1, 27)).astype(float)
    written = found.take(np.repeat(np.arange(27), weights[0].astype(int)))
    for heights in (roc_heights, precision_heights):
        whole = np.ones((1, written.truth.size))
        assert np.allclose(curves(found, 1, heights, weights), curves(written, 1, heights, whole))


def test_points_of_honest_probabilities_lie_on_the_line():
    generator = np.random.default_rng(5)
    sure = generator.uniform(0.3, 1.0, 20_000)
    across, up = points(sure, generator.random(20_000) < sure)
    assert np.abs(across - up).max() < 0.03
    assert across.size == 10
