"""Table IV: every pair of methods: differences, their intervals, and tests that hold together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.predictions import Method
from cystgrid.evaluation.rendering import Column, TableFile, printed, with_corrected, with_limits
from cystgrid.evaluation.tables import wording
from cystgrid.evaluation.uncertainty.bootstrap import jackknife, replicates
from cystgrid.evaluation.uncertainty.delong import delong
from cystgrid.evaluation.uncertainty.paired import (
    corrected_t_test,
    difference_interval,
    holm,
    mcnemar,
)
from cystgrid.evaluation.uncertainty.pooled import SUMMARY, Pooled, Values, estimate
from cystgrid.provenance import NOTICE

SIGNIFICANCE = 0.05
TESTS = (
    "t_accuracy", "t_balanced_accuracy", "t_auc", "mcnemar", "delong",
)  # fmt: skip
"""Each gives ``p_<test>`` and, corrected over the table, ``p_<test>_holm``."""

COLUMNS = (
    ("Accuracy", "accuracy", {"t": "t_accuracy", "McNemar": "mcnemar"}),
    ("Balanced accuracy", "balanced_accuracy", {"t": "t_balanced_accuracy"}),
    ("AUC", "auc", {"t": "t_auc", "DeLong": "delong"}),
)
"""As printed: heading, score, and the tests of its differences by name."""


def table4(
    evaluation: Evaluation, pairs: Sequence[tuple[Method, Method]] | None = None
) -> TableFile | None:
    """One row a pair of methods; None if there is one method only.

    Args:
        evaluation: of the predictions.
        pairs: the methods that are compared; None for every pair of them.

    Returns:
        The CSV holds ``first,second,patients``; for accuracy, balanced accuracy and AUC the pooled
        ``difference_<score>`` with ``_low`` and ``_high``; then the p-values of ``TESTS``.
    """
    if len(evaluation.methods) < 2:
        return None
    resampled = _Resampled(evaluation)
    lines = []
    for first, second in pairs or itertools.combinations(evaluation.methods, 2):
        lines.append(_line(evaluation, first, second, resampled))
    data = pd.DataFrame(lines)
    for test in TESTS:
        data[f"p_{test}_holm"] = holm(data[f"p_{test}"].to_numpy(dtype=np.float64))
    return TableFile(
        "table4", data, printed(_stub(data), _columns(data), _caption(evaluation, data))
    )


def _stub(data: pd.DataFrame) -> dict[str, pd.Series[str]]:
    return {"First": data["first"], "Second": data["second"]}


def _columns(data: pd.DataFrame) -> dict[str, Column]:
    def difference(score: str) -> Column:
        name = f"difference_{score}"
        return with_limits(data[name], data[f"{name}_low"], data[f"{name}_high"], best=None)

    columns: dict[str, Column] = {}
    for heading, score, tests in COLUMNS:
        columns[f"{heading} difference"] = difference(score)
        for name, test in tests.items():
            columns[f"{heading} {name}"] = with_corrected(
                data[f"p_{test}"], data[f"p_{test}_holm"], bold_below=SIGNIFICANCE
            )
    return columns


def _caption(evaluation: Evaluation, data: pd.DataFrame) -> list[str]:
    return [
        f"Pairs of methods on {wording.cohort(evaluation)}: first less second, of all out-of-fold "
        "predictions together",
        f"[95 % interval]: BCa bootstrap, {evaluation.settings.resamples} resamples of patients "
        "drawn alike for both, stratified by label",
        "t: corrected resampled t-test over outer folds (Nadeau and Bengio), which counts that the "
        "folds' trainings share patients. McNemar: mid-p; DeLong: macro one-vs-rest AUC; both "
        "speak of these trained models on other patients, and not of other trainings",
        f"p-values, and in brackets corrected by Holm over {_compared(data)}; bold where the "
        f"corrected one is below {SIGNIFICANCE}",
        NOTICE,
    ]


def _compared(data: pd.DataFrame) -> str:
    """How many p-values of a column are corrected together; undefined ones are none of them."""
    counts = {
        f"{heading} {name}": int(data[f"p_{test}"].notna().sum())
        for heading, _, tests in COLUMNS
        for name, test in tests.items()
    }
    if set(counts.values()) == {len(data)}:
        return f"the {len(data)} comparisons of a column"
    told = ", ".join(f"{column} {count}" for column, count in counts.items())
    return f"those of a column's {len(data)} comparisons that have one ({told})"


class _Resampled:
    """Bootstrap and jackknife of every method under the same draws, for a set of patients.

    Patients are sorted by what all methods say of them, so that no name changes a draw.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.sets: dict[tuple[str, ...], dict[str, Pooled]] = {}
        self.draws: dict[tuple[tuple[str, ...], str], tuple[list[Values], list[Values]]] = {}

    def aligned(self, first: str, second: str) -> tuple[tuple[str, ...], Pooled, Pooled]:
        """The two methods' predictions of the patients that both know, in one order."""
        everyone = self.evaluation.pooled
        shared = np.intersect1d(everyone[first].patients, everyone[second].patients)
        key = tuple(shared)
        if key not in self.sets:
            knowing = {
                name: found.take(_positions(found, shared))
                for name, found in everyone.items()
                if np.isin(shared, found.patients).all()
            }
            if key:
                content = [column for found in knowing.values() for column in found.content()]
                order = np.lexsort(content)
            else:
                order = np.arange(0)
            self.sets[key] = {name: found.take(order) for name, found in knowing.items()}
        return key, self.sets[key][first], self.sets[key][second]

    def of(self, key: tuple[str, ...], name: str) -> tuple[list[Values], list[Values]]:
        """The scores of ``SUMMARY`` of all draws, and of the jackknife."""
        if (key, name) not in self.draws:
            found, scores = self.sets[key][name], list(SUMMARY.values())
            settings = self.evaluation.settings
            draws = replicates(found, scores, resamples=settings.resamples, seed=settings.seed)
            self.draws[key, name] = draws, jackknife(found, scores)
        return self.draws[key, name]


