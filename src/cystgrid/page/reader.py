"""What the page asks of a model, by the same service as every other door; a folder of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from cystgrid.cohort.manifest import Patient
from cystgrid.dicom_results import DicomResults
from cystgrid.errors import ScanError
from cystgrid.explanations.relevance import METHODS
from cystgrid.outputs.explanation import PICTURE, Explanation, account_of, write_maps
from cystgrid.outputs.prediction import draw_answer
from cystgrid.page.facts import MethodFacts, ModelFacts
from cystgrid.page.results import Calibrated, MapRecord, Result, write_result
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import file_name
from cystgrid.provenance import NOTICE
from cystgrid.service import ALL, ANSWER, SCANS, Reading, Service, reference_modality

STAGES = {SCANS: "Reading, aligning and correcting the scans", ANSWER: "Grading"}
MAPPING, DRAWING, DICOM = "Making the map: {}", "Drawing pictures", "Writing DICOM results"
DICOM_FOLDER = "dicom"

OnStage = Callable[[str, int, int], None]
"""Told of each step before it begins, with its number and how many there are; may raise."""


class Reader:
    """A model that answers for one study at a time.

    Attributes:
        service: the model, taken up from its folder, every file checked.
    """

    def __init__(self, folder: Path) -> None:
        self.service = Service.take_up(folder)
        self.model = self.service.model

    @property
    def methods(self) -> tuple[str, ...]:
        """Ways to make a map that serve the model; none for a model that is no network."""
        return self.service.methods

    @property
    def usual_methods(self) -> tuple[str, ...]:
        """The best default, and the first that tells the classes apart."""
        specific = [name for name in self.methods if METHODS[name].class_specific]
        return tuple(dict.fromkeys([*self.methods[:1], *specific[:1]]))

    def facts(self) -> ModelFacts:
        """What the page must know of the model."""
        model = self.model
        return ModelFacts(
            model.name, model.inputs, model.sha256, model.classes, model.preparation,
            model.calibration,
            tuple(MethodFacts(name, METHODS[name].about) for name in self.methods),
            self.usual_methods,
        )  # fmt: skip

    def read(
        self, patient: Patient, methods: Sequence[str], folder: Path, on_stage: OnStage
    ) -> Result:
        """Prepare, grade and explain one study, and write the result.

        Args:
            patient: whose scans.
            methods: of maps.
            folder: where the result lies afterwards; ``result.json`` comes last.
            on_stage: told of each step.

        Raises:
            CystgridError: the scans or the region cannot be used.
        """
        begun, total, done = time.monotonic(), 4 + len(methods), 0

        def step(sentence: str) -> None:
            nonlocal done
            on_stage(sentence, done, total)
            done += 1

        def on_service(stage: str, method: str) -> None:
            step(STAGES.get(stage) or MAPPING.format(method))

        reading = self.service.read(patient, methods, ALL, on_service)
        step(DRAWING)
        maps = [record for made in reading.explanations for record in self._maps(made, folder)]
        draw_answer(self.model, reading.prepared, reading.answer, folder)
        step(DICOM)
        dicom, why_not = self._dicom(patient, reading, folder / DICOM_FOLDER)
        result = self._result(reading, tuple(maps), dicom, why_not, time.monotonic() - begun)
        write_result(result, folder)
        return result

    def _result(
        self,
        reading: Reading,
        maps: tuple[MapRecord, ...],
        dicom: tuple[str, ...],
        why_not: str,
        seconds: float,
    ) -> Result:
        name = file_name(reading.prepared.patient)
        return Result(
            notice=NOTICE,
            patient=reading.prepared.patient,
            model=self.model.name,
            inputs=self.model.inputs,
            model_sha256=self.model.sha256,
            members=len(self.model.members),
            classes=self.model.classes,
            probabilities=tuple(reading.answer.probabilities.tolist()),
            calibrated=Calibrated.of(
                self.model.calibration, self.model.classes, reading.answer.probabilities
            ),
            flags=reading.answer.flags,
            reference=reference_modality(self.model, reading.prepared),
            region=_bounds(reading.prepared),
            maps=maps,
            grid=f"grids/{name}.png",
            pictures=tuple(dict.fromkeys(f"{made.method}/{name}/{PICTURE}" for made in maps)),
            dicom=dicom,
            no_dicom=why_not,
            seconds=round(seconds, 1),
        )

    def _dicom(
        self, patient: Patient, reading: Reading, folder: Path
    ) -> tuple[tuple[str, ...], str]:
        """Files below the result's folder; or none, and why."""
        results = DicomResults(folder, self.service, datetime.now())
        try:
            made = results.write(patient, reading)
        except ScanError as error:
            return (), error.got[:1].upper() + error.got[1:]
        return tuple(str(path.relative_to(folder.parent)) for path in made), ""

    def _maps(self, made: Explanation, folder: Path) -> list[MapRecord]:
        method = made.maps[0].method.name
        write_maps(made, folder / method)
        place = f"{method}/{file_name(made.prepared.patient)}"
        records = account_of(made, self.model.name).record["maps"]
        return [_map_record(method, place, one) for one in records]


def _map_record(method: str, place: str, one: dict[str, Any]) -> MapRecord:
    return MapRecord(
        method=method,
        about=METHODS[method].about,
        explained=one["class"] or "",
        of=tuple(one["of"]),
        files=tuple(f"{place}/{name}" for name in one["files"]),
        slices=tuple(one["slices"]),
        heights=tuple(one["z_mm"]),
        sentence=one["sentence"],
    )


def _bounds(
    prepared: PreparedPatient,
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Edges of the crop in mm, RAS+."""
    slices, rows, columns = prepared.crop.shape[1:]
    ends = np.array([columns, rows, slices]) - 0.5
    corners = np.array(
        [[(-0.5, end)[number >> axis & 1] for axis, end in enumerate(ends)] for number in range(8)]
    )
    placed = corners @ prepared.affine[:3, :3].T + prepared.affine[:3, 3]
    (x, y, z), (u, v, w) = placed.min(axis=0).tolist(), placed.max(axis=0).tolist()
    return (x, y, z), (u, v, w)
