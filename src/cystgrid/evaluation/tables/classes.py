"""Table III: class by class, each against all others, of all folds' predictions together."""

from __future__ import annotations

import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.rendering import Column, TableFile, counts, printed, with_limits
from cystgrid.evaluation.tables import wording
from cystgrid.evaluation.uncertainty.bootstrap import bootstrap_intervals
from cystgrid.evaluation.uncertainty.pooled import (
    auc_of,
    average_precision_of,
    f1_of,
    precision_of,
    recall_of,
    specificity_of,
)
from cystgrid.provenance import NOTICE

CLASS_SCORES = {
    "recall": ("Recall", recall_of),
    "precision": ("Precision", precision_of),
    "specificity": ("Specificity", specificity_of),
    "f1": ("F1", f1_of),
    "auc": ("AUC", auc_of),
    "average_precision": ("Average precision", average_precision_of),
}


def table3(evaluation: Evaluation) -> TableFile:
    """One row a method and class; every score with its bootstrap interval.

    The CSV holds ``method,class,patients``, then ``<score>,<score>_low,<score>_high``.
    """
    data = pd.DataFrame(
        [line for method in evaluation.methods for line in _lines(evaluation, method.name)]
    )
    several = len(evaluation.methods) > 1
    caption = [
        f"Each class against all others, on {wording.cohort(evaluation)}; of all out-of-fold "
        "predictions together",
        wording.intervals(evaluation),
        *(["Best of each column in bold, within each class"] if several else []),
        "The average precision of chance is the class's share of the patients",
        NOTICE,
    ]
    ordered = data.sort_values(
        "class",
        key=lambda names: names.map({n: i for i, n in enumerate(evaluation.classes)}),
        kind="stable",
        ignore_index=True,
    )
    columns: dict[str, Column] = {"Patients": counts(ordered["patients"])}
    for score, (heading, _) in CLASS_SCORES.items():
        columns[heading] = [
            cell
            for _, part in ordered.groupby("class", sort=False)
            for cell in with_limits(part[score], part[f"{score}_low"], part[f"{score}_high"])
        ]
    stub = {"Class": ordered["class"], "Method": ordered["method"]}
    return TableFile("table3", ordered, printed(stub, columns, caption))


def _lines(evaluation: Evaluation, method: str) -> list[dict[str, object]]:
    found = evaluation.pooled[method]
    scores = [make(code) for code in range(found.classes) for _, make in CLASS_SCORES.values()]
    intervals = iter(
        bootstrap_intervals(
            found, scores, resamples=evaluation.settings.resamples, seed=evaluation.settings.seed
        )
    )
    lines = []
    for code, name in enumerate(evaluation.classes):
        line: dict[str, object] = {
            "method": method, "class": name, "patients": int((found.truth == code).sum()),
        }  # fmt: skip
        for score, interval in zip(CLASS_SCORES, intervals, strict=False):
            line |= {
                score: interval.estimate,
                f"{score}_low": interval.low,
                f"{score}_high": interval.high,
            }
        lines.append(line)
    return lines
