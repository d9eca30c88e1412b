"""cohort.csv: one row a patient. Read whole; every fault is reported in one go, with its line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, field_validator

from cystgrid.errors import CohortError
from cystgrid.settings import Settings

REQUIRED_COLUMNS = ("patient", "label", "t1", "t2", "roi")
MODALITIES = ("t1", "t2")
FAULTS_SHOWN = 10


class CohortSettings(Settings):
    """Which classes there are, and which labels are left out.

    Attributes:
        classes: class names, in order of risk.
        exclude: labels whose patients are left out, and counted.
    """

    classes: tuple[str, ...] = Field(default=("normal", "low", "high"), min_length=2)
    exclude: tuple[str, ...] = ("adenocarcinoma",)

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("class names that differ from each other")
        return classes


@dataclass(frozen=True)
class Patient:
    """One row of the manifest.

    Attributes:
        patient: unique id; the only name ever shown.
        label: class name, or None for a patient to predict.
        t1, t2: absolute reference of a scan (file, folder, ``folder#SeriesInstanceUID``) or None.
        roi: absolute path of a mask, or ``x0,x1,y0,y1,z0,z1`` in mm RAS+, or None.
        group: patients of one group are never split apart; the patient itself if none is given.
        lesion: absolute path of a mask of known lesions, to check pictures and explanations by.
        line: line of the manifest, for messages.
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

    def scan(self, modality: str) -> str | None:
        """The reference of the ``t1`` or ``t2`` scan."""
        return {"t1": self.t1, "t2": self.t2}[modality]


@dataclass(frozen=True)
class Manifest:
    """The patients of a cohort, in the file's order, and who was left out by label.

    Attributes:
        path: the file that was read.
        patients: those to work on.
        excluded: number of patients left out, by label.
    """

    path: Path
    patients: tuple[Patient, ...]
    excluded: dict[str, int] = field(default_factory=dict)


def read_manifest(path: Path, settings: CohortSettings | None = None) -> Manifest:
    """Read ``cohort.csv``.

    Raises:
        CohortError: with all faults of the file, each with its line number.
    """
    settings = settings or CohortSettings()
    rows = _read_rows(path)
    faults: list[str] = []
    patients = [_patient(row, line, path.parent, settings, faults) for line, row in rows]
    for name, count in Counter(patient.patient for patient in patients).items():
        if name and count > 1:
            lines = ", ".join(str(p.line) for p in patients if p.patient == name)
            faults.append(f"lines {lines}: patient {name!r} stands {count} times")
    if faults:
        shown = "; ".join(faults[:FAULTS_SHOWN])
        more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise CohortError(
            path,
            got=f"{len(faults)} faults ({shown}{more})",
            expected="none",
            do="correct these lines and run again",
        )
    kept = tuple(p for p in patients if p.label not in settings.exclude)
    left_out = Counter(p.label for p in patients if p.label is not None and p not in kept)
    return Manifest(path, kept, dict(left_out))


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The file's rows as dictionaries of stripped text, each with its line number."""
    if not path.is_file():
        raise CohortError(path, got="no such file", expected="a cohort.csv", do="check the path")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CohortError(
            path,
            got=f"a byte that is not UTF-8 at position {error.start}",
            expected="UTF-8 text",
            do="save the file as CSV UTF-8",
        ) from error
    if text.startswith("\ufeff"):  # Excel's byte-order mark carries no meaning in UTF-8
        text = text[1:]
    reader = csv.DictReader(io.StringIO(text), strict=True)
    header = [name.strip() for name in reader.fieldnames or []]
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    if missing or len(set(header)) != len(header):
        hint = " (the columns seem separated by ';')" if ";" in (header or [""])[0] else ""
        raise CohortError(
            f"{path}: header",
            got=f"{','.join(header)!r}{hint}",
            expected=f"the columns {','.join(REQUIRED_COLUMNS)}, each once, separated by commas",
            do="add the header row, one name a column",
        )
    reader.fieldnames = header
    try:
        return [(reader.line_num, _stripped(row, path, reader.line_num)) for row in reader]
    except csv.Error as error:
        raise CohortError(
            f"{path}: line {reader.line_num}",
            got=str(error),
            expected="well-formed CSV",
            do="correct this line",
        ) from error


def _stripped(row: dict[str, str | None], path: Path, line: int) -> dict[str, str]:
    if None in row or None in row.values():  # csv's marks for too many and too few cells
        raise CohortError(
            f"{path}: line {line}",
            got="another number of cells than the header has",
            expected="one cell a column",
            do='quote cells that hold commas: "1,2,3"',
        )
    return {name: (cell or "").strip() for name, cell in row.items()}


def _patient(
    row: dict[str, str], line: int, folder: Path, settings: CohortSettings, faults: list[str]
) -> Patient:
    """One row; what is wrong with it is added to ``faults``."""
    label = row["label"] or None
    if not row["patient"]:
        faults.append(f"line {line}: no patient id")
    if label is not None and label not in (*settings.classes, *settings.exclude):
        known = ", ".join((*settings.classes, *settings.exclude))
        faults.append(f"line {line}: unknown label {label!r} (known: {known})")
    scans = {modality: _reference(row[modality], folder) for modality in MODALITIES}
    for modality, reference in scans.items():
        if reference is not None and not Path(reference.split("#")[0]).exists():
            faults.append(f"line {line}: {modality} does not exist: {row[modality]}")
    lesion = _reference(row.get("lesion", ""), folder)
    if lesion is not None and not Path(lesion).is_file():
        faults.append(f"line {line}: lesion does not exist: {row['lesion']}")
    return Patient(
        patient=row["patient"],
        label=label,
        t1=scans["t1"],
        t2=scans["t2"],
        roi=_roi(row["roi"], folder, line, faults),
        center=row.get("center", ""),
        group=row.get("group", "") or row["patient"],
        lesion=lesion,
        line=line,
    )


def _reference(cell: str, folder: Path) -> str | None:
    return str((folder / cell).absolute()) if cell else None


def _roi(cell: str, folder: Path, line: int, faults: list[str]) -> str | None:
    """A box is kept as it is written; a mask's path is made absolute."""
    if not cell or is_box(cell):
        return cell or None
    if not (folder / cell).is_file():
        faults.append(f"line {line}: roi is neither x0,x1,y0,y1,z0,z1 nor an existing mask: {cell}")
    return _reference(cell, folder)


def is_box(roi: str) -> bool:
    """Whether ``roi`` is written as six numbers."""
    parts = roi.split(",")
    try:
        return len([float(part) for part in parts]) == 6
    except ValueError:
        return False
