"""Random forest and gradient boosting on a table of features."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from cystgrid.models.classical import Cases, Probabilities, Targets, by_patient, spread
from cystgrid.models.persistence import dump_sklearn, load_sklearn
from cystgrid.models.selection import choose

TREES = 200
LEAVES = (1, 5)
"""Smallest numbers of patients in a leaf that the validation patients choose from."""

ROUNDS = (10, 20, 40, 80, 160)
"""Numbers of boosting rounds that they choose from."""

RATE, BOOSTED_LEAF = 0.1, 5
"""scikit-learn's default rate; its default of 20 patients a leaf is too many for cohorts of 100."""


class Forest:
    """A random forest; a missing value becomes the training patients' median."""

    settings: tuple[int, ...] = LEAVES

    def __init__(self) -> None:
        self.classifier: Any = None
        self.classes = 0
        self.columns: list[str] = []
        self.chosen = 0

    def make(self, setting: int, seed: int) -> Any:
        """An unfitted classifier."""
        forest = RandomForestClassifier(
            TREES, min_samples_leaf=setting, class_weight="balanced", random_state=seed
        )
        return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), forest)

    def fit(
        self, cases: Cases, targets: Targets, validation: Cases, validation_targets: Targets,
        classes: int, seed: int,
    ) -> None:  # fmt: skip
        """Fit one classifier a setting and keep the one that the validation patients choose."""
        order = by_patient(cases, targets)
        values, ordered = cases.numbers()[order], targets[order]
        self.classes, self.columns = classes, self._names(cases)
        small = seed % 2**32  # what scikit-learn takes
        fitted = {each: self.make(each, small).fit(values, ordered) for each in self.settings}
        shown = self._values(validation)

        def answer(setting: int) -> Probabilities:
            return self._answer(fitted[setting], shown)

        self.chosen = choose(self.settings, answer, validation_targets)
        self.classifier = fitted[self.chosen]

    def probabilities(self, cases: Cases) -> Probabilities:
        """Class probabilities ``(patient, class)``."""
        if self.classifier is None:
            raise ValueError("not fitted yet")
        return self._answer(self.classifier, self._values(cases))

    def _answer(self, classifier: Any, values: NDArray[np.float64]) -> Probabilities:
        return spread(classifier.predict_proba(values), classifier.classes_.tolist(), self.classes)

    def _names(self, cases: Cases) -> list[str]:
        return [] if cases.features is None else [str(name) for name in cases.features.columns]

    def _values(self, cases: Cases) -> NDArray[np.float64]:
        if self._names(cases) != self.columns:
            raise ValueError(f"features {self._names(cases)}, fitted on {self.columns}")
        return cases.numbers()

    def dump(self, *, network: bool = True) -> bytes:
        """scikit-learn's objects by skops."""
        names = ("classifier", "classes", "columns", "chosen")
        return dump_sklearn({name: getattr(self, name) for name in names})

    @classmethod
    def restore(cls, content: bytes) -> Self:
        """Take up what ``dump`` gave."""
        estimator = cls()
        for name, part in load_sklearn(content).items():
            setattr(estimator, name, part)
        return estimator


class Boosting(Forest):
    """Gradient boosting of histograms; a missing value goes the way that served best."""

    settings = ROUNDS

    def make(self, setting: int, seed: int) -> Any:
        """An unfitted classifier."""
        return HistGradientBoostingClassifier(
            learning_rate=RATE,
            max_iter=setting,
            min_samples_leaf=BOOSTED_LEAF,
            early_stopping=False,
            class_weight="balanced",
            random_state=seed,
        )
