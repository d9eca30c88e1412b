"""How a classical model's setting is chosen: by the validation patients, like a network's epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
from sklearn.metrics import log_loss, recall_score

from cystgrid.models.classical import Probabilities, Targets

Candidate = TypeVar("Candidate")
SMALLEST_PROBABILITY = 1e-12
"""Keeps one confident mistake from making a log loss infinite."""


def choose(
    candidates: Iterable[Candidate],
    answer: Callable[[Candidate], Probabilities],
    targets: Targets,
) -> Candidate:
    """The candidate with the best balanced accuracy, then the lower log loss, then the first.

    Args:
        candidates: at least one.
        answer: a candidate's probabilities ``(patient, class)`` of the validation patients.
        targets: ``(patient,)`` theirs.
    """
    tried = list(candidates)
    ranks = [_rank(answer(candidate), targets) for candidate in tried]
    return tried[min(range(len(tried)), key=lambda number: (*ranks[number], number))]


def _rank(probabilities: Probabilities, targets: Targets) -> tuple[float, float]:
    kept = np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)
    kept = kept / kept.sum(axis=1, keepdims=True)
    chosen = probabilities.argmax(axis=1)
    recall = recall_score(targets, chosen, labels=np.unique(targets), average="macro")
    return -float(recall), float(log_loss(targets, kept, labels=range(kept.shape[1])))
