"""Predictions whose truth is known, to measure how often intervals and tests are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from cystgrid.evaluation.uncertainty.bootstrap import bootstrap_intervals
from cystgrid.evaluation.uncertainty.delong import delong
from cystgrid.evaluation.uncertainty.paired import corrected_t_test, mcnemar
from cystgrid.evaluation.uncertainty.pooled import SUMMARY, Pooled, estimate

PATIENTS = (37, 58, 44)
"""Of each class: as many as the paper's cohort has in all, 139."""

SIGNAL = 1.0
POPULATION = 30_000
"""Of each class, for the true values: their own error is a hundredth of an interval's width."""

FOLDS, REPEATS = 10, 5
KINDS = ("corrected", "naive")
CV_PATIENTS, CV_FEATURES, CV_SIGNAL = 60, 20, 0.25
"""Few patients and weak features: two trainings then differ, as those of networks do."""


def fixed_model(
    generator: np.random.Generator, sizes: tuple[int, ...] = PATIENTS, shared: float = 0.0
) -> tuple[Pooled, Pooled]:
    """Two models' predictions for new patients; both models are equally good.

    Args:
        generator: of the patients.
        sizes: of each class.
        shared: of the models' noise that comes from the patients, in variance.
    """
    truth = np.repeat(np.arange(len(sizes)), sizes)
    common = generator.normal(size=(truth.size, len(sizes)))
    pair = []
    for _ in range(2):
        own = generator.normal(size=common.shape)
        scores = np.sqrt(shared) * common + np.sqrt(1.0 - shared) * own
        scores[np.arange(truth.size), truth] += SIGNAL
        pair.append(as_pooled(truth, scores))
    return pair[0], pair[1]


def as_pooled(truth: np.ndarray, scores: np.ndarray) -> Pooled:
    """Predictions by softmax of the scores, ``(patients, classes)``."""
    values = np.exp(scores - scores.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    names = np.array([f"P{number}" for number in range(truth.size)])
    return Pooled(names, truth, values.argmax(axis=1)[None], values[None])


def true_scores() -> dict[str, float]:
    """The scores of the fixed model on a population with the cohort's shares of classes.

    Accuracy is the classes' recalls weighed by their shares; the others do not depend on shares.
    """
    found, _ = fixed_model(np.random.default_rng(99), (POPULATION,) * len(PATIENTS))
    right = found.predicted[0] == found.truth
    recalls = [right[found.truth == code].mean() for code in range(len(PATIENTS))]
    return {
        "accuracy": float(np.average(recalls, weights=PATIENTS)),
        "balanced_accuracy": float(np.mean(recalls)),
        "auc": _auc_by_distribution(),
    }


def _auc_by_distribution() -> float:
    """Macro AUC weighs the negatives' classes by their shares, so they must be the cohort's."""
    sizes = tuple(size * POPULATION // 50 for size in PATIENTS)
    found, _ = fixed_model(np.random.default_rng(98), sizes)
    return estimate(found, SUMMARY["auc"])


def coverage(simulations: int, resamples: int = 2000) -> dict[str, float]:
    """Share of 95 % intervals that hold the true score."""
    truth = true_scores()
    held = dict.fromkeys(SUMMARY, 0)
    for seed in range(simulations):
        found, _ = fixed_model(np.random.default_rng(seed))
        intervals = bootstrap_intervals(found, SUMMARY.values(), resamples=resamples, seed=seed)
        for score, interval in zip(SUMMARY, intervals, strict=True):
            held[score] += interval.low <= truth[score] <= interval.high
    return {score: count / simulations for score, count in held.items()}


def paired_sizes(simulations: int) -> dict[str, float]:
    """Share of p-values at most 0.05 for two models that are equally good."""
    rejected = {"delong": 0, "mcnemar": 0}
    for seed in range(simulations):
        first, second = fixed_model(np.random.default_rng(seed), shared=0.5)
        rejected["delong"] += delong(first, second)[0] <= 0.05
        right = [found.predicted[0] == found.truth for found in (first, second)]
        rejected["mcnemar"] += mcnemar(*right) <= 0.05
    return {name: count / simulations for name, count in rejected.items()}


@dataclass(frozen=True)
class CrossValidated:
    """Two learners of equal worth on one data set: accuracy of every fold, ``(repeats, folds)``."""

    first: np.ndarray
    second: np.ndarray
    test_to_train: float


def cross_validate(seed: int, repeats: int = REPEATS) -> CrossValidated:
    """Really trained, fold by fold, so that the trainings share what they share.

    The learners see different features of the same distribution: neither is better, whatever they
    make of one data set.
    """
    generator = np.random.default_rng(seed)
    truth = np.arange(CV_PATIENTS) % 2
    shift = CV_SIGNAL * (2 * truth - 1)[:, None]
    features = [generator.normal(size=(CV_PATIENTS, CV_FEATURES)) + shift for _ in range(2)]
    scores = np.empty((2, repeats, FOLDS))
    for repeat in range(repeats):
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=1000 * seed + repeat)
        for fold, (train, test) in enumerate(folds.split(features[0], truth)):
            for learner in range(2):
                said = _trained(features[learner][train], truth[train], features[learner][test])
                scores[learner, repeat, fold] = np.mean(said == truth[test])
    return CrossValidated(scores[0], scores[1], 1.0 / (FOLDS - 1))


def _trained(train: np.ndarray, truth: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Ridge regression of the class as -1 or 1, and what it says of others."""
    signs = 2.0 * truth - 1.0
    normal = train.T @ train + np.eye(train.shape[1])
    return (test @ np.linalg.solve(normal, train.T @ signs) > 0).astype(int)


def t_test_sizes(simulations: int, repeats: int = REPEATS) -> dict[str, float]:
    """Share of p-values at most 0.05, once and repeatedly cross-validated, corrected and naive."""
    names = [f"{kind}, {times} x {FOLDS} folds" for times in sorted({1, repeats}) for kind in KINDS]
    rejected = dict.fromkeys(names, 0)
    for seed in range(simulations):
        found = cross_validate(seed, repeats)
        for times in sorted({1, repeats}):
            differences = (found.first - found.second)[:times].ravel()
            for kind, ratio in (("corrected", found.test_to_train), ("naive", 0.0)):
                p = corrected_t_test(differences, ratio)
                rejected[f"{kind}, {times} x {FOLDS} folds"] += p <= 0.05
    return {name: count / simulations for name, count in rejected.items()}
