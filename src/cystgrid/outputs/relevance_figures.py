"""The panels of the paper's Fig. 2 and Fig. 3: which scan and which map stand where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cystgrid.explanations.patient_map import PatientMap
from cystgrid.outputs.relevance import Panel
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import reference_of


@dataclass(frozen=True, eq=False)
class Graded:
    """One model's answer for a patient.

    Attributes:
        model: its name and inputs.
        predicted: its class.
        probability: of that class.
        made: the map.
    """

    model: str
    predicted: str
    probability: float
    made: PatientMap


@dataclass(frozen=True, eq=False)
class Case:
    """A row of a figure.

    Attributes:
        prepared: the patient.
        label: its true class.
        graded: the models that are shown, in order.
    """

    prepared: PreparedPatient
    label: str
    graded: tuple[Graded, ...]


def scan_panels(
    title: str, prepared: PreparedPatient, modalities: Sequence[str], made: PatientMap
) -> list[Panel]:
    """The scans alone, on the slices of a map."""
    return [
        Panel(f"{title}\n{name.upper()}", prepared, number, made.window)
        for number, name in enumerate(modalities)
    ]


def map_panels(
    title: str, prepared: PreparedPatient, modalities: Sequence[str], made: PatientMap
) -> list[Panel]:
    """Each map on the scan that it speaks of; one of both scans on the one the crop follows."""
    panels = []
    for of, values in made.seen:
        ground = of if of in modalities else reference_of(_present(prepared, modalities))
        told = ground.upper() if ground == of else f"{of.upper()}, shown on {ground.upper()}"
        panels.append(
            Panel(
                f"{title}\n{made.method.name} of {told}",
                prepared,
                list(modalities).index(ground),
                made.window,
                values,
            )
        )
    return panels


def _present(prepared: PreparedPatient, modalities: Sequence[str]) -> list[str]:
    return [name for name, there in zip(modalities, prepared.present, strict=True) if there]


def correct_rows(cases: Sequence[Case], modalities: Sequence[str]) -> list[list[Panel]]:
    """Fig. 3: a row a case, the scans and the maps of one model."""
    rows = []
    for case in cases:
        (graded,) = case.graded
        title = f"{case.prepared.patient}, {case.label}"
        told = f"{graded.model}: {graded.predicted} {graded.probability:.2f}"
        rows.append(
            scan_panels(title, case.prepared, modalities, graded.made)
            + map_panels(told, case.prepared, modalities, graded.made)
        )
    return rows


def comparison_rows(cases: Sequence[Case], modalities: Sequence[str]) -> list[list[Panel]]:
    """Fig. 2: a row a case, the scans and then the maps of every model."""
    rows = []
    for case in cases:
        title = f"{case.prepared.patient}, {case.label}"
        row = scan_panels(title, case.prepared, modalities, case.graded[-1].made)
        for graded in case.graded:
            verdict = "right" if graded.predicted == case.label else "wrong"
            told = f"{graded.model}: {graded.predicted} {graded.probability:.2f}, {verdict}"
            row += map_panels(told, case.prepared, modalities, graded.made)
        rows.append(row)
    return rows
