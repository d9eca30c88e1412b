"""Table V: centres, sexes, age groups and modalities."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.patients import GROUPINGS, UNKNOWN, Groups
from cystgrid.evaluation.rendering import (
    Cell,
    Column,
    TableFile,
    counts,
    printed,
    with_limits,
)
from cystgrid.evaluation.tables import wording
from cystgrid.evaluation.uncertainty.bootstrap import bootstrap_intervals
from cystgrid.evaluation.uncertainty.pooled import SUMMARY, Pooled
from cystgrid.provenance import NOTICE

FEWEST_PATIENTS = 10
"""A group of fewer has no figure: its interval would span nearly everything."""

TOO_FEW = "too few"
HEADINGS = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "auc": "AUC"}


def table5(evaluation: Evaluation, groups: Groups) -> TableFile | None:
    """One row a group and method; None if nothing is known of the patients.

    The CSV holds ``grouping,group,method,patients``, ``patients_<class>``, then
    ``<score>,<score>_low,<score>_high``, empty for groups of fewer than ten patients.
    """
    lines = [
        line
        for grouping in GROUPINGS
        if grouping in groups.frame
        for line in _lines(evaluation, groups.frame[grouping], grouping)
    ]
    if not lines:
        return None
    data = pd.DataFrame(lines)
    few = data["patients"] < FEWEST_PATIENTS
    columns: dict[str, Column] = {"Patients": counts(data["patients"])}
    for score, heading in HEADINGS.items():
        cells = with_limits(data[score], data[f"{score}_low"], data[f"{score}_high"], best=None)
        columns[heading] = [
            Cell(TOO_FEW) if too_few else cell for cell, too_few in zip(cells, few, strict=True)
        ]
    caption = [
        f"Groups of the {wording.cohort(evaluation)}; of all out-of-fold predictions together",
        wording.intervals(evaluation),
        f"Groups of fewer than {FEWEST_PATIENTS} patients have no figures; -- where a group has "
        "one class only. Balanced accuracy is over the classes that a group has, so groups of "
        "other classes are not alike. Differences between groups are not tested. Nothing is bold",
        NOTICE,
    ]
    stub = {
        "Grouping": data["grouping"].map(GROUPINGS),
        "Group": data["group"],
        "Method": data["method"],
    }
    return TableFile("table5", data, printed(stub, columns, caption))


def _lines(
    evaluation: Evaluation, groups: pd.Series[str], grouping: str
) -> Iterator[dict[str, object]]:
    names = sorted(groups.unique(), key=lambda name: (name == UNKNOWN, _age_rank(name), name))
    for name in names:
        members = groups.index[groups == name]
        for method in evaluation.methods:
            found = evaluation.pooled[method.name]
            own = found.take(np.flatnonzero(np.isin(found.patients, members)))
            if own.truth.size:
                yield {
                    "grouping": grouping,
                    "group": name,
                    "method": method.name,
                    "patients": own.truth.size,
                    **{
                        f"patients_{label}": int((own.truth == code).sum())
                        for code, label in enumerate(evaluation.classes)
                    },
                    **_scores(evaluation, own),
                }


def _age_rank(name: str) -> float:
    """Bands of age in order: the one below all first, then by where a band begins."""
    begin = name.removeprefix(">= ").split(" to ")[0]
    try:
        return -1.0 if name.startswith("< ") else float(begin)
    except ValueError:
        return 0.0


def _scores(evaluation: Evaluation, own: Pooled) -> dict[str, float]:
    settings = evaluation.settings
    if own.truth.size < FEWEST_PATIENTS:
        names = [score + end for score in SUMMARY for end in ("", "_low", "_high")]
        return dict.fromkeys(names, math.nan)
    found = bootstrap_intervals(
        own, SUMMARY.values(), resamples=settings.resamples, seed=settings.seed
    )
    line: dict[str, float] = {}
    for score, interval in zip(SUMMARY, found, strict=True):
        line |= {
            score: interval.estimate,
            f"{score}_low": interval.low,
            f"{score}_high": interval.high,
        }
    return line
