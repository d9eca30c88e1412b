"""What a user may choose of an evaluation; anything else is fixed and told in the captions."""

from __future__ import annotations

import itertools

from pydantic import Field, field_validator

from cystgrid.evaluation.metrics.ranking import SPECIFICITY
from cystgrid.evaluation.uncertainty.bootstrap import RESAMPLES, SEED
from cystgrid.settings import Settings

ERROR_RATE = 0.1


class EvaluationSettings(Settings):
    """Choices of an evaluation.

    Attributes:
        costs: of answering a column for a patient of a row, in the classes' order; None for how
            many grades an answer is off.
        error_rate: share of patients whose set of answers may miss the truth (conformal).
        specificity: at which sensitivity is told.
        age_bands: ages in years at which a new band begins; empty for terciles of the patients.
        resamples: bootstrap samples.
        seed: of the bootstrap; the same seed gives the same tables.
    """

    costs: tuple[tuple[float, ...], ...] | None = None
    error_rate: float = Field(default=ERROR_RATE, gt=0.0, lt=1.0)
    specificity: float = Field(default=SPECIFICITY, gt=0.0, lt=1.0)
    age_bands: tuple[float, ...] = ()
    resamples: int = Field(default=RESAMPLES, ge=100)
    seed: int = Field(default=SEED, ge=0)

    @field_validator("age_bands")
    @classmethod
    def _rising(cls, bands: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in itertools.pairwise(bands)):
            raise ValueError("ages in rising order, each once")
        return bands
