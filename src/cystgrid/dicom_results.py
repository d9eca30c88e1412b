"""Answers as DICOM objects, study by study: what every door writes for a viewer or a PACS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cystgrid.cohort.manifest import Patient
from cystgrid.outputs.dicom.sources import read_sources
from cystgrid.outputs.dicom.writing import Told, write_dicom
from cystgrid.outputs.question import refuse_other_question
from cystgrid.preparation.region_on_scan import region_on_scan
from cystgrid.provenance import NOTICE, sha256_file, versions, write_json
from cystgrid.scans.reading import read_as_stored
from cystgrid.service import Reading, Service, reference_modality

RECORD = "dicom.json"


@dataclass(eq=False)
class DicomResults:
    """A folder of DICOM results of one model.

    Attributes:
        folder: DIR; one folder a patient, and ``dicom.json``, which lists every file's sha256.
        service: the model.
        created: when, as the objects say.
    """

    folder: Path
    service: Service
    created: datetime
    _record: list[dict[str, Any]] = field(default_factory=list)

    def refuse_others(self, patients: Iterable[str]) -> None:
        """Refuse a folder that holds results of another model, or something else of ours.

        Raises:
            StoreError: it does.
        """
        refuse_other_question(
            self.folder,
            RECORD,
            {"model_sha256": self.service.model.sha256},
            patients,
            "DICOM results for other patients, or of another model",
        )

    def write(self, patient: Patient, reading: Reading) -> tuple[Path, ...]:
        """Write all objects of one answer, its map included; returns them, the report first.

        Raises:
            ScanError: a scan of the patient is no DICOM series.
        """
        settings = self.service.model.preparation
        prepared = reading.prepared
        reference = reference_modality(self.service.model, prepared)
        sources = read_sources(patient, settings.modalities, reference, settings.reading)
        explanation = self.service.answers_map(patient, reading)
        path = patient.scan(reference)
        assert path is not None, "it was prepared from there"
        scan = explanation.scan if explanation else read_as_stored(path, settings.reading)
        region = region_on_scan(patient.roi, scan, settings)
        told = Told(prepared, reading.answer, explanation, region, sources)
        made = write_dicom(self.service.model, told, self.folder, self.created)
        self._record.append(
            {
                "patient": patient.patient,
                "region": told.region is not None and bool(told.region.voxels.any()),
                "files": {str(path.relative_to(self.folder)): sha256_file(path) for path in made},
            }
        )
        self._write_record()  # after each: if stopped, the folder knows what is whole
        return made

    def _write_record(self) -> None:
        write_json(
            self.folder / RECORD,
            {
                "notice": NOTICE,
                "model_sha256": self.service.model.sha256,
                "patients": self._record,
                "versions": versions(),
            },
        )
