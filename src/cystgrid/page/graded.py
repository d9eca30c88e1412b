"""The answer for one prepared patient, as the page's interface gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from cystgrid.page.results import Calibrated
from cystgrid.provenance import NOTICE
from cystgrid.settings import Settings

if TYPE_CHECKING:
    from cystgrid.training.answer import Answer
    from cystgrid.training.deployed import DeployedModel


class Graded(Settings):
    """What the model says of one prepared patient.

    Attributes:
        notice: that it is for research only.
        patient: as its card names it.
        model, inputs, model_sha256: which model answered.
        classes, probabilities: in the model's order, of risk.
        predicted: the likeliest class.
        calibrated: with the classes that cannot be ruled out; None for a model never calibrated.
        flags: what a reader should know, one sentence each.
    """

    notice: str
    patient: str
    model: str
    inputs: str
    model_sha256: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    predicted: str
    calibrated: Calibrated | None
    flags: tuple[str, ...]

    @classmethod
    def of(cls, model: DeployedModel, answer: Answer) -> Self:
        """A model's answer."""
        return cls(
            notice=NOTICE,
            patient=answer.patient,
            model=model.name,
            inputs=model.inputs,
            model_sha256=model.sha256,
            classes=model.classes,
            probabilities=tuple(answer.probabilities.tolist()),
            predicted=model.classes[int(answer.probabilities.argmax())],
            calibrated=Calibrated.of(model.calibration, model.classes, answer.probabilities),
            flags=answer.flags,
        )
