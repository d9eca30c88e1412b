"""The answer for new patients: a table, a machine-readable record, a picture of what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from cystgrid.evaluation.model_calibration import Calibration
from cystgrid.outputs.grids import GridPicture, draw_grids
from cystgrid.outputs.question import refuse_other_question
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import file_name
from cystgrid.provenance import NOTICE, versions, write_json, write_text
from cystgrid.training.answer import Answer
from cystgrid.training.deployed import DeployedModel

ANSWERS = "predictions.json"


def prediction_table(model: DeployedModel, answers: Sequence[Answer]) -> pd.DataFrame:
    """One row a patient: predicted class, probability of each, set, what was flagged, the notice.

    ``set`` has the classes that cannot be ruled out, if the model was calibrated (``low|high``).
    """
    rows = []
    calibration = Calibration.of(model.calibration)
    for answer in answers:
        best = int(answer.probabilities.argmax())
        named = zip(model.classes, answer.probabilities.tolist(), strict=True)
        rows.append(
            {
                "model": model.name,
                "inputs": model.inputs,
                "patient": answer.patient,
                "center": answer.center,
                "label": answer.label or "",
                "predicted": model.classes[best],
                **{f"p_{name}": probability for name, probability in named},
                **(
                    {"set": calibration.set_text(answer.probabilities, model.classes)}
                    if calibration
                    else {}
                ),
                "flags": "; ".join(answer.flags),
                "notice": NOTICE,
            }
        )
    return pd.DataFrame(rows)


def refuse_other_answers(model: DeployedModel, patients: Iterable[str], folder: Path) -> None:
    """Refuse to replace answers for other patients, or by another model.

    Raises:
        StoreError: the folder holds such answers, or something else of ours.
    """
    refuse_other_question(
        folder,
        ANSWERS,
        {"model_sha256": model.sha256},
        patients,
        "answers for other patients, or of another model",
    )


def write_answers(model: DeployedModel, answers: Sequence[Answer], folder: Path) -> Path:
    """Write OUT/predictions.csv and predictions.json; returns the first."""
    table = prediction_table(model, answers)
    calibration = Calibration.of(model.calibration)
    write_json(
        folder / ANSWERS,
        {
            "notice": NOTICE,
            "model_sha256": model.sha256,
            "classes": list(model.classes),
            "calibration": model.calibration,
            "patients": [
                {
                    "patient": answer.patient,
                    "probabilities": answer.probabilities.tolist(),
                    "calibrated": (
                        calibration.calibrated(answer.probabilities).tolist()
                        if calibration
                        else None
                    ),
                    "flags": list(answer.flags),
                    "alignment": answer.alignment,
                }
                for answer in answers
            ],
            "versions": versions(),
        },
    )
    path = folder / "predictions.csv"
    write_text(path, table.to_csv(index=False))
    return path


def draw_answer(
    model: DeployedModel, prepared: PreparedPatient, answer: Answer, folder: Path
) -> None:
    """Write OUT/grids/<patient>.png: what the model saw of the patient, under its answer."""
    best = int(answer.probabilities.argmax())
    title = f"{answer.patient}: {model.classes[best]} {answer.probabilities[best]:.2f}"
    picture = GridPicture(title, prepared, model.preparation.modalities)
    path = folder / "grids" / f"{file_name(answer.patient)}.png"
    draw_grids([picture], model.cells, path)