def _positions(found: Pooled, patients: NDArray[np.str_]) -> NDArray[np.int64]:
    order = np.argsort(found.patients)
    return np.asarray(order[np.searchsorted(found.patients, patients, sorter=order)])


def _line(
    evaluation: Evaluation, first: Method, second: Method, resampled: _Resampled
) -> dict[str, object]:
    key, one, other = resampled.aligned(first.name, second.name)
    line: dict[str, object] = {"first": first.name, "second": second.name, "patients": len(key)}
    if not key:
        names = [f"difference_{score}{end}" for score in SUMMARY for end in ("", "_low", "_high")]
        return line | dict.fromkeys([*names, *(f"p_{test}" for test in TESTS)], math.nan)
    draws_one, left_one = resampled.of(key, first.name)
    draws_other, left_other = resampled.of(key, second.name)
    for n, (score, function) in enumerate(SUMMARY.items()):
        interval = difference_interval(
            (estimate(one, function), estimate(other, function)),
            (draws_one[n], draws_other[n]),
            (left_one[n], left_other[n]),
            one.truth,
        )
        line |= {
            f"difference_{score}": interval.estimate,
            f"difference_{score}_low": interval.low,
            f"difference_{score}_high": interval.high,
        }
    for score in SUMMARY:
        line[f"p_t_{score}"] = _t_test(evaluation, first, second, score)
    right, other_right = (found.mean_answer() == found.truth for found in (one, other))
    line["p_mcnemar"] = mcnemar(right, other_right)
    line["p_delong"] = delong(one, other)[0]
    return line


def _t_test(evaluation: Evaluation, first: Method, second: Method, score: str) -> float:
    """NaN unless both methods have the same patients in the same folds."""
    fold = ["repeat", "outer_fold"]
    places = [m.rows[["patient", *fold]].sort_values([*fold, "patient"]) for m in (first, second)]
    if not places[0].reset_index(drop=True).equals(places[1].reset_index(drop=True)):
        return math.nan
    scores = evaluation.fold_scores.set_index(["method", *fold])
    own = scores.loc[first.name]
    differences = (own[score] - scores.loc[second.name][score]).dropna()
    tested = own.loc[differences.index, "patients"]
    everyone = first.rows.groupby("repeat")["patient"].nunique()
    trained = everyone.loc[tested.index.get_level_values("repeat")].to_numpy() - tested
    ratio = float((tested / trained).mean()) if (trained > 0).all() and len(tested) else math.nan
    return math.nan if math.isnan(ratio) else corrected_t_test(differences.to_numpy(), ratio)
