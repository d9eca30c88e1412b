"""A cohort of digital phantoms on disk: scans, truth and the manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from cystgrid.cohort.phantom.dicom_files import Series, write_series
from cystgrid.cohort.phantom.imaging import Image, Phantom, image_phantom, truth
from cystgrid.cohort.phantom.nifti_files import write_nifti
from cystgrid.errors import CohortError
from cystgrid.processes import each
from cystgrid.progress import progress_bar
from cystgrid.provenance import write_json, write_text

ImageFormat = Literal["nifti", "dicom"]
COLUMNS = ("patient", "label", "t1", "t2", "roi", "center", "sex", "age", "lesion")
MARK = "Digital phantoms made by cystgrid. No clinical data."
"""The first line of a phantom cohort's README.txt."""

README = """\
{mark}

No patient was examined: every scan here is computed from geometric shapes, tissue signals and a
model of a scanner. They are meant for trying software, never for learning about disease.

cohort.csv           one row a phantom: label, both scans, pancreas mask (roi), lesion mask
scans/<patient>/     T1- and T2-weighted scan, each on its own grid
truth/<patient>/     pancreas.nii.gz and lesion.nii.gz on the T2 scan's grid; truth.json with the
                     cysts, the main duct, the breathing shift and the scanner, in mm, RAS+

Made with: {patients} patients, seed {seed}, format {image_format}, reduction {reduction:g}.
"""


@dataclass(frozen=True)
class _Job:
    """One patient to be written; travels to a worker process."""

    folder: Path
    seed: int
    index: int
    image_format: ImageFormat
    reduction: float


def write_phantom_cohort(
    folder: Path,
    *,
    patients: int,
    seed: int,
    image_format: ImageFormat = "nifti",
    workers: int = 0,
    quiet: bool = False,
    reduction: float = 1.0,
) -> Path:
    """Write a cohort of phantoms; the same seed gives the same bytes, whatever ``workers``.

    Classes take turns normal, low, high; the seven centres take turns every three patients, so
    neither tells the other. A patient depends on ``seed`` and its place in the cohort only: the
    first ten of a cohort of ninety are those of a cohort of ten.

    Args:
        folder: made where it does not exist; the same phantoms may be there already.
        patients: how many, at least 1.
        seed: not negative.
        image_format: of the scans; masks are always NIfTI.
        workers: processes; 0 or 1 works in this one.
        quiet: no progress bar.
        reduction: divides the in-plane matrices, for quick looks; 1 is a full scan.

    Returns:
        The path of ``cohort.csv``; its columns are ``COLUMNS``, its paths relative to it.

    Raises:
        CohortError: ``patients``, ``seed``, ``workers`` or ``image_format`` makes no sense; or the
            folder holds another cohort.
    """
    _check(patients, seed, image_format, workers, reduction)
    readme = README.format(
        mark=MARK, patients=patients, seed=seed, image_format=image_format, reduction=reduction
    )
    _check_folder(folder, readme)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.txt", readme)
    jobs = [_Job(folder, seed, index, image_format, reduction) for index in range(patients)]
    rows: dict[int, dict[str, str]] = {}
    with progress_bar("phantoms", patients, quiet=quiet) as advance:
        for index, row in each(_write_patient, jobs, workers if workers > 1 else 0):
            rows[index] = row
            advance(1)
    manifest = folder / "cohort.csv"
    write_text(manifest, _table([rows[index] for index in range(patients)]))
    return manifest


def is_phantom_cohort(manifest: Path) -> bool:
    """Whether a manifest lies in a folder that ``write_phantom_cohort`` wrote."""
    readme = manifest.parent / "README.txt"
    if not readme.is_file():
        return False
    with readme.open("rb") as stream:
        return stream.read(len(MARK)) == MARK.encode()


def _check(patients: int, seed: int, image_format: str, workers: int, reduction: float) -> None:
    faults = (
        (patients >= 1, "patients", patients, "at least 1"),
        (seed >= 0, "seed", seed, "a whole number from 0"),
        (workers >= 0, "workers", workers, "a whole number from 0"),
        (image_format in ("nifti", "dicom"), "format", image_format, "nifti or dicom"),
        (reduction >= 1, "reduction", reduction, "at least 1"),
    )
    for good, where, got, expected in faults:
        if not good:
            raise CohortError(where, got=got, expected=expected, do="correct it and run again")


def _check_folder(folder: Path, readme: str) -> None:
    """Refuse a folder in which another cohort, ours or anybody's, would be replaced."""
    path = folder / "README.txt"
    found = path.read_bytes() if path.is_file() else b""
    if found != readme.encode() and ((folder / "cohort.csv").exists() or found):
        raise CohortError(
            folder,
            got="a folder that holds another cohort",
            expected="a new folder, or the same phantoms",
            do="choose another folder",
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrix products on one thread, so that their last bits never depend on the machine's load."""
    with threadpool_limits(limits=1):
        yield


def _write_patient(job: _Job) -> tuple[int, dict[str, str]]:
    """Write one patient's files; returns its index and its row of the manifest."""
    with _one_thread():
        phantom = image_phantom(job.seed, job.index, job.reduction)
    name = phantom.name
    truth_folder = job.folder / "truth" / name
    for mask, file in ((phantom.pancreas, "pancreas"), (phantom.lesion, "lesion")):
        write_nifti(truth_folder / f"{file}.nii.gz", mask.astype(np.uint8), phantom.t2.affine)
    write_json(truth_folder / "truth.json", truth(phantom))
    row = {
        "patient": name,
        "label": phantom.patient.disease.label,
        "roi": f"truth/{name}/pancreas.nii.gz",
        "center": phantom.center.name,
        "sex": phantom.patient.sex,
        "age": str(phantom.patient.age),
        "lesion": f"truth/{name}/lesion.nii.gz",
    }
    for weighting, image in (("t1", phantom.t1), ("t2", phantom.t2)):
        row[weighting] = _write_image(job, phantom, weighting, image)
    return job.index, row


def _write_image(job: _Job, phantom: Phantom, weighting: str, image: Image) -> str:
    """Write one scan; returns its path relative to the manifest."""
    where = f"scans/{phantom.name}/{weighting}"
    if job.image_format == "nifti":
        voxels = np.rint(image.voxels).clip(0, 32767).astype(np.int16)
        write_nifti(job.folder / f"{where}.nii.gz", voxels, image.affine)
        return f"{where}.nii.gz"
    series = Series(
        phantom.name, weighting, phantom.patient.sex, phantom.patient.age, phantom.center.name,
        phantom.center.field_strength, image.fat_suppressed, image.thickness, str(job.seed),
    )  # fmt: skip
    write_series(job.folder / where, image.voxels, image.affine, series)
    return where


def _table(rows: list[dict[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
