"""Table VI: what each method's maps are worth, by model, beside maps that know nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.evaluation.rendering import (
    Best,
    Cell,
    Column,
    TableFile,
    counts,
    printed,
    with_limits,
)
from cystgrid.evaluation.uncertainty.bootstrap import Interval, bca_limits, resample
from cystgrid.explanations.battery import CHECKS
from cystgrid.explanations.checks.controls import CONTROLS
from cystgrid.explanations.checks.curves import RANDOM_ORDERS
from cystgrid.explanations.checks.lesions import TOLERANCE
from cystgrid.provenance import NOTICE

PRINTED = {
    "pointing": "Pointing game",
    "concentration": "Mass over chance",
    "concentration_shuffled": "Mass shuffled",
    "average_precision": "Average precision",
    "deletion": "Deletion gain",
    "insertion": "Insertion gain",
    "agreement": "Cell occlusion",
    "stability": "Stability",
    "randomisation": "Randomised",
}
"""Checks in the printed table, and their headings."""

UNMARKED = ("concentration_shuffled", "randomisation")
"""What is said of a network that knows nothing; near the other columns, or near 1, is a failure."""

RESAMPLES = 2000
SEED = 0


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """The mean over patients with its 95 % BCa bootstrap interval; undefined ones are left out.

    Args:
        values: ``(patient,)``.
    """
    defined = values[~np.isnan(values)]
    if not defined.size:
        return Interval(float("nan"), float("nan"), float("nan"))
    mean = float(defined.mean())
    if defined.size == 1:
        return Interval(mean, float("nan"), float("nan"))
    together = np.zeros(defined.size, dtype=np.int64)
    weights = resample(together, RESAMPLES, np.random.default_rng(SEED))
    left_out = (defined.sum() - defined) / (defined.size - 1)
    return Interval(mean, *bca_limits(mean, weights @ defined / defined.size, left_out, together))


def table6(checks: pd.DataFrame) -> TableFile:
    """One row a model and method, controls last.

    The CSV holds ``model,inputs,method,control,patients,with_lesion``, then
    ``<check>,<check>_low,<check>_high`` of every check.

    Args:
        checks: one row a model, inputs, method and patient, as ``checks.csv`` has them.
    """
    data = _summary(checks, ["model", "inputs", "method"])
    stub = {"Model": _models(data), "Method": _methods(data)}
    caption = ["Maps held against known lesions, against the answers, and against themselves"]
    return TableFile(
        "table6", data, printed(stub, _columns(data), [*caption, *_caption(checks)], _notes(checks))
    )


def table6_by_answer(checks: pd.DataFrame) -> TableFile:
    """The same apart for patients who were graded rightly and wrongly."""
    apart = checks.assign(answer=np.where(checks["correct"], "right", "wrong"))
    data = _summary(apart, ["model", "inputs", "answer", "method"])
    answers = [str(answer) for answer in data["answer"]]
    stub = {"Model": _models(data), "Answers": answers, "Method": _methods(data)}
    caption = ["Table VI for right and wrong answers apart"]
    columns = _columns(data)
    return TableFile(
        "table6_by_answer",
        data,
        printed(stub, columns, [*caption, *_caption(checks)], _notes(checks)),
    )


def _summary(checks: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means and limits of every check, in the order in which rows first come."""
    lines = []
    for names, rows in checks.groupby(by, sort=False):
        line: dict[str, object] = dict(zip(by, names, strict=True))
        line["control"] = line["method"] in CONTROLS
        line["patients"] = len(rows)
        line["with_lesion"] = int(rows["pointing"].notna().sum())
        for check in CHECKS:
            found = mean_interval(rows[check].to_numpy(dtype=np.float64))
            line |= {
                check: found.estimate, f"{check}_low": found.low, f"{check}_high": found.high,
            }  # fmt: skip
        lines.append(line)
    data = pd.DataFrame(lines)
    if "answer" not in by:
        return data
    order = {model: number for number, model in enumerate(dict.fromkeys(_models(data)))}
    keys = pd.DataFrame({"model": [order[m] for m in _models(data)], "answer": data["answer"]})
    return data.loc[keys.sort_values(["model", "answer"], kind="stable").index].reset_index(
        drop=True
    )


def _models(data: pd.DataFrame) -> list[str]:
    pairs = zip(data["model"], data["inputs"], strict=True)
    return [f"{model} {inputs}" for model, inputs in pairs]


def _methods(data: pd.DataFrame) -> list[str]:
    """Controls are marked as such."""
    return [
        f"{row.method} (control)" if row.control else str(row.method) for row in data.itertuples()
    ]


def _columns(data: pd.DataFrame) -> dict[str, Column]:
    """The printed columns; the best of each is marked within each model (and kind of answer)."""
    columns: dict[str, Column] = {
        "Patients": counts(f"{row.patients} ({row.with_lesion})" for row in data.itertuples())
    }
    block = [c for c in ("model", "inputs", "answer") if c in data]
    for check, heading in PRINTED.items():
        cells: list[Cell] = []
        for _, part in data.groupby(block, sort=False):
            best: Best | None = None if check in UNMARKED else "highest"
            cells += with_limits(part[check], part[f"{check}_low"], part[f"{check}_high"], best)
        columns[heading] = cells
    return columns


def _caption(checks: pd.DataFrame) -> list[str]:
    return [
        f"{checks['patient'].nunique()} patients, each explained by the networks that never saw it",
        "In brackets after the patients: those whose window shows a known lesion, on which the "
        "lesion columns rest",
        f"[95 % interval]: BCa bootstrap of the mean, {RESAMPLES} resamples of patients",
        "Best of each column in bold within each model, controls included: a method that finds "
        "lesions no better than a control has not shown that it finds any",
        NOTICE,
    ]


def _notes(checks: pd.DataFrame) -> list[str]:
    first = checks.drop_duplicates(["model", "inputs", "patient"])
    pointing, share = first["pointing_chance"].mean(), first["lesion_share"].mean()
    chance = (
        f"Chance: pointing game {pointing:.2f}, mass 1.00, average precision {share:.2f}; gains, "
        "agreement and stability 0.00."
        if pointing == pointing
        else "No window shows a known lesion; chance of the other checks is 0.00."
    )
    return [
        chance,
        f"Pointing game: the peak lies in the lesion or within {TOLERANCE:.4f} of a cell's side of "
        "it; mass: the share of positive relevance inside it over its share of the area. "
        "Mass shuffled: the same after the network's weights were shuffled; a map whose mass is no "
        "greater than that owes it to the image, not to what the network learned.",
        "Deletion and insertion gain: the area that the probability of the explained class loses "
        f"or wins against the mean of {RANDOM_ORDERS} random orders, as patches are taken out or "
        "put in; what is out shows its scan's mean grey value.",
        "Cell occlusion: rank correlation with the fall of the answer without each cell. "
        "Stability: rank correlation with the map of every cell mirrored, turned and in other "
        "contrast, moved back; brightness and centre are stable by their making.",
        "Randomised: rank correlation with the map after the network's weights were shuffled. Near "
        "1 the map is one of the image and explains no answer, whatever the other columns say.",
    ]
