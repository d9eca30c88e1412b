"""One predictions file under evaluation: every method's scores, computed once for all tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from cystgrid.evaluation.metrics.answers import Codes, Costs
from cystgrid.evaluation.metrics.ranking import Probabilities
from cystgrid.evaluation.metrics.scores import Scores, ordinal_costs, score
from cystgrid.evaluation.predictions import Method, Predictions
from cystgrid.evaluation.settings import EvaluationSettings
from cystgrid.evaluation.uncertainty.bootstrap import Interval, bootstrap_intervals
from cystgrid.evaluation.uncertainty.pooled import SUMMARY, Pooled, pooled

Arrays = tuple[Codes, Codes, Probabilities]
"""Truth ``(patients,)``, answers ``(patients,)``, probabilities ``(patients, classes)``."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions and the choices they are evaluated with.

    Attributes:
        predictions: checked out-of-fold predictions.
        settings: the user's choices.
    """

    predictions: Predictions
    settings: EvaluationSettings = field(default_factory=EvaluationSettings)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in order."""
        return self.predictions.classes

    @cached_property
    def methods(self) -> list[Method]:
        """The lines of the tables, in order."""
        return self.predictions.methods()

    @cached_property
    def costs(self) -> Costs:
        """``(classes, classes)``: what it costs to answer a column for a patient of a row."""
        given = self.settings.costs
        return ordinal_costs(len(self.classes)) if given is None else np.array(given)

    @cached_property
    def pooled(self) -> dict[str, Pooled]:
        """All folds' predictions together, by method's name."""
        return {method.name: pooled(self.predictions, method) for method in self.methods}

    @cached_property
    def intervals(self) -> dict[str, dict[str, Interval]]:
        """The scores of ``SUMMARY`` of the pooled predictions, by method's name and score's."""
        return {
            name: dict(
                zip(
                    SUMMARY,
                    bootstrap_intervals(
                        found,
                        SUMMARY.values(),
                        resamples=self.settings.resamples,
                        seed=self.settings.seed,
                    ),
                    strict=True,
                )
            )
            for name, found in self.pooled.items()
        }

    @cached_property
    def fold_scores(self) -> pd.DataFrame:
        """The scores of every method on every outer fold of every repeat.

        One row a (method, fold): ``method,model,inputs,repeat,outer_fold,patients``, then
        ``ALL_METRICS``. What is undefined in a fold is NaN (see ``metrics``).
        """
        return pd.DataFrame([{**named, **scores.overall} for named, scores in self._folds])

    @cached_property
    def class_fold_scores(self) -> pd.DataFrame:
        """The same class by class: a column ``class`` before ``CLASS_METRICS``."""
        return pd.DataFrame(
            [
                {**named, "class": name, **own}
                for named, scores in self._folds
                for name, own in zip(self.classes, scores.by_class, strict=True)
            ]
        )

    @cached_property
    def _folds(self) -> list[tuple[dict[str, object], Scores]]:
        return [
            (
                {
                    "method": method.name,
                    "model": method.model,
                    "inputs": method.inputs,
                    "repeat": repeat,
                    "outer_fold": fold,
                    "patients": len(rows),
                },
                self.score(rows),
            )
            for method in self.methods
            for (repeat, fold), rows in method.rows.groupby(["repeat", "outer_fold"], sort=True)
        ]

    def score(self, rows: pd.DataFrame) -> Scores:
        """All scores of some rows, with the user's costs and specificity."""
        return score(*self.arrays(rows), costs=self.costs, specificity=self.settings.specificity)

    def arrays(self, rows: pd.DataFrame) -> Arrays:
        """Truth, answers and probabilities of some rows, as the metrics take them."""
        return (
            self.predictions.codes(rows["label"]),
            self.predictions.codes(rows["predicted"]),
            self.predictions.probabilities(rows),
        )
