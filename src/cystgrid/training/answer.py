"""What a deployed model says of one new patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cystgrid.preparation.patient import PreparedPatient
from cystgrid.training.deployed import DeployedModel


@dataclass(frozen=True)
class Answer:
    """What the model says of one patient; the voxels are not kept.

    Attributes:
        patient, center, label: as in the manifest.
        flags: what was said of the patient on the way, one sentence each.
        alignment: how the scans lie to each other (see ``PreparedPatient``).
        probabilities: ``(class,)``, in the model's order of classes.
    """

    patient: str
    center: str
    label: str | None
    flags: tuple[str, ...]
    alignment: dict[str, float]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, model: DeployedModel, prepared: PreparedPatient) -> Self:
        """Grade one patient, alone: its last digits do not depend on who else is asked for."""
        return cls.several(model, [prepared])[0]

    @classmethod
    def several(cls, model: DeployedModel, prepared: Sequence[PreparedPatient]) -> tuple[Self, ...]:
        """Grade patients together, in one pass: sooner done, and equal but for the last digits."""
        return tuple(
            cls(one.patient, one.center, one.label, one.flags, one.alignment, probabilities)
            for one, probabilities in zip(prepared, model.probabilities(prepared), strict=True)
        )
