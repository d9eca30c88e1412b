"""What captions and notes of several tables say alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.scores import METRICS
from cystgrid.evaluation.predictions import INPUT_NAMES, Method

BOLD_BEST = "Best of each column in bold, ties alike"


def mean_and_sd(values: pd.Series[float]) -> tuple[float, float]:
    """Over folds, undefined ones left out; sorted, so that renaming folds changes no digit."""
    defined = np.sort(values.dropna().to_numpy(dtype=np.float64))
    mean = float(defined.mean()) if defined.size else float("nan")
    return mean, float(defined.std(ddof=1)) if defined.size > 1 else float("nan")


def cohort(evaluation: Evaluation) -> str:
    """``60 patients (20 normal, 20 low, 20 high)``."""
    labels = patients_labels(evaluation)
    counts = ", ".join(f"{int((labels == name).sum())} {name}" for name in evaluation.classes)
    return f"{len(labels)} patients ({counts})"


def one_input(evaluation: Evaluation) -> str:
    """Names the inputs where all methods share them; rows name them otherwise."""
    inputs = {method.inputs for method in evaluation.methods}
    only = next(iter(inputs))
    return f", inputs {INPUT_NAMES.get(only, only)}" if len(inputs) == 1 and only else ""


def patients_labels(evaluation: Evaluation) -> pd.Series[str]:
    """Every patient's label."""
    return evaluation.predictions.frame.drop_duplicates("patient").set_index("patient")["label"]


def chance(evaluation: Evaluation) -> str:
    """How far from chance a figure would have to be."""
    labels = patients_labels(evaluation)
    counts = [(int((labels == name).sum()), name) for name in evaluation.classes]
    present = [(count, name) for count, name in counts if count]
    most, commonest = max(present, key=lambda pair: pair[0])
    return (
        f"Chance level: balanced accuracy {1 / len(present):.2f}, AUC 0.50, kappa 0.00; always "
        f"answering {commonest} has accuracy {most / len(labels):.2f}"
    )


def folds(evaluation: Evaluation) -> str:
    """``10 outer folds``, ``50 outer folds (5 repeats)``, ``one fold (no deviation)``."""
    methods = evaluation.methods
    counts = sorted({int(method.rows["outer_fold"].nunique()) for method in methods})
    if counts == [1]:
        return "one fold (no deviation)"
    repeats = max(int(method.rows["repeat"].nunique()) for method in methods)
    return f"{' or '.join(map(str, counts))} outer folds" + (
        f" ({repeats} repeats)" if repeats > 1 else ""
    )


def intervals(evaluation: Evaluation) -> str:
    """How the intervals were made."""
    return (
        f"[95 % interval]: BCa bootstrap, {evaluation.settings.resamples} resamples of patients, "
        "stratified by label; it does not contain what another training would change"
    )


def method_notes(evaluation: Evaluation) -> list[str]:
    """What a reader must know before comparing methods, one sentence each."""
    notes = list(evaluation.predictions.notes)
    everyone = len(patients_labels(evaluation))
    for method in evaluation.methods:
        if missing := everyone - int(method.rows["patient"].nunique()):
            notes.append(f"{method.name} was not scored on {missing} of the patients.")
    if not share_folds(evaluation.methods):
        notes.append("The methods do not share their outer folds.")
    for method in evaluation.methods:
        notes += constant_answers(method)
    return notes


def share_folds(methods: Sequence[Method]) -> bool:
    """Whether every patient lies in the same outer folds for all methods that know it."""
    found = pd.concat([method.rows[["patient", "repeat", "outer_fold"]] for method in methods])
    return bool(found.groupby(["patient", "repeat"])["outer_fold"].nunique().max() <= 1)


def constant_answers(method: Method) -> list[str]:
    """Names a method that answers one class only, in some folds or in all.

    Folds in which all patients are of that class are no sign of it and are not counted.
    """
    found: dict[str, int] = {}
    judged = 0
    for _, rows in method.rows.groupby("outer_fold"):
        if len(rows) < 2 or rows["label"].nunique() < 2:
            continue
        judged += 1
        if rows["predicted"].nunique() == 1:
            answer = str(rows["predicted"].iloc[0])
            found[answer] = found.get(answer, 0) + 1
    return [
        f"{method.name} answered {answer!r} for every patient in {count} of {judged} folds."
        for answer, count in sorted(found.items())
    ]


def undefined_folds(evaluation: Evaluation, metrics: Sequence[str] = METRICS) -> list[str]:
    """Names the folds that are left out of a mean."""
    notes = []
    for method, rows in evaluation.fold_scores.groupby("method", sort=False):
        for metric in metrics:
            if undefined := int(rows[metric].isna().sum()):
                notes.append(
                    f"{metric} of {method} is undefined in {undefined} of {len(rows)} folds, "
                    "which are left out of its mean."
                )
    return notes


def names(evaluation: Evaluation) -> list[str]:
    """The methods' names, in order."""
    return [method.name for method in evaluation.methods]
