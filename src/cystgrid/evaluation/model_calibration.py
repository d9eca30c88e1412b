"""How far a deployed model's probabilities can be taken at their word, as model.json keeps it.

Fitted on what each member said of its own validation patients, who did not train it. They chose its
epoch, so the fit flatters; and one member spoke of each of them, where the mean of all speaks of a
new patient. The nested cross-validation of the same study measures what remains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.classes import BETWEEN_CLASSES
from cystgrid.evaluation.calibration import fit_temperature, scaled
from cystgrid.evaluation.conformal import threshold
from cystgrid.evaluation.metrics.answers import Codes
from cystgrid.evaluation.metrics.ranking import Probabilities
from cystgrid.settings import Settings


class Calibration(Settings):
    """What was learned from validation patients.

    Attributes:
        patients: how many.
        temperature: ``softmax(log p / temperature)`` is the honest probability.
        error_rate: share of sets that may miss the truth.
        threshold: a class is in the set if 1 - p is at most this; None if the patients were too
            few for the rate, so that every class is in every set.
    """

    patients: int
    temperature: float
    error_rate: float
    threshold: float | None

    @classmethod
    def of(cls, record: dict[str, Any] | None) -> Self | None:
        """As model.json has it; None of a model that was never calibrated."""
        return None if record is None else cls.parse(record, "model.json: calibration")

    @classmethod
    def fit(cls, truth: Codes, probabilities: Probabilities, error_rate: float) -> Self:
        """Learn from validation patients.

        Args:
            truth: class numbers ``(patient,)``.
            probabilities: ``(patient, class)`` by a model that did not train on them.
            error_rate: share of sets that may miss the truth.
        """
        found = threshold(1.0 - probabilities[np.arange(truth.size), truth], error_rate)
        return cls(
            patients=truth.size,
            temperature=fit_temperature(truth, probabilities),
            error_rate=error_rate,
            threshold=found if math.isfinite(found) else None,
        )

    def calibrated(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """One patient's probabilities ``(class,)`` at the temperature."""
        return np.asarray(scaled(probabilities[None], self.temperature)[0])

    def in_set(self, probabilities: NDArray[np.float64], classes: Sequence[str]) -> tuple[str, ...]:
        """Classes that cannot be ruled out at the rate, of one patient's ``(class,)``."""
        limit = math.inf if self.threshold is None else self.threshold
        strangeness = 1.0 - probabilities
        return tuple(
            name for name, score in zip(classes, strangeness, strict=True) if score <= limit
        )

    def set_text(self, probabilities: NDArray[np.float64], classes: Sequence[str]) -> str:
        """The set as tables write it: ``low|high``."""
        return BETWEEN_CLASSES.join(self.in_set(probabilities, classes))

    def note(self) -> str:
        """What it rests on, in a sentence."""
        rests = (
            f"calibrated on {self.patients} validation patients (temperature "
            f"{self.temperature:.2f}), who also chose the epochs: expect a little worse"
        )
        if self.threshold is None:
            return f"{rests}; too few for sets at {1 - self.error_rate:.0%}: every class is in them"
        return rests
