"""New patients, prepared in worker processes and handed over in order; a refusal stops nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from cystgrid.cohort.manifest import Patient
from cystgrid.errors import CystgridError
from cystgrid.preparation.patient import PreparedPatient, prepare_patient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.processes import in_order


@dataclass(frozen=True)
class Refusal:
    """A patient that cannot be prepared, and why."""

    patient: str
    reason: str


@contextmanager
def preparing(
    patients: Sequence[Patient], settings: PreparationSettings, workers: int
) -> Iterator[Iterator[PreparedPatient | Refusal]]:
    """Within it, each patient as prepared or refused, in the order of ``patients``.

    Work begins at once, a few patients ahead of what is taken; the voxels do not depend on the
    number of workers. Where there are twice as many workers as patients, a patient's scans are
    corrected side by side.

    Args:
        patients: who.
        settings: how scans become crops.
        workers: processes; 0 works in this one.

    Raises:
        StoreError: a worker process died.
    """
    threads = max(workers // max(len(patients), 1), 1)
    prepare = partial(prepare_or_refuse, settings=settings, threads=threads)
    with in_order(prepare, patients, workers) as made:
        yield made


def prepare_or_refuse(
    patient: Patient, settings: PreparationSettings, threads: int = 1
) -> PreparedPatient | Refusal:
    """``prepare_patient``, with what is wrong with a patient as an outcome; a bug is raised."""
    try:
        return prepare_patient(patient, settings, threads=threads)
    except CystgridError as error:
        return Refusal(patient.patient, str(error))
