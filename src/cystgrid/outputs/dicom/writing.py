"""All DICOM objects of one patient's answer, written side by side in one folder."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom import Dataset

from cystgrid.errors import ScanError
from cystgrid.evaluation.model_calibration import Calibration
from cystgrid.explanations.placing import on_scan
from cystgrid.outputs.dicom.making import Making
from cystgrid.outputs.dicom.parametric_map import parametric_map
from cystgrid.outputs.dicom.secondary_capture import secondary_capture
from cystgrid.outputs.dicom.segmentation import segmentation
from cystgrid.outputs.dicom.sources import Sources
from cystgrid.outputs.dicom.structured_report import structured_report
from cystgrid.outputs.explanation import PICTURE, Explanation, map_names, write_maps
from cystgrid.outputs.prediction import draw_answer
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import file_name
from cystgrid.provenance import sha256_bytes, versions, write_bytes
from cystgrid.scans.volume import Volume
from cystgrid.training.answer import Answer
from cystgrid.training.deployed import DeployedModel

REPORT, REGION, MAP_PICTURE, GRID_PICTURE = "report", "region", "map-picture", "grid-picture"


@dataclass(frozen=True, eq=False)
class Told:
    """What is told of one study.

    Attributes:
        prepared, answer: the patient, and what the model says.
        explanation: its maps; None for a model that has none.
        region: 0 and 1 on the reference scan's own grid; None where the whole scan was meant, or
            none of it lies in the scan.
        sources: the scans' DICOM headers.
    """

    prepared: PreparedPatient
    answer: Answer
    explanation: Explanation | None
    region: Volume | None
    sources: Sources


def write_dicom(
    model: DeployedModel, told: Told, folder: Path, created: datetime
) -> tuple[Path, ...]:
    """Write the report, the maps, the pictures and the region as ``folder/<patient>/*.dcm``.

    Args:
        model: that answered.
        told: of one study.
        folder: of all patients.
        created: when, as the objects say; nothing else of them depends on the time.

    Returns:
        The files, the report first.

    Raises:
        ScanError: highdicom finds the sources' headers unfit for results of their study.
    """
    making = Making(
        told.sources,
        model.sha256,
        versions()["cystgrid"],
        _question(told),
        created,
    )
    try:
        with warnings.catch_warnings():  # highdicom's remarks repeat the patient's name
            warnings.filterwarnings("ignore", module="highdicom")
            made = dict(_objects(model, told, making))
            report = structured_report(
                model.classes,
                told.answer.probabilities,
                f"{model.name} on {model.inputs}",
                (*told.answer.flags, *_calibration(model, told.answer)),
                list(made.values()),
                making,
            )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ScanError(
            told.sources.reference,
            got=f"headers that DICOM results cannot be derived from ({type(error).__name__})",
            expected="a whole MR series with study, patient and frame of reference",
            do="export the series from the archive again, or leave --dicom-out out",
        ) from error
    place = folder / file_name(told.prepared.patient)
    everything = {REPORT: report, **made}
    return tuple(_write(each, place / f"{name}.dcm") for name, each in everything.items())


def _calibration(model: DeployedModel, answer: Answer) -> tuple[str, ...]:
    """The set, and what it rests on; nothing of a model that was never calibrated."""
    calibration = Calibration.of(model.calibration)
    if calibration is None:
        return ()
    inside = ", ".join(calibration.in_set(answer.probabilities, model.classes)) or "no class"
    return (f"not ruled out at {1 - calibration.error_rate:.0%}: {inside}", calibration.note())


def _question(told: Told) -> str:
    """About which region was asked, how the maps were made, of which class."""
    region, explanation = told.region, told.explanation
    asked = ["whole" if region is None else sha256_bytes(region.voxels.tobytes())]
    if explanation is not None:
        asked += [f"{made.method.name} {explanation.explained(made)}" for made in explanation.maps]
    return "; ".join(asked)


def _objects(model: DeployedModel, told: Told, making: Making) -> Iterator[tuple[str, Dataset]]:
    """Name and object of all but the report."""
    if told.explanation is not None:
        yield from _maps(told.explanation, making)
    yield from _pictures(model, told, making)
    if told.region is not None and told.region.voxels.any():
        yield REGION, segmentation(told.region, making)


def _maps(explanation: Explanation, making: Making) -> Iterator[tuple[str, Dataset]]:
    number = 0
    for made in explanation.maps:
        for file, (_, values) in zip(map_names(explanation, made), made.seen, strict=True):
            number += 1
            name = file.removesuffix(".nii.gz")
            on_grid = on_scan(values, made.affine, explanation.scan)
            yield f"map-{name}", parametric_map(on_grid, name, made.method.name, making, number)


def _pictures(model: DeployedModel, told: Told, making: Making) -> Iterator[tuple[str, Dataset]]:
    with tempfile.TemporaryDirectory() as drawn:
        folder = Path(drawn)
        name = file_name(told.prepared.patient)
        if told.explanation is not None:
            write_maps(told.explanation, folder)
            picture = folder / name / PICTURE
            yield MAP_PICTURE, secondary_capture(picture, "map", making, 1)
        draw_answer(model, told.prepared, told.answer, folder)
        picture = folder / "grids" / f"{name}.png"
        yield GRID_PICTURE, secondary_capture(picture, "what was seen", making, 2)


def _write(made: Dataset, path: Path) -> Path:
    content = io.BytesIO()
    made.save_as(content, enforce_file_format=True)
    write_bytes(path, content.getvalue())
    return path
