"""What a reader of scans asks for: which pair, which region, which maps; and whether it can be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cystgrid.cohort.manifest import Patient, box_edges, is_box
from cystgrid.errors import CohortError, ScanError
from cystgrid.page.studies import Study
from cystgrid.settings import Settings

SHOWN_DIGITS = 10
"""Of a patient's digest in a neutral id: it is no name, and cannot be turned into one."""


class Request(Settings):
    """What is asked of one study.

    Attributes:
        t1, t2: keys of series; empty for a scan that is not to be used.
        box: ``x0,x1,y0,y1,z0,z1`` in mm, RAS+; empty where a mask or the whole scan is meant.
        mask: key of a mask among the study's series; it goes before the box.
        label: of the mask's labels, where it has several: ``3`` or ``3+4``.
        as_proposed: whether the box is the one that the page began with.
        methods: of maps; empty for the usual ones.
    """

    t1: str = ""
    t2: str = ""
    box: str = ""
    mask: str = ""
    label: str = ""
    as_proposed: bool = False
    methods: tuple[str, ...] = ()


def neutral_id(patient_key: str) -> str:
    """By which files and results call a patient."""
    return f"patient-{patient_key[:SHOWN_DIGITS]}"


def asked_patient(
    request: Request, study: Study, folder: Path, patient_key: str, modalities: Sequence[str]
) -> Patient:
    """The patient as `predict` would be given it.

    Args:
        request: what was asked.
        study: what the upload holds.
        folder: of the study.
        patient_key: digest of the patient.
        modalities: scans that the model uses; another is left out.

    Raises:
        ScanError: a series that there is not, or that cannot be read, or one for both scans.
        CohortError: no box where there should be one.
    """
    chosen = {"t1": request.t1, "t2": request.t2}
    if request.t1 and request.t1 == request.t2:
        raise ScanError(
            "t1 and t2", got="the same series", expected="two series", do="choose another"
        )
    scans = {
        name: _reference(study, key, folder, name) if key and name in modalities else None
        for name, key in chosen.items()
    }
    name = neutral_id(patient_key)
    return Patient(
        name, t1=scans["t1"], t2=scans["t2"], roi=_region(request, study, folder), group=name
    )


def _reference(study: Study, key: str, folder: Path, name: str) -> str:
    series = study.of(key)
    if not series.usable:
        raise ScanError(
            name, got=f"a series that cannot be read: {series.why}", expected="another",
            do="choose another series",
        )  # fmt: skip
    return str(folder.absolute() / series.reference)


def _region(request: Request, study: Study, folder: Path) -> str | None:
    if request.mask:
        mask = _reference(study, request.mask, folder, "region")
        return f"{mask}#label={request.label}" if request.label else mask
    if not request.box:
        return None
    if not is_box(request.box) or box_edges(request.box) is None:
        raise CohortError(
            "region", got="no box", expected="six numbers in mm, each first below its second",
            do="draw the box, or correct the numbers",
        )  # fmt: skip
    return request.box
