"""A whole cohort's scans -> PREPARED. Running it again does only what is missing or changed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import SimpleITK as sitk  # noqa: N813 (the name all its users know)

from cystgrid.cohort.manifest import Manifest, Patient, is_box
from cystgrid.errors import CohortError, CystgridError, StoreError
from cystgrid.preparation.columns import naming_the_column
from cystgrid.preparation.patient import check_complete, missing_scans, prepare_patient
from cystgrid.preparation.region_file import roi_file
from cystgrid.preparation.settings import Modality, PreparationSettings
from cystgrid.preparation.store import (
    INDEX,
    check_arrays,
    patient_folder,
    read_card,
    write_card,
    write_index,
    write_patient,
)
from cystgrid.processes import each
from cystgrid.progress import progress_bar
from cystgrid.provenance import digest, refuse_other_kind, sha256_file, sha256_files
from cystgrid.scans.reading import scan_files
from cystgrid.scans.reference import Reference

PREPARATION_VERSION = 2
"""Counted up whenever the same scans and settings would give other voxels."""


@dataclass(frozen=True)
class PreparationReport:
    """What was done.

    Attributes:
        prepared: number of patients whose voxels were worked on.
        unchanged: number of patients found as they should be.
        refused: patients left out, each with the reason.
        seconds: wall time.
        lacking: number of patients that were not refused though they lack this scan, by modality.
    """

    prepared: int
    unchanged: int
    refused: tuple[tuple[str, str], ...]
    seconds: float
    lacking: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """One patient's result: ``card`` is the sha256 of its card, or ``refusal`` says why not."""

    patient: str
    card: str = ""
    worked: bool = False
    refusal: str = ""


def prepare_cohort(
    manifest: Manifest,
    folder: Path,
    settings: PreparationSettings,
    *,
    workers: int = 0,
    quiet: bool = False,
) -> PreparationReport:
    """Prepare every patient of a manifest into ``folder``.

    A patient that cannot be prepared is refused, leaves nothing behind, and stops nobody else. The
    same scans and settings give the same bytes, however many workers there are.

    Args:
        manifest: who is in the study.
        folder: PREPARED; made if need be.
        settings: how scans become crops.
        workers: processes; 0 works in this one. Each works with one thread.
        quiet: no progress bar.

    Raises:
        CohortError: two ids that some file systems cannot tell apart.
        StoreError: the folder cannot be written, or a worker process died.
    """
    began = time.monotonic()
    _check_names(manifest)
    refuse_other_kind(folder, INDEX)
    _check_writable(folder)
    outcomes: dict[str, Outcome] = {}
    work = partial(_prepare_one, folder=folder, settings=settings)
    with progress_bar("prepare", len(manifest.patients), quiet=quiet) as advance:
        for outcome in each(work, manifest.patients, workers):
            outcomes[outcome.patient] = outcome
            advance(1)
    ordered = [outcomes[patient.patient] for patient in manifest.patients]
    write_index(folder, settings, {o.patient: o.card for o in ordered if not o.refusal})
    taken = [patient for patient in manifest.patients if not outcomes[patient.patient].refusal]
    lacking = Counter(name for patient in taken for name in missing_scans(patient, settings))
    return PreparationReport(
        sum(o.worked for o in ordered),
        sum(not o.worked and not o.refusal for o in ordered),
        tuple((o.patient, o.refusal) for o in ordered if o.refusal),
        time.monotonic() - began,
        dict(sorted(lacking.items())),
    )


def patient_key(patient: Patient, settings: PreparationSettings) -> str:
    """Digest of all that a patient's voxels depend on: scans, region, settings, versions.

    Raises:
        ScanError: a file is not there.
    """
    scans = {name: _scan_digest(patient, name, settings) for name in settings.modalities}
    return digest(
        {
            # who is let in changes nobody's voxels
            "settings": settings.model_dump(mode="json", exclude={"missing_modality"}),
            "scans": scans,
            "roi": _mask_digest("roi", patient.roi),
            "lesion": _mask_digest("lesion", patient.lesion),
            "version": PREPARATION_VERSION,
            "SimpleITK": sitk.Version.VersionString(),
        }
    )


def _scan_digest(
    patient: Patient, modality: Modality, settings: PreparationSettings
) -> list[str] | None:
    """Of a scan's files and of the choice among them."""
    reference = patient.scan(modality)
    if reference is None:
        return None
    with naming_the_column(modality, reference):
        meant = Reference.parse(reference)
        return [sha256_files(scan_files(meant, settings.reading)), _choice(meant)]


def _mask_digest(column: str, reference: str | None) -> list[str] | str | None:
    """Of a mask's file and of the labels chosen in it; a box stands for itself."""
    if reference is None or is_box(reference):
        return reference
    with naming_the_column(column, reference):
        return [sha256_file(roi_file(reference)), _choice(Reference.parse(reference))]


def _choice(meant: Reference) -> str:
    """What is chosen after ``#``, whatever the path."""
    return repr((meant.series, meant.volume, meant.labels))


def _prepare_one(patient: Patient, folder: Path, settings: PreparationSettings) -> Outcome:
    """Prepare one patient if need be; a refusal is an outcome, and a bug is raised."""
    try:
        check_complete(patient, settings)
        key = patient_key(patient, settings)
        card = _reuse(patient, folder, key)
        if card is not None:
            return Outcome(patient.patient, card)
        prepared = prepare_patient(patient, settings)
        return Outcome(patient.patient, write_patient(folder, prepared, key), worked=True)
    except CystgridError as error:
        _remove(patient_folder(folder, patient.patient))
        return Outcome(patient.patient, refusal=str(error))


def _reuse(patient: Patient, folder: Path, key: str) -> str | None:
    """The sha256 of the card, brought up to date, if the stored voxels are the right ones."""
    try:
        card = read_card(folder, patient.patient)
        if card.get("key") != key:
            return None
        check_arrays(folder, card)
    except StoreError:
        return None
    described = {
        **card,
        "label": patient.label,
        "center": patient.center,
        "group": patient.group or patient.patient,
        "sex": patient.sex,
        "age": patient.age,
    }
    return write_card(folder, described)


def _remove(place: Path) -> None:
    """Take away what an earlier run left of a patient that is now refused."""
    if place.is_dir():
        for path in place.iterdir():
            path.unlink()
        place.rmdir()


def _check_names(manifest: Manifest) -> None:
    """Refuse ids that fall together where file names ignore case (Windows, macOS)."""
    seen: dict[str, list[str]] = defaultdict(list)
    for patient in manifest.patients:
        seen[patient.patient.casefold()].append(patient.patient)
    for names in seen.values():
        if len(names) > 1:
            raise CohortError(
                f"{manifest.path}: patient",
                got=f"{names[0]!r} and {names[1]!r}",
                expected="ids that differ by more than upper and lower case",
                do="rename one of them",
            )


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StoreError(
            folder,
            got=error.strerror,
            expected="a folder that can be written",
            do="choose another folder",
        ) from error
