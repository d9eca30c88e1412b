"""Every metric of every method, over classes and class by class, in one long table."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.scores import (
    ALL_METRICS,
    CLASS_METRICS,
    LOWER_IS_BETTER,
)
from cystgrid.evaluation.rendering import Best, Column, TableFile, plain, printed
from cystgrid.evaluation.tables import wording
from cystgrid.provenance import NOTICE

OVER_CLASSES = "all"
"""In the column ``class`` where a metric is of all classes together."""


def all_metrics(evaluation: Evaluation) -> TableFile:
    """Mean and deviation over folds, and the pooled value (mean over repeats).

    The CSV has one row a method, class and metric: ``method,class,metric,fold_mean,fold_sd,
    folds_defined,pooled``. The printed table has the pooled values, one column a method.
    """
    data = pd.DataFrame(
        [line for method in wording.names(evaluation) for line in _lines(evaluation, method)]
    )
    keys = data.loc[data["method"] == data["method"].iloc[0], ["class", "metric"]]
    columns: dict[str, Column] = {}
    rows = list(zip(keys["class"], keys["metric"], strict=True))
    pooled = data.set_index(["class", "metric", "method"])["pooled"]
    for name, metric in rows:
        best: Best = "lowest" if metric in LOWER_IS_BETTER else "highest"
        cells = plain([pooled[name, metric, m] for m in wording.names(evaluation)], best)
        for method, cell in zip(wording.names(evaluation), cells, strict=True):
            columns.setdefault(method, []).append(cell)
    costs = "the user's" if evaluation.settings.costs else "the number of grades an answer is off"
    caption = [
        f"All metrics of all out-of-fold predictions together, on {wording.cohort(evaluation)}; "
        "the CSV has their means and deviations over folds too",
        *(["Best of each row in bold, ties alike"] if len(columns) > 1 else []),
        f"Costs: {costs}. Brier score: summed over classes. Calibration errors: bins of equal "
        f"numbers of patients. Sensitivity: at specificity {evaluation.settings.specificity:g}, "
        "its threshold chosen on these very predictions",
        NOTICE,
    ]
    stub = {"Class": [name for name, _ in rows], "Metric": [_spoken(metric) for _, metric in rows]}
    return TableFile("all_metrics", data, printed(stub, columns, caption))


def _spoken(metric: str) -> str:
    return metric.replace("_", " ")


def _lines(evaluation: Evaluation, method: str) -> Iterator[dict[str, object]]:
    folds = evaluation.fold_scores.query("method == @method")
    class_folds = evaluation.class_fold_scores.query("method == @method")
    over_classes, by_class = _pooled(evaluation, method)
    for metric in ALL_METRICS:
        yield _line(method, OVER_CLASSES, metric, folds[metric], over_classes[metric])
    for name in evaluation.classes:
        own = class_folds[class_folds["class"] == name]
        for metric in CLASS_METRICS:
            yield _line(method, name, metric, own[metric], by_class[name][metric])


def _line(
    method: str, name: str, metric: str, folds: pd.Series[float], pooled: float
) -> dict[str, object]:
    mean, deviation = wording.mean_and_sd(folds)
    return {
        "method": method,
        "class": name,
        "metric": metric,
        "fold_mean": mean,
        "fold_sd": deviation,
        "folds_defined": int(folds.notna().sum()),
        "pooled": pooled,
    }


def _pooled(
    evaluation: Evaluation, method: str
) -> tuple[pd.Series[float], dict[str, pd.Series[float]]]:
    """Each repeat scored whole, then the mean; a repeat that leaves it undefined does so."""
    rows = next(m.rows for m in evaluation.methods if m.name == method)
    repeats = [evaluation.score(part) for _, part in rows.groupby("repeat", sort=True)]
    by_class = {
        name: pd.DataFrame([scores.by_class[code] for scores in repeats]).mean(skipna=False)
        for code, name in enumerate(evaluation.classes)
    }
    return pd.DataFrame([scores.overall for scores in repeats]).mean(skipna=False), by_class
