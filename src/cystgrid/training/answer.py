"""New patients through a deployed model: prepared one by one, refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.manifest import Patient
from cystgrid.errors import CystgridError
from cystgrid.preparation.patient import PreparedPatient, prepare_patient
from cystgrid.progress import progress_bar
from cystgrid.training.deployed import DeployedModel


@dataclass(frozen=True)
class Answer:
    """What the model says of one patient.

    Attributes:
        prepared: the patient as the model saw it, with all that was flagged on the way.
        probabilities: ``(class,)``, in the model's order of classes.
    """

    prepared: PreparedPatient
    probabilities: NDArray[np.float64]


def predict_patients(
    model: DeployedModel, patients: Sequence[Patient], *, quiet: bool = False
) -> tuple[list[Answer], list[tuple[str, str]]]:
    """Prepare and grade patients; one that cannot be prepared does not stop the others.

    Returns:
        The answers, and ``(patient, reason)`` of those refused.
    """
    answers: list[Answer] = []
    refused: list[tuple[str, str]] = []
    with progress_bar("predicting", len(patients), quiet=quiet) as advance:
        for patient in patients:
            try:
                prepared = prepare_patient(patient, model.preparation)
            except CystgridError as error:
                refused.append((patient.patient, str(error)))
            else:
                answers.append(Answer(prepared, model.probabilities([prepared])[0]))
            advance(1)
    return answers, refused
