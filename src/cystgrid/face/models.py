"""Deployed models: trained, asked, explained, exported; and starts for the next ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from cystgrid import study as studies
from cystgrid.cohort.manifest import Patient, asked_patients
from cystgrid.errors import CystgridError, UsageError
from cystgrid.exports.export import ExportReport, Kind, export_model
from cystgrid.face import html
from cystgrid.face.cohorts import Cohort, path_of
from cystgrid.face.prepared import Prepared, folder_of
from cystgrid.face.study import settings_or_default
from cystgrid.outputs.explanation import PICTURE, Explanation, account_of, write_maps
from cystgrid.outputs.prediction import prediction_table
from cystgrid.predicting import single_patient
from cystgrid.preparation.store import file_name
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.runs import run_train
from cystgrid.service import Reading, Service, networks_of
from cystgrid.starts import run_pretrain
from cystgrid.training.answer import Answer

HIDDEN = ("model", "inputs", "center", "label", "notice")
"""Columns of the answers that a notebook has no room for; the notice stands below."""

T = TypeVar("T")
Refused = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Answers:
    """What a model says of new patients.

    Attributes:
        model: who says it.
        answers: one a patient.
        refused: patients that it could not be asked about, each with the reason.
    """

    model: Model
    answers: tuple[Answer, ...]
    refused: Refused = ()

    @property
    def table(self) -> pd.DataFrame:
        """A row a patient: class, probabilities, classes that cannot be ruled out, flags."""
        return prediction_table(self.model.service.model, self.answers)

    def __repr__(self) -> str:
        return f"Answers: {len(self.answers)} patients, {len(self.refused)} refused"

    def _repr_html_(self) -> str:
        shown = ""
        if self.answers:
            data = self.table.drop(columns=list(HIDDEN))
            rows = [[_rounded(cell) for cell in row] for row in data.itertuples(index=False)]
            shown = html.table(list(data.columns), rows)
        return shown + html.refusals(self.refused) + html.notice()


@dataclass(frozen=True, eq=False, repr=False)
class Maps:
    """What the answers for new patients rest on.

    Attributes:
        model: whose answers.
        explanations: one a patient.
        refused: as in ``Answers``.
    """

    model: Model
    explanations: tuple[Explanation, ...]
    refused: Refused = ()

    def write(self, folder: str | Path) -> None:
        """Write every map as NIfTI in the scan's space, and as a picture."""
        for each in self.explanations:
            write_maps(each, Path(folder))

    def __repr__(self) -> str:
        return f"Maps: {len(self.explanations)} patients, {len(self.refused)} refused"

    def _repr_html_(self) -> str:
        return "".join(map(self._one, self.explanations)) + html.refusals(self.refused)

    def _one(self, explanation: Explanation) -> str:
        lines = account_of(explanation, self.model.service.model.name).lines
        with tempfile.TemporaryDirectory() as folder:
            write_maps(explanation, Path(folder))
            drawn = Path(folder) / file_name(explanation.prepared.patient) / PICTURE
            shown = html.figure(lambda path: path.write_bytes(drawn.read_bytes()), lines[0])
        return shown + "".join(map(html.paragraph, lines))


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A deployed model, taken up once.

    Attributes:
        folder: MODEL.
        service: the same that commands and the reading page ask.
    """

    folder: Path
    service: Service

    def predict(
        self,
        cohort: Cohort | str | Path | None = None,
        *,
        t1: str | None = None,
        t2: str | None = None,
        roi: str | None = None,
        patient: str = "patient",
    ) -> Answers:
        """Grade a cohort, or one patient by its scans.

        Args:
            cohort: new patients.
            t1: instead: a NIfTI file or DICOM folder.
            t2: the same.
            roi: a mask, or x0,x1,y0,y1,z0,z1 in mm (RAS+).
            patient: what the one patient is called.

        Raises:
            UsageError: neither a cohort nor scans, or both.
        """
        asked = self._patients(cohort, t1, t2, roi, patient)
        readings, refused = _each(asked, self.service.read)
        return Answers(self, tuple(reading.answer for reading in readings), refused)

    def explain(
        self,
        cohort: Cohort | str | Path | None = None,
        *,
        method: str = "",
        wanted: str = "",
        t1: str | None = None,
        t2: str | None = None,
        roi: str | None = None,
        patient: str = "patient",
    ) -> Maps:
        """Maps of what the answers rest on.

        Args:
            cohort: new patients.
            method: one of ``model.service.methods``; empty for the first.
            wanted: the class to explain, or ``all``; empty for the predicted one.
            t1: instead of a cohort, as in ``predict``.
            t2: the same.
            roi: the same.
            patient: the same.

        Raises:
            UsageError: a model that is no network, or a method that does not serve it.
        """
        networks_of(self.service.model)
        chosen = method or self.service.methods[0]

        def read(one: Patient) -> Reading:
            return self.service.read(one, (chosen,), wanted)

        asked = self._patients(cohort, t1, t2, roi, patient)
        readings, refused = _each(asked, read)
        return Maps(self, tuple(each.explanations[0] for each in readings), refused)

    def _patients(
        self, cohort: Cohort | str | Path | None, t1: str | None, t2: str | None,
        roi: str | None, patient: str,
    ) -> list[Patient]:  # fmt: skip
        if (cohort is None) == (t1 is None and t2 is None):
            raise UsageError(
                "cohort, t1, t2",
                got="both or neither",
                expected="a cohort, or the scans of one patient",
                do="give one of them",
            )
        if cohort is None:
            return [single_patient(patient, t1, t2, roi)]
        return asked_patients(path_of(cohort), self.service.model.cohort)

    def __repr__(self) -> str:
        return f"Model: {self.service.model.name} on {self.service.model.inputs}"

    def _repr_html_(self) -> str:
        model = self.service.model
        facts = [
            ("model", model.name),
            ("inputs", model.inputs),
            ("classes", ", ".join(model.classes)),
            ("members", len(model.members)),
            ("calibrated", "yes" if model.calibration else "no"),
            ("maps", ", ".join(self.service.methods) or "none"),
        ]
        return html.table(("", "model"), facts) + html.notice()


@dataclass(frozen=True)
class Exported:
    """A model for other software.

    Attributes:
        report: what was written, and how far it is from the model.
    """

    report: ExportReport

    def _repr_html_(self) -> str:
        return "".join(html.paragraph(line) for line in self.report.text().splitlines())


@dataclass(frozen=True)
class Start:
    """A transformer's start.

    Attributes:
        folder: with the weights, their card and the curve of their making.
        text: how well it tells what it was taught.
    """

    folder: Path
    text: str

    def _repr_html_(self) -> str:
        return "".join(html.paragraph(line) for line in self.text.splitlines())


def train(
    prepared: Prepared | str | Path,
    folder: str | Path,
    study: studies.Study | None = None,
    *,
    model: str = "",
    inputs: str = "",
    workers: int | None = None,
    quiet: bool = True,
) -> Model:
    """Train one deployable model on all labelled patients.

    Args:
        prepared: the patients.
        folder: MODEL.
        study: None for every default.
        model: which; empty for the study's first.
        inputs: which; empty for the study's.
        workers: processes; None for one a core, 0 works in this one.
        quiet: no progress bar.

    Raises:
        StoreError: the folder holds another model.
    """
    run_train(
        folder_of(prepared), Path(folder), settings_or_default(study),
        model=(model,) if model else (), inputs=(inputs,) if inputs else (), workers=workers,
        quiet=quiet,
    )  # fmt: skip
    return open_model(folder)


def open_model(folder: str | Path) -> Model:
    """Take up a folder that ``train`` wrote; every file is checked.

    Raises:
        StoreError: there is no model, or it was altered.
    """
    return Model(Path(folder), Service.take_up(Path(folder)))


def export(
    model: Model | str | Path, to: Kind, folder: str | Path, *, quiet: bool = True
) -> Exported:
    """Write a model for other software, held to what the model says.

    Args:
        model: MODEL.
        to: ``onnx``, ``monai-bundle`` or ``timm``.
        folder: a new one.
        quiet: no progress bar.

    Raises:
        UsageError: a model that has no form there.
        StoreError: what was written says something else: nothing is kept then.
    """
    source = model.folder if isinstance(model, Model) else Path(model)
    return Exported(export_model(source, to, Path(folder), quiet=quiet))


def pretrain(
    folder: str | Path, *, workers: int | None = None, quiet: bool = True, **settings: object
) -> Start:
    """Make a transformer's start from labelled random scenes, or go on with one.

    Args:
        folder: of the start.
        workers: processes that draw; None for one a core.
        quiet: no progress bar.
        settings: of ``PretrainSettings``, by name.

    Raises:
        SettingsError: an unknown or impossible one.
    """
    chosen = PretrainSettings.parse(dict(settings), "pretrain")
    return Start(Path(folder), run_pretrain(Path(folder), chosen, workers=workers, quiet=quiet))


def _each(patients: list[Patient], read: Callable[[Patient], T]) -> tuple[list[T], Refused]:
    """Every patient's reading; one that is refused stops nobody."""
    done: list[T] = []
    refused: list[tuple[str, str]] = []
    for patient in patients:
        try:
            done.append(read(patient))
        except UsageError:  # of the question, for every patient alike
            raise
        except CystgridError as error:
            refused.append((patient.patient, str(error)))
    return done, tuple(refused)


def _rounded(cell: object) -> object:
    return f"{cell:.3f}" if isinstance(cell, float) else cell
