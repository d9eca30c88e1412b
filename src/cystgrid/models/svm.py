"""A linear support vector machine with probabilities, its cost chosen by validation patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from cystgrid.models.classical import Probabilities, Targets, spread
from cystgrid.models.selection import choose

COSTS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""C, tried from the most to the least regular."""

CALIBRATION_FOLDS = 5
"""Of the training patients; Platt's sigmoid is fitted to decisions that a fold had no part in."""


@dataclass(frozen=True)
class Svm:
    """A fitted machine.

    Attributes:
        classifier: scikit-learn's; None if the training patients had one class.
        seen: class numbers that they had.
        classes: of the study.
        cost: the C that was chosen.
    """

    classifier: Any
    seen: tuple[int, ...]
    classes: int
    cost: float

    def probabilities(self, features: NDArray[np.float64]) -> Probabilities:
        """Class probabilities ``(patient, class)`` of features ``(patient, feature)``."""
        if self.classifier is None:
            found = np.ones((len(features), 1))
        elif hasattr(self.classifier, "calibrated_classifiers_"):
            found = self.classifier.predict_proba(features)
        else:
            found = _without_calibration(self.classifier.decision_function(features))
        return spread(found, self.seen, self.classes)

    def to_parts(self) -> dict[str, Any]:
        """What ``from_parts`` takes."""
        return {
            "classifier": self.classifier,
            "seen": list(self.seen),
            "classes": self.classes,
            "cost": self.cost,
        }

    @classmethod
    def from_parts(cls, parts: dict[str, Any]) -> Svm:
        """Take up what ``to_parts`` gave."""
        return cls(**{**parts, "seen": tuple(parts["seen"])})


def fit_svm(
    features: NDArray[np.float64],
    targets: Targets,
    validation: NDArray[np.float64],
    validation_targets: Targets,
    classes: int,
) -> Svm:
    """Fit a machine for every cost and keep the one that the validation patients choose.

    Args:
        features: ``(patient, feature)`` of training patients.
        targets: ``(patient,)`` theirs.
        validation: ``(patient, feature)`` of others.
        validation_targets: ``(patient,)`` theirs.
        classes: of the study.
    """
    fitted = (_fit(features, targets, cost, classes) for cost in COSTS)
    return choose(fitted, lambda svm: svm.probabilities(validation), validation_targets)


def _fit(features: NDArray[np.float64], targets: Targets, cost: float, classes: int) -> Svm:
    seen, counts = np.unique(targets, return_counts=True)
    plain = _machine(cost)
    if len(seen) == 1:
        classifier = None
    elif counts.min() < 2:  # a patient that stands alone leaves nothing to calibrate on
        classifier = plain.fit(features, targets)
    else:
        folds = int(min(CALIBRATION_FOLDS, counts.min()))
        classifier = CalibratedClassifierCV(plain, cv=folds, ensemble=False)
        classifier.fit(features, targets)
    return Svm(classifier, tuple(seen.tolist()), classes, cost)


def _machine(cost: float) -> Pipeline:
    return make_pipeline(StandardScaler(), SVC(C=cost, kernel="linear", class_weight="balanced"))


def _without_calibration(decisions: NDArray[np.float64]) -> Probabilities:
    """Decisions as probabilities, uncalibrated; two classes have one decision."""
    both = np.stack([-decisions, decisions], axis=1) / 2 if decisions.ndim == 1 else decisions
    found: Probabilities = softmax(both, axis=1)
    return found
