"""In the process that grades prepared patients: several in one pass, a bad one fails alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cystgrid.errors import CystgridError
from cystgrid.page.graded import Graded
from cystgrid.page.watched import Work
from cystgrid.preparation.patient import PreparedPatient

if TYPE_CHECKING:  # torch comes in the process alone, not in the page
    from cystgrid.training.deployed import DeployedModel

log = logging.getLogger(__name__)


class FaultError(Exception):
    """A bug, met over one patient; its kind, and nothing of the patient's."""


Outcome = Graded | CystgridError | FaultError


def take_up_grader(model: Path) -> tuple[None, Work]:
    """What grades prepared patients with the model (see ``Watched``).

    Raises:
        StoreError: no model there.
    """
    from cystgrid.evaluation import model_calibration  # noqa: F401 (every answer asks for it)
    from cystgrid.training.deployed import load_model

    taken = load_model(model)

    def work(prepared: Sequence[PreparedPatient]) -> list[Outcome]:
        return graded(taken, prepared)

    return None, work


def graded(model: DeployedModel, prepared: Sequence[PreparedPatient]) -> list[Outcome]:
    """Each patient's answer, or what is wrong with it, in order.

    Args:
        model: that answers for all of them in one pass; where that fails, for each alone.
        prepared: one at least.
    """
    from cystgrid.training.answer import Answer

    try:
        answers = Answer.several(model, prepared)
    except Exception as error:
        if len(prepared) == 1:
            return [_failed(error)]
        return [graded(model, [one])[0] for one in prepared]
    return [Graded.of(model, answer) for answer in answers]


def _failed(error: Exception) -> Outcome:
    if isinstance(error, CystgridError):
        return error
    # neither message nor traceback: both may hold a path or a patient's name
    log.error("a prepared patient: %s", type(error).__name__)
    log.debug("", exc_info=error)
    return FaultError(type(error).__name__)
