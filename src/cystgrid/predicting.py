"""What the verb `predict` does: new patients are prepared in workers and graded in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cystgrid.cohort.manifest import Patient, asked_patients, is_box
from cystgrid.cohort.shown_paths import whereabouts
from cystgrid.errors import CohortError, ScanError
from cystgrid.preparation.new_patients import Refusal, preparing
from cystgrid.progress import progress_bar
from cystgrid.provenance import NOTICE
from cystgrid.scans.reference import path_part
from cystgrid.training.model_card import read_model_card

if TYPE_CHECKING:  # torch comes when the workers are busy already
    from cystgrid.dicom_results import DicomResults
    from cystgrid.preparation.patient import PreparedPatient
    from cystgrid.training.answer import Answer
    from cystgrid.training.deployed import DeployedModel


def single_patient(name: str, t1: str | None, t2: str | None, roi: str | None) -> Patient:
    """The patient of ``--t1 --t2 --roi``, as a manifest would give it.

    Raises:
        CohortError: nothing is where one of them points, before any model is read.
    """
    mask = None if roi and is_box(roi) else roi
    places = {"t1": _placed("t1", t1), "t2": _placed("t2", t2), "roi": _placed("roi", mask)}
    return Patient(
        name,
        t1=places["t1"],
        t2=places["t2"],
        roi=places["roi"] or roi,
        group=name,
    )


def _placed(name: str, reference: str | None) -> str | None:
    """The absolute reference of something that is there."""
    if not reference:
        return None
    if not path_part(reference).exists():
        raise CohortError(
            name,
            got="nothing there" + whereabouts(reference, Path(), ""),
            expected="a mask, or x0,x1,y0,y1,z0,z1 in mm"
            if name == "roi"
            else "a NIfTI file, a DICOM folder or FOLDER#SeriesInstanceUID",
            do="correct the path",
        )
    return str(Path(reference).absolute())


def run_predict(
    model_folder: Path,
    source: Path | Patient,
    output: Path,
    *,
    features: Path | None = None,
    dicom_out: Path | None = None,
    workers: int = 0,
    quiet: bool = False,
) -> tuple[str, list[tuple[str, str]]]:
    """Grade a cohort.csv or one patient; the answers do not depend on the number of workers.

    Args:
        model_folder: MODEL.
        source: a manifest, or one patient.
        output: folder of the answers.
        features: table of the new patients, for a model that reads one.
        dicom_out: folder of DICOM results as well: report, map, picture, region.
        workers: processes that prepare scans; 0 prepares in this one.
        quiet: no progress bar.

    Returns:
        The predictions as text for a terminal, and ``(patient, reason)`` of those refused.
    """
    card = read_model_card(model_folder)
    patients = asked_patients(source, card.cohort)
    with (
        progress_bar("predicting", len(patients), quiet=quiet) as advance,
        preparing(patients, card.preparation, workers) as prepared,
    ):
        # torch takes seconds to import, in which the workers prepare the first patients
        from cystgrid.outputs.prediction import (
            prediction_table,
            refuse_other_answers,
            write_answers,
        )
        from cystgrid.training.deployed import load_model

        model = load_model(model_folder, features)
        refuse_other_answers(model, [patient.patient for patient in patients], output)
        results = None if dicom_out is None else _dicom_results(model, patients, dicom_out)
        answers: list[Answer] = []
        refused: list[tuple[str, str]] = []
        for one in _graded(model, zip(patients, prepared, strict=True), output, results):
            if isinstance(one, Refusal):
                refused.append((one.patient, one.reason))
            else:
                answers.append(one)
            advance(1)
    if not answers:
        return "", refused
    path = write_answers(model, answers, output)
    table = prediction_table(model, answers).drop(columns=["notice", "center", "label"])
    lines = table.to_string(index=False, float_format=lambda value: f"{value:.3f}")
    written = [str(path)] if dicom_out is None else [str(path), f"DICOM: {dicom_out}"]
    return "\n".join([lines, NOTICE, *written]), refused


def _dicom_results(model: DeployedModel, patients: Sequence[Patient], folder: Path) -> DicomResults:
    """Where DICOM results go, if nothing of another kind lies there.

    Raises:
        StoreError: something does.
    """
    from cystgrid.dicom_results import DicomResults
    from cystgrid.service import Service

    results = DicomResults(folder, Service.of(model), datetime.now())
    results.refuse_others([patient.patient for patient in patients])
    return results


def _graded(
    model: DeployedModel,
    prepared: Iterator[tuple[Patient, PreparedPatient | Refusal]],
    output: Path,
    results: DicomResults | None,
) -> Iterator[Answer | Refusal]:
    """Each patient's answer, with its picture drawn, in order; one patient is held at a time."""
    from cystgrid.outputs.prediction import draw_answer
    from cystgrid.service import Reading
    from cystgrid.training.answer import Answer

    for patient, each in prepared:
        if isinstance(each, Refusal):
            yield each
            continue
        try:
            answer = Answer.of(model, each)
            if results is not None:
                results.write(patient, Reading(each, answer))
        except ScanError as error:
            yield Refusal(patient.patient, str(error))
            continue
        draw_answer(model, each, answer, output)
        yield answer
