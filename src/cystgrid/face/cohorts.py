"""Cohorts: phantoms, the reader's own, and real scans with drawn lesions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cystgrid import study as studies
from cystgrid.cohort.manifest import Manifest, Patient, read_manifest
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_insert
from cystgrid.errors import CohortError
from cystgrid.face import html
from cystgrid.face.study import settings_or_default

COLUMNS = ("patient", "label", "center", "sex", "age", "t1", "t2", "roi")


@dataclass(frozen=True, eq=False, repr=False)
class Cohort:
    """The patients of a ``cohort.csv``, in its order.

    Attributes:
        manifest: as it was read.
        refused: patients that could not be made into it, each with the reason.
    """

    manifest: Manifest
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.manifest.path

    def __len__(self) -> int:
        return len(self.manifest.patients)

    def __iter__(self) -> Iterator[Patient]:
        return iter(self.manifest.patients)

    def __getitem__(self, name: str) -> Patient:
        """The patient of that name.

        Raises:
            CohortError: there is none.
        """
        for patient in self:
            if patient.patient == name:
                return patient
        raise CohortError(
            self.path, got=f"patient {name!r}", expected=f"one of its {len(self)}",
            do="look at its column patient",
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Cohort: {len(self)} patients"

    def _repr_html_(self) -> str:
        """A row a patient; of scans only whether there are any, as paths may name a person."""
        left_out = sum(self.manifest.excluded.values())
        caption = f"{len(self)} patients" + (f", {left_out} left out" if left_out else "")
        rows = [[_cell(patient, column) for column in COLUMNS] for patient in self]
        return html.table(COLUMNS, rows, caption) + html.refusals(self.refused)


def _cell(patient: Patient, column: str) -> str:
    value: Any = getattr(patient, column)
    if column in ("t1", "t2", "roi"):
        return "yes" if value else "-"
    return str(value or "-")


def phantom(
    folder: str | Path,
    *,
    patients: int,
    seed: int,
    image_format: Literal["nifti", "dicom"] = "nifti",
    reduction: float = 1.0,
    workers: int = 0,
    quiet: bool = True,
) -> Cohort:
    """Write digital phantoms with known lesions, and their ``cohort.csv``.

    Args:
        folder: where; the same phantoms may be there already.
        patients: how many.
        seed: the same seed gives the same bytes.
        image_format: of the scans.
        reduction: divides the in-plane matrices, for quick looks.
        workers: processes; 0 works in this one.
        quiet: no progress bar.

    Raises:
        CohortError: the folder holds another cohort.
    """
    path = write_phantom_cohort(
        Path(folder), patients=patients, seed=seed, image_format=image_format,
        reduction=reduction, workers=workers, quiet=quiet,
    )  # fmt: skip
    return read_cohort(path)


def read_cohort(path: str | Path, study: studies.Study | None = None) -> Cohort:
    """Read a ``cohort.csv``.

    Args:
        path: the file.
        study: its classes; None for normal, low and high.

    Raises:
        CohortError: with every fault of the file.
    """
    return Cohort(read_manifest(Path(path), settings_or_default(study).cohort))


def insert(
    cohort: Cohort | str | Path,
    folder: str | Path,
    study: studies.Study | None = None,
    *,
    copies: int = 3,
    seed: int = 0,
    workers: int = 0,
    quiet: bool = True,
) -> Cohort:
    """Draw lesions with known truth into a cohort's normal scans, for benchmarks.

    Args:
        cohort: whose normal patients are taken.
        folder: of the new cohort.
        study: how scans and regions are read.
        copies: of each patient; classes take turns.
        seed: the same seed gives the same bytes.
        workers: processes; 0 works in this one.
        quiet: no progress bar.

    Raises:
        CohortError: nobody is normal, or the folder holds another cohort.
    """
    chosen = settings_or_default(study)
    report = run_insert(
        path_of(cohort), Path(folder), chosen, copies=copies, seed=seed, workers=workers,
        quiet=quiet,
    )  # fmt: skip
    return Cohort(read_manifest(report.manifest, chosen.cohort), report.refused)


def path_of(cohort: Cohort | str | Path) -> Path:
    """The manifest's path."""
    return cohort.path if isinstance(cohort, Cohort) else Path(cohort)
