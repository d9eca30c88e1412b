"""A cohort of real scans with drawn lesions on disk; the same seed gives the same bytes."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.manifest import Manifest, Patient
from cystgrid.cohort.phantom.disease import LABELS
from cystgrid.cohort.phantom.nifti_files import write_nifti
from cystgrid.errors import CohortError, CystgridError
from cystgrid.insertion.insert import Host, Inserted, truth
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import file_name
from cystgrid.processes import each
from cystgrid.progress import progress_bar
from cystgrid.provenance import digest, json_text, write_json, write_text

COLUMNS = ("patient", "label", "t1", "t2", "roi", "center", "group", "sex", "age", "lesion")
ABOUT = "inserted.json"
NOTE = (
    "Real scans with drawn lesions: a benchmark on real tissue, no clinical data. No label here is "
    "of a patient."
)


@dataclass(frozen=True)
class InsertionReport:
    """What was done.

    Attributes:
        manifest: path of the new cohort.csv.
        written: patients in it.
        refused: ``(patient, reason)``.
        left_out: number of patients whose own label is a lesion's.
    """

    manifest: Path
    written: int
    refused: tuple[tuple[str, str], ...]
    left_out: int


@dataclass(frozen=True)
class _Job:
    """One patient's copies; travels to a worker process."""

    patient: Patient
    index: int
    folder: Path
    settings: PreparationSettings
    copies: int
    seed: int


@dataclass(frozen=True)
class _Done:
    index: int
    patient: str
    rows: tuple[dict[str, str], ...] = ()
    refused: str = ""


def insert_cohort(
    manifest: Manifest,
    folder: Path,
    classes: CohortSettings,
    settings: PreparationSettings,
    *,
    copies: int,
    seed: int,
    workers: int = 0,
    quiet: bool = False,
) -> InsertionReport:
    """Draw lesions into every normal patient of a cohort.

    Args:
        manifest: whose patients without a label, or of the study's first class, are taken.
        folder: made where it does not exist.
        classes: of the study.
        settings: how scans and regions are read.
        copies: of each patient; classes take turns, so 3 gives each patient one of each.
        seed: same seed, same bytes.
        workers: processes.
        quiet: no progress bar.

    Raises:
        CohortError: nobody is normal, or the folder holds another cohort.
    """
    normal = [p for p in manifest.patients if _is_normal(p, classes)]
    if not normal:
        raise CohortError(
            manifest.path,
            got=f"no patient without a label or of the class {classes.classes[0]}",
            expected="normal scans to draw lesions into",
            do="leave the label of such patients empty",
        )
    _claim(folder, manifest, settings, copies, seed)
    jobs = [
        _Job(patient, index, folder, settings, copies, seed) for index, patient in enumerate(normal)
    ]
    done: dict[int, _Done] = {}
    with progress_bar("drawing lesions", len(jobs), quiet=quiet) as advance:
        for one in each(_write, jobs, workers if workers > 1 else 0):
            done[one.index] = one
            advance(1)
    ordered = [done[index] for index in range(len(jobs))]
    rows = [row for one in ordered for row in one.rows]
    refused = tuple((one.patient, one.refused) for one in ordered if one.refused)
    path = folder / "cohort.csv"
    if rows:
        write_text(path, _table(rows))
    return InsertionReport(path, len(rows), refused, len(manifest.patients) - len(normal))


def _is_normal(patient: Patient, classes: CohortSettings) -> bool:
    return patient.label is None or classes.class_of(patient.label) == classes.classes[0]


def _name(patient: str, number: int) -> str:
    """Of a copy, counted from 0; the number behind the last dash tells it from every other."""
    return f"{patient}-{number + 1}"


def _claim(
    folder: Path, manifest: Manifest, settings: PreparationSettings, copies: int, seed: int
) -> None:
    """Write down what the folder holds, or refuse one that holds something else."""
    asked = {
        "note": NOTE,
        "patients": digest([[p.patient, p.t1, p.t2, p.roi] for p in manifest.patients]),
        "reading": settings.model_dump(mode="json"),
        "copies": copies,
        "seed": seed,
    }
    path = folder / ABOUT
    known = path.is_file() and path.read_text("utf-8") == json_text(asked)
    if not known and (path.exists() or (folder / "cohort.csv").exists()):
        raise CohortError(
            folder,
            got="a folder that holds another cohort",
            expected="a new folder, or the same patients and settings",
            do="choose another folder",
        )
    write_json(path, asked)


def _write(job: _Job) -> _Done:
    """Write one patient's copies."""
    try:
        host = Host.read(job.patient, job.settings)
        rows = tuple(_write_copy(job, host, number) for number in range(job.copies))
    except CystgridError as error:
        return _Done(job.index, job.patient.patient, refused=str(error))
    return _Done(job.index, job.patient.patient, rows)


def _write_copy(job: _Job, host: Host, number: int) -> dict[str, str]:
    label = LABELS[(job.index + number) % len(LABELS)]
    made = host.insert(label, job.index + number, job.seed)
    name = _name(job.patient.patient, number)
    place = f"scans/{file_name(name)}"
    files = {}
    for modality, scan in made.scans.items():
        files[modality] = f"{place}/{modality}.nii.gz"
        write_nifti(job.folder / files[modality], scan.voxels, scan.affine)
    write_json(job.folder / place / "truth.json", truth(name, job.patient.patient, made))
    return {
        "patient": name,
        "label": label,
        **files,
        "roi": _write_region(job.folder, place, made),
        "center": job.patient.center,
        "group": job.patient.group or job.patient.patient,
        "sex": job.patient.sex,
        "age": job.patient.age,
        "lesion": _write_mask(job.folder, f"{place}/lesion.nii.gz", made, made.lesion),
    }


def _write_region(folder: Path, place: str, made: Inserted) -> str:
    if made.region is not None:
        return _write_mask(folder, f"{place}/roi.nii.gz", made, made.region)
    return made.box or ""


def _write_mask(folder: Path, where: str, made: Inserted, mask: np.ndarray) -> str:
    affine = made.scans[made.reference].affine
    write_nifti(folder / where, mask.astype(np.uint8), affine)
    return where


def _table(rows: list[dict[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
