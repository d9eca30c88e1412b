"""Prepared patients, and the grids that a network sees of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cystgrid import study as studies
from cystgrid.cohorts import run_prepare
from cystgrid.face import html
from cystgrid.face.cohorts import Cohort, path_of
from cystgrid.face.study import settings_or_default
from cystgrid.outputs.grids import GridPicture, central_window, draw_grids
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import Store

COLUMNS = ("patient", "label", "center", "slices", "scans", "flags")


@dataclass(frozen=True, eq=False, repr=False)
class Grid:
    """The central slices of a prepared patient in a square, row by row, from foot to head.

    Attributes:
        prepared: the patient.
        modalities: of the crop.
        cells: slices.
    """

    prepared: PreparedPatient
    modalities: tuple[str, ...]
    cells: int

    @property
    def values(self) -> NDArray[np.float32]:
        """``(modality, height, width)`` in the scanner's units, not standardised."""
        return np.stack([central_window(scan, self.cells) for scan in self.prepared.crop])

    def __repr__(self) -> str:
        return f"Grid: {self.cells} slices of {self.prepared.patient}"

    def _repr_html_(self) -> str:
        patient = self.prepared
        title = f"{patient.patient} ({patient.label or 'no label'})"
        shown = GridPicture(title, patient, self.modalities)
        return html.figure(lambda path: draw_grids([shown], self.cells, path), f"grid of {title}")


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """A folder of prepared patients.

    Attributes:
        store: open for reading.
        refused: patients that could not be prepared, each with the reason.
    """

    store: Store
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """PREPARED."""
        return self.store.folder

    @property
    def patients(self) -> tuple[str, ...]:
        """Names, sorted."""
        return self.store.patients

    def __len__(self) -> int:
        return len(self.store.patients)

    def __getitem__(self, patient: str) -> PreparedPatient:
        """One patient's crop and what is known of it.

        Raises:
            StoreError: there is no such patient, or its file was altered.
        """
        return self.store.load(patient)

    def grid(self, patient: str, cells: int = 9) -> Grid:
        """What a network sees of a patient, before standardisation.

        Args:
            patient: its name.
            cells: slices, a square number.

        Raises:
            StoreError: there is no such patient.
        """
        return Grid(self[patient], self.store.modalities, cells)

    def __repr__(self) -> str:
        return f"Prepared: {len(self)} patients"

    def _repr_html_(self) -> str:
        rows = [
            (e.patient, e.label or "-", e.center or "-", e.shape[1], e.shape[0], len(e.flags))
            for e in self.store.entries.values()
        ]
        caption = f"{len(self)} prepared patients"
        return html.table(COLUMNS, rows, caption) + html.refusals(self.refused)


def prepare(
    cohort: Cohort | str | Path,
    folder: str | Path,
    study: studies.Study | None = None,
    *,
    workers: int = 0,
    quiet: bool = True,
) -> Prepared:
    """Correct, align and crop a cohort's scans; what is there already is not made again.

    Args:
        cohort: whose.
        folder: PREPARED.
        study: how; None for every default.
        workers: processes; 0 works in this one.
        quiet: no progress bar.
    """
    report, _ = run_prepare(
        path_of(cohort), Path(folder), settings_or_default(study), workers=workers, quiet=quiet
    )
    return Prepared(Store.open(Path(folder)), report.refused)


def open_prepared(folder: str | Path) -> Prepared:
    """Open a folder that ``prepare`` wrote.

    Raises:
        StoreError: it is none, or was altered.
    """
    return Prepared(Store.open(Path(folder)))


def folder_of(prepared: Prepared | str | Path) -> Path:
    """PREPARED."""
    return prepared.folder if isinstance(prepared, Prepared) else Path(prepared)
