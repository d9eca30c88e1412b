"""cohort.csv: one row a patient. Read whole; every fault is reported in one go, with its line.

One line is one row: a line break within quotes is refused, so that a quote that was forgotten
costs its own line and not the rest of the file.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cystgrid.cohort.cells import path_fault, same_to_the_eye, text_fault
from cystgrid.cohort.classes import SHOWN_LABEL, CohortSettings, Merged
from cystgrid.cohort.findings import Finding
from cystgrid.cohort.manifest_file import (
    TEXT_COLUMNS,
    cells_of,
    column_names,
    manifest_lines,
)
from cystgrid.cohort.shown_paths import whereabouts
from cystgrid.errors import CohortError, CystgridError
from cystgrid.scans.reference import FORMS, path_part

MODALITIES = ("t1", "t2")
PATH_COLUMNS = (*MODALITIES, "roi", "lesion")
PATHS = " (paths begin in the folder of this file)"
FAULTS_SHOWN = 10


@dataclass(frozen=True)
class Patient:
    """One row of the manifest.

    Attributes:
        patient: unique id; the only name ever shown.
        label: as it stands in the file (the study makes a class of it), or None for a patient to
            predict.
        t1, t2: absolute reference of a scan (file, folder, ``folder#SeriesInstanceUID``) or None.
        roi: absolute reference of a mask or of a folder with one, or ``x0,x1,y0,y1,z0,z1`` in mm
            RAS+, or None.
        group: patients of one group are never split apart; the patient itself if none is given.
        lesion: absolute path of a mask of known lesions, to check pictures and explanations by.
        line: line of the manifest, for messages.
        sex, age: as they stand in the file.
    """

    patient: str
    label: str | None = None
    t1: str | None = None
    t2: str | None = None
    roi: str | None = None
    center: str = ""
    group: str = ""
    lesion: str | None = None
    line: int = 0
    sex: str = ""
    age: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that could not stand in a manifest, from wherever it comes.

        Raises:
            CohortError: a spreadsheet would take it for a formula, or it cannot be seen.
        """
        if fault := text_fault(self.patient):
            raise CohortError(
                "patient", got=f"{self.patient!a}, which {fault.partition(';')[0]}",
                expected="a name of letters and digits", do="give the patient another name",
            )  # fmt: skip

    def scan(self, modality: str) -> str | None:
        """The reference of the ``t1`` or ``t2`` scan."""
        return {"t1": self.t1, "t2": self.t2}[modality]


@dataclass(frozen=True)
class Manifest:
    """The patients of a cohort, in the file's order, and what the study makes of their labels.

    Attributes:
        path: the file that was read.
        patients: those to work on.
        excluded: number of patients left out, by label.
        merged: labels that are another class in the study.
    """

    path: Path
    patients: tuple[Patient, ...]
    excluded: dict[str, int] = field(default_factory=dict)
    merged: tuple[Merged, ...] = ()


def read_manifest(path: Path, settings: CohortSettings | None = None) -> Manifest:
    """Read ``cohort.csv``.

    Raises:
        CohortError: with all faults of the file, each with its line number and patient; no path is
            in it but the manifest's own, and of what is not there those that name nobody.
    """
    manifest, faults = manifest_faults(path, settings)
    if not faults:
        return manifest
    shown = "; ".join(str(fault) for fault in faults[:FAULTS_SHOWN])
    more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
    raise CohortError(
        path,
        got=f"{len(faults)} fault{'s' if len(faults) > 1 else ''} ({shown}{more})",
        expected="none",
        do=f"correct these lines{PATHS if _paths(faults) else ''} and run again; "
        "`cystgrid cohort check` lists all of them",
    )


def _paths(faults: Iterable[Finding]) -> bool:
    return any(fault.column in PATH_COLUMNS for fault in faults)


def asked_patients(source: Path | Patient, settings: CohortSettings) -> list[Patient]:
    """Those of a manifest, or the one that was given."""
    return (
        [source] if isinstance(source, Patient) else list(read_manifest(source, settings).patients)
    )


def manifest_faults(
    path: Path, settings: CohortSettings | None = None
) -> tuple[Manifest, tuple[Finding, ...]]:
    """Read ``cohort.csv`` as far as it goes.

    Returns:
        Every row of which something can be read, faulty ones too: what is wrong in a cell is left
        out of its ``Patient``, as if the cell were empty, and two rows of one id are both there;
        and all faults, by line. Without faults the manifest is what ``read_manifest`` returns.

    Raises:
        CohortError: no such file, or one in which no row can be told from another: not UTF-8, no
            header, semicolons, too large.
    """
    settings = settings or CohortSettings()
    lines = manifest_lines(path)
    header = column_names(path, lines[0])
    reader = _RowReader(header, path.absolute().parent, settings)
    patients = [
        patient
        for number, line in enumerate(lines[1:], start=2)
        if line.strip(" \t,") and (patient := reader.read(line, number)) is not None
    ]
    if not patients and not reader.faults:
        raise CohortError(
            path, got="a header and no patient", expected="one row a patient", do="add the patients"
        )
    _find_repeated(patients, reader.faults)
    kept = tuple(patient for patient in patients if patient.label not in settings.exclude)
    excluded = Counter(p.label for p in patients if p.label in settings.exclude and p.label)
    merged = settings.merged(patient.label for patient in kept)
    return Manifest(path, kept, dict(excluded), merged), tuple(sorted(reader.faults))


@dataclass
class _RowReader:
    """Rows become patients; what is wrong with them gathers in ``faults``."""

    header: list[str]
    folder: Path
    settings: CohortSettings
    faults: list[Finding] = field(default_factory=list)
    _there: dict[str, bool] = field(default_factory=dict)
    _known: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._known = self.settings.labels

    def read(self, line: str, number: int) -> Patient | None:
        """One row; None where its cells cannot be told apart or it names nobody."""
        try:
            raw = cells_of(line)
        except csv.Error:
            self._fault(number, "", "", "a quote is not closed: a row is one line, quotes included")
            return None
        if len(raw) != len(self.header):
            self._fault(
                number, "", "",
                f"holds {len(raw)} cells, the header {len(self.header)}; "
                'quote cells that hold commas: "1,2,3"',
            )  # fmt: skip
            return None
        row = dict(zip(self.header, raw, strict=True))
        patient = "" if text_fault(row["patient"]) else row["patient"].strip()
        cells = {name: self._clean(row, name, number, patient) for name in self.header}
        if not row["patient"].strip():
            self._fault(number, "", "patient", "is empty: every row needs an id")
        return Patient(
            patient=patient,
            label=self._label(cells["label"], number, patient),
            t1=self._reference(cells, "t1", number),
            t2=self._reference(cells, "t2", number),
            roi=self._roi(cells, number),
            center=cells.get("center", ""),
            group=cells.get("group", "") or patient,
            lesion=self._reference(cells, "lesion", number),
            line=number,
            sex=cells.get("sex", ""),
            age=cells.get("age", ""),
        )

    def _clean(self, row: dict[str, str], name: str, line: int, patient: str) -> str:
        """A cell without the spaces around it, empty where it is faulty."""
        check = text_fault if name in TEXT_COLUMNS else path_fault if name in PATH_COLUMNS else None
        fault = check(row[name]) if check and row[name] else None
        if fault:
            self._fault(line, patient, name, fault)
            return ""
        return row[name].strip()

    def _label(self, label: str, line: int, patient: str) -> str | None:
        if not label or label in self._known:
            return label or None
        shown = f" {label!r}" if SHOWN_LABEL.fullmatch(label) else ""
        self._fault(line, patient, "label", f"is unknown:{shown} (known: {', '.join(self._known)})")
        return None

    def _reference(self, cells: dict[str, str], name: str, line: int) -> str | None:
        """The absolute reference, None where nothing is given or nothing is there."""
        cell = cells.get(name, "")
        if not cell:
            return None
        reference = str(self.folder / cell)
        if self._exists(reference):
            return reference
        self._fault(line, cells["patient"], name, self._why_not(cells, name, "does not exist"))
        return None

    def _roi(self, cells: dict[str, str], line: int) -> str | None:
        """A box is kept as it is written; a mask's path is made absolute."""
        cell = cells["roi"]
        if cell and is_box(cell) and box_edges(cell) is None:
            message = "is no box: x0 < x1, y0 < y1 and z0 < z1 in mm are wanted"
            self._fault(line, cells["patient"], "roi", message)
            return None
        if not cell or is_box(cell):
            return cell or None
        reference = str(self.folder / cell)
        if self._exists(reference):
            return reference
        message = "is neither an existing mask nor x0,x1,y0,y1,z0,z1 in mm, separated by commas"
        self._fault(line, cells["patient"], "roi", self._why_not(cells, "roi", message))
        return None

    def _why_not(self, cells: dict[str, str], name: str, otherwise: str) -> str:
        """What is wrong with a reference to nothing, as far as it can be told."""
        cell = cells[name]
        before, mark, _ = cell.rpartition("#")
        if mark and before and self._exists(str(self.folder / before)):
            return f"has something after '#' that is no choice: expected {FORMS}"
        if "\\" in cell:
            return f"{otherwise} (folders are separated by '/', not by a backslash)"
        return otherwise + whereabouts(cell, self.folder, cells["patient"])

    def _exists(self, reference: str) -> bool:
        if reference not in self._there:
            try:
                self._there[reference] = path_part(reference).exists()
            except (CystgridError, OSError, ValueError):  # a name that no file can have
                self._there[reference] = False
        return self._there[reference]

    def _fault(self, line: int, patient: str, column: str, message: str) -> None:
        self.faults.append(Finding(line, patient, column, message))


def _find_repeated(patients: list[Patient], faults: list[Finding]) -> None:
    """Ids that stand twice, or that some file systems cannot tell apart."""
    first: dict[str, Patient] = {}
    for patient in patients:
        if not patient.patient:
            continue
        before = first.setdefault(same_to_the_eye(patient.patient), patient)
        if before is patient:
            continue
        same = before.patient == patient.patient
        what = "stands" if same else "differs by upper and lower case alone from an id"
        message = f"{patient.patient!r} {what} on line {before.line}" + (" already" if same else "")
        faults.append(Finding(patient.line, patient.patient, "patient", message))


def box_edges(roi: str) -> tuple[tuple[float, float], ...] | None:
    """Lower and upper edge along x, y, z in mm, or None where the six numbers make no box."""
    numbers = [float(part) for part in roi.split(",")]
    edges = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    sound = all(math.isfinite(low) and math.isfinite(high) and low < high for low, high in edges)
    return edges if sound else None


def is_box(roi: str) -> bool:
    """Whether ``roi`` is written as six numbers."""
    parts = roi.split(",")
    try:
        return len([float(part) for part in parts]) == 6
    except ValueError:
        return False
