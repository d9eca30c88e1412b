"""One fetched study to the DICOM objects of its answer, as ``predict --dicom-out`` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cystgrid.cohort.dicom_tree import import_dicom
from cystgrid.cohort.manifest import Patient
from cystgrid.cohort.pairing_rules import PairingRules
from cystgrid.dicom_results import DicomResults
from cystgrid.errors import CohortError, SettingsError
from cystgrid.outputs.prediction import write_answers
from cystgrid.pacs.watch_region import region_of
from cystgrid.pacs.watch_settings import WatchSettings
from cystgrid.scans.reference import Reference
from cystgrid.service import Service


@dataclass(frozen=True)
class StudyAnswers:
    """Answers study after study.

    Attributes:
        service: the model.
        settings: rules.
        pairing: which series become T1 and T2.
        folder: of the watcher; ``results/<study>`` holds an answer, ``regions`` masks.
    """

    service: Service
    settings: WatchSettings
    pairing: PairingRules
    folder: Path

    @classmethod
    def by(cls, service: Service, settings: WatchSettings, folder: Path) -> StudyAnswers:
        """With the rules that the settings name.

        Raises:
            SettingsError: no such rules, or a region that the model does not take.
        """
        preparation = service.model.preparation
        if "whole" in settings.roi and preparation.roi != "whole":
            raise SettingsError(
                "watch.roi",
                got="whole, for a model that was trained on regions",
                expected='segmentation or folder, or a model of a study with roi = "whole"',
                do="take it out of the list",
            )
        both = len(preparation.modalities) > 1 and preparation.missing_modality == "refuse"
        pairing = PairingRules(need="both" if both else "any")
        if settings.rules is not None:
            pairing = PairingRules.read_toml(settings.rules, "pairing rules")
        return cls(service, settings, pairing, folder)

    def results(self, study_uid: str) -> Path:
        """Where a study's answer lies."""
        return self.folder / "results" / study_uid

    def answer(self, study: Path) -> list[Path]:
        """Prepare, grade and explain a fetched study; returns the DICOM files of its answer.

        Raises:
            CystgridError: no pair of scans, no region, or scans that cannot be used.
        """
        patient = self._patient(study)
        output = self.results(study.name)
        results = DicomResults(output / "dicom", self.service, datetime.now())
        results.refuse_others([patient.patient])
        reading = self.service.read(patient)
        made = results.write(patient, reading)
        write_answers(self.service.model, [reading.answer], output)
        return list(made)

    def _patient(self, study: Path) -> Patient:
        found = import_dicom(study, self.pairing)
        patients = found.result.patients
        if len(patients) != 1:
            why = "; ".join(reason for _, reason in found.pairing.unpaired)
            raise CohortError(
                "pairing",
                got=f"{len(patients)} pairs of scans{': ' if why else ''}{why}",
                expected="one in each study",
                do="see `cystgrid cohort series` of the study; rules = ... in [watch] changes it",
            )
        (one,) = patients
        looked_at = self.service.model.preparation.modalities
        scans = {name: scan for name in looked_at if (scan := {"t1": one.t1, "t2": one.t2}[name])}
        series = [str(Reference.parse(scan).series) for scan in scans.values()]
        roi = region_of(study, series, self.settings, self.folder / "regions")
        return Patient(
            one.patient, t1=scans.get("t1"), t2=scans.get("t2"), roi=roi, group=one.group
        )
