"""Table I: every method; Table II: one model on different inputs. Laid out as the paper's."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.scores import METRICS
from cystgrid.evaluation.predictions import INPUT_NAMES, Method
from cystgrid.evaluation.rendering import Column, TableFile, printed, with_deviations, with_limits
from cystgrid.evaluation.tables import wording
from cystgrid.evaluation.uncertainty.pooled import SUMMARY
from cystgrid.provenance import NOTICE

HEADINGS = {
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "balanced_accuracy": "Balanced accuracy",
    "auc": "AUC",
    "kappa": "Kappa",
}
POOLED_HEADINGS = {
    "accuracy": "Pooled accuracy",
    "balanced_accuracy": "Pooled balanced accuracy",
    "auc": "Pooled AUC",
}


def table1_data(evaluation: Evaluation) -> pd.DataFrame:
    """One row a method.

    Returns:
        ``method``; for each of ``METRICS`` its ``_mean`` and ``_sd`` over outer folds (folds weigh
        alike; ``n - 1`` in the deviation; folds where a score is undefined are left out, NaN if
        too few are left); for accuracy, balanced accuracy and AUC of all folds' predictions
        together ``pooled_<score>`` with ``_low`` and ``_high``, its 95 % bootstrap interval;
        ``patients``; ``folds``.
    """
    return pd.DataFrame([_line(evaluation, method) for method in evaluation.methods])


def table1(evaluation: Evaluation) -> TableFile:
    """Table I, all methods."""
    data = table1_data(evaluation)
    caption = [
        f"Performance on {wording.cohort(evaluation)}{wording.one_input(evaluation)}",
        *_meaning(evaluation, several=len(data) > 1),
        wording.chance(evaluation),
        NOTICE,
    ]
    notes = [*wording.method_notes(evaluation), *wording.undefined_folds(evaluation)]
    return TableFile(
        "table1", data, printed({"Method": data["method"]}, _columns(data), caption, notes)
    )


def table2(evaluation: Evaluation) -> TableFile | None:
    """Table II, every model that was given more than one kind of inputs; None if there is none."""
    methods = [method for method in evaluation.methods if _has_several(method, evaluation.methods)]
    if not methods:
        return None
    lines = [
        {"model": method.model, "inputs": method.inputs, **_line(evaluation, method)}
        for method in methods
    ]
    first = list(lines[0])[2:]  # the method's name and figures lead, as in Table I
    data = pd.DataFrame(lines)[[*first, "model", "inputs"]]
    names = [INPUT_NAMES.get(method.inputs, method.inputs) for method in methods]
    caption = [
        f"Modalities and their fusion, on {wording.cohort(evaluation)}",
        *_meaning(evaluation, several=True, within="model"),
        wording.chance(evaluation),
        NOTICE,
    ]
    return TableFile(
        "table2",
        data,
        printed({"Model": data["model"], "Inputs": names}, _columns(data, "model"), caption),
    )


def _has_several(method: Method, methods: Sequence[Method]) -> bool:
    return sum(other.model == method.model for other in methods) > 1


def _line(evaluation: Evaluation, method: Method) -> dict[str, object]:
    scores = evaluation.fold_scores
    own = scores[scores["method"] == method.name]
    line: dict[str, object] = {"method": method.name}
    for metric in METRICS:
        mean, deviation = wording.mean_and_sd(own[metric])
        line |= {f"{metric}_mean": mean, f"{metric}_sd": deviation}
    for score, found in evaluation.intervals[method.name].items():
        line |= {
            f"pooled_{score}": found.estimate,
            f"pooled_{score}_low": found.low,
            f"pooled_{score}_high": found.high,
        }
    return line | {"patients": method.rows["patient"].nunique(), "folds": len(own)}


def _columns(data: pd.DataFrame, within: str | None = None) -> dict[str, Column]:
    """The best is that of the whole column, or within the rows that share ``within``."""
    parts = [data] if within is None else [rows for _, rows in data.groupby(within, sort=False)]
    columns: dict[str, Column] = {}
    for part in parts:
        for metric, heading in HEADINGS.items():
            cells = with_deviations(part[f"{metric}_mean"], part[f"{metric}_sd"])
            columns.setdefault(heading, []).extend(cells)
        for score in SUMMARY:
            name = f"pooled_{score}"
            cells = with_limits(part[name], part[f"{name}_low"], part[f"{name}_high"])
            columns.setdefault(POOLED_HEADINGS[score], []).extend(cells)
    return columns


def _meaning(evaluation: Evaluation, *, several: bool, within: str = "") -> list[str]:
    best = f"{wording.BOLD_BEST}, within each {within}" if within else wording.BOLD_BEST
    return [
        f"Mean ± sample standard deviation over {wording.folds(evaluation)}; precision and recall "
        "macro-averaged, AUC one-vs-rest and macro-averaged, kappa with quadratic weights",
        *([best] if several else []),
        "Pooled: of all out-of-fold predictions together",
        wording.intervals(evaluation),
    ]
