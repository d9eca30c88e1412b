"""What an import makes of a folder: patients for cohort.csv, and an account of all the rest."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath

from cystgrid.cohort.cells import FORMULA_STARTS as FORMULAS
from cystgrid.cohort.manifest import MODALITIES, is_box
from cystgrid.cohort.manifest_file import REQUIRED_COLUMNS
from cystgrid.cohort.splits import Splits
from cystgrid.errors import CohortError, path_text
from cystgrid.provenance import write_text
from cystgrid.scans.reference import path_part

OPTIONAL_COLUMNS = ("center", "group", "sex", "age")
FORMULA_STARTS = (*FORMULAS, "-", "－")  # noqa: RUF001
"""What a spreadsheet takes for the beginning of a formula."""
EXAMPLES_SHOWN = 5


@dataclass(frozen=True)
class ImportedPatient:
    """One row of the manifest to be; every field is text, and empty where nothing is known.

    Attributes:
        patient: unique id.
        label: class name.
        t1, t2: absolute reference of a scan, as ``scans.reference`` takes it.
        roi: absolute reference of a mask, or ``x0,x1,y0,y1,z0,z1`` in mm RAS+.
        center: where the scans were made.
        group: patients of one group are never split apart.
        sex, age: as the source states them.
    """

    patient: str
    label: str = ""
    t1: str = ""
    t2: str = ""
    roi: str = ""
    center: str = ""
    group: str = ""
    sex: str = ""
    age: str = ""


@dataclass(frozen=True)
class ImportResult:
    """What was found in a folder, what became of it, and what did not.

    Ids stand only in ``patients``, ``left_out``, ``flagged`` and ``splits``, where pseudonyms can
    take their place; no reason or note holds an id or a path.

    Attributes:
        patients: the manifest's rows, in natural order of their ids.
        found: counts of what lies there, by name (``{"T1 images": 723}``).
        left_out: what did not become (part of) a patient, as ``(id, why)``; no id where it has
            none.
        notes: what was assumed or is worth knowing, a sentence each.
        splits: published folds by name, over ``patients`` only.
        flagged: patients that were kept and have something to look at, as ``(id, what)``.
    """

    patients: tuple[ImportedPatient, ...]
    found: dict[str, int] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    splits: dict[str, Splits] = field(default_factory=dict)
    flagged: tuple[tuple[str, str], ...] = ()


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key by which ``p2`` stands before ``p10``."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((0, int(p), p) if p.isascii() and p.isdigit() else (1, 0, p) for p in parts)


def write_manifest(result: ImportResult, path: Path, overwrite: bool = False) -> None:
    """Write ``cohort.csv``; paths in it are relative to the file. The same result, the same bytes.

    Args:
        result: what an import found.
        path: the file to write.
        overwrite: whether a file of other content may be replaced.

    Raises:
        CohortError: no patients; ids that do not hold together; the file is there and differs.
    """
    text = manifest_text(result, path)
    refuse_to_replace({path: text}, overwrite)
    write_text(path, text)


def refuse_to_replace(texts: Mapping[Path, str], overwrite: bool = False) -> None:
    """Refuse files that are there and would change; nothing is written here.

    Raises:
        CohortError: naming the first.
    """
    for path, text in texts.items():
        if path.is_dir() or (path.exists() and not overwrite and not _holds(path, text)):
            raise CohortError(
                path,
                got="a folder" if path.is_dir() else "a file that is there already and differs",
                expected="no such file",
                do="choose another name, or give --overwrite to replace a file",
            )


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def manifest_text(result: ImportResult, path: Path) -> str:
    """The manifest as it is written to ``path``.

    Raises:
        CohortError: no patients, or ids that do not hold together.
    """
    check_ids(result)
    return _manifest_text(result, path.absolute().parent)


def _manifest_text(result: ImportResult, folder: Path) -> str:
    rows = [asdict(p) for p in sorted(result.patients, key=lambda p: natural_key(p.patient))]
    optional = [name for name in OPTIONAL_COLUMNS if any(row[name] for row in rows)]
    for row in rows:
        for name in (*MODALITIES, "roi"):
            row[name] = _relative(row[name], folder)
    stream = io.StringIO(newline="")
    columns = [*REQUIRED_COLUMNS, *optional]
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _relative(reference: str, folder: Path) -> str:
    """The reference as seen from ``folder``, with forward slashes; a box as it is."""
    if not reference or is_box(reference):
        return reference
    path = path_part(reference)
    choice = reference[len(str(path)) :]
    try:
        relative = PurePath(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive (Windows)
        relative = path.as_posix()
    return ("./" if relative.startswith(FORMULA_STARTS) else "") + relative + choice


def check_ids(result: ImportResult) -> None:
    """Refuse a result that would make no manifest, or one that a spreadsheet would change.

    Raises:
        CohortError: no patient; an id empty, twice, or of characters that cannot stand in a cell.
    """
    if not result.patients:
        raise CohortError(
            "import",
            got="no patient that could be taken" + _why_none(result),
            expected="at least one",
            do="check the folder and the layout",
        )
    for patient in result.patients:
        for name in ("patient", "label", "center", "group", "sex", "age"):
            check_cell(name, getattr(patient, name), may_be_empty=name != "patient")
        for name in (*MODALITIES, "roi"):
            _check_path(getattr(patient, name))
    counts = Counter(patient.patient for patient in result.patients)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise CohortError(
            "patient",
            got=f"{twice[0]!r} {counts[twice[0]]} times",
            expected="unique ids",
            do="give each patient one id in the source",
        )


def check_cell(name: str, value: str, may_be_empty: bool = False) -> None:
    """Refuse text that cannot stand in a cell of the manifest unchanged.

    Raises:
        CohortError: empty, with space around it, unprintable, or the beginning of a formula.
    """
    fault = cell_fault(value)
    if fault and (value or not may_be_empty):
        raise CohortError(
            name,
            got=f"{value!a}, {fault}",
            expected="printable text",
            do="rename it in the source and import anew",
        )


def cell_fault(value: str) -> str | None:
    """Why ``value`` cannot stand in a cell of the manifest unchanged; None where it can."""
    if not value:
        return "an empty id"
    if value != value.strip() or not value.isprintable():
        return "an id with space around it or characters that cannot be printed"
    if value.startswith(FORMULA_STARTS):
        return "an id that a spreadsheet takes for a formula"
    return None


def _check_path(reference: str) -> None:
    if not reference.isprintable() or reference != reference.strip():
        raise CohortError(
            path_text(reference),
            got="a path with characters that cannot stand in a cell",
            expected="printable text without space around it",
            do="rename the file or folder",
        )


def _why_none(result: ImportResult) -> str:
    reasons = Counter(why for _, why in result.left_out)
    if not reasons:
        return ""
    why, count = reasons.most_common(1)[0]
    return f" ({count} left out: {why})"


def summary(result: ImportResult) -> str:
    """For the terminal: what was found, paired, and left out and why, with examples by id."""
    lines = [f"found      {count:6d}  {name}" for name, count in result.found.items()]
    lines += [f"imported   {count:6d}  {name}" for name, count in _kept(result).items() if count]
    lines += _grouped("left out", result.left_out)
    lines += _grouped("flagged", result.flagged)
    lines += [f"note: {note}" for note in (*result.notes, *_roi_note(result))]
    for name, splits in result.splits.items():
        lines.append(f"splits {name!r}: {len(splits.outer)} outer folds")
    return "\n".join(lines)


def _roi_note(result: ImportResult) -> tuple[str, ...]:
    without = sum(not patient.roi for patient in result.patients)
    if not without:
        return ()
    return (
        f"{without} patients have no region of interest: fill the column roi with masks or boxes, "
        'or set roi = "whole" in the study',
    )


def _kept(result: ImportResult) -> dict[str, int]:
    patients = result.patients
    labels = Counter(patient.label or "no label" for patient in patients)
    return {
        "patients": len(patients),
        "with T1 and T2": sum(bool(p.t1 and p.t2) for p in patients),
        "with T1 only": sum(bool(p.t1 and not p.t2) for p in patients),
        "with T2 only": sum(bool(p.t2 and not p.t1) for p in patients),
        "with a region of interest": sum(bool(p.roi) for p in patients),
        **{f"of class {label}": labels[label] for label in sorted(labels) if label != "no label"},
        "without a label": labels["no label"],
    }


def _grouped(heading: str, items: tuple[tuple[str, str], ...]) -> list[str]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for what, why in items:
        by_reason[why].append(what)
    lines = []
    for why, names in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        known = sorted(filter(None, names), key=natural_key)
        shown = f": {', '.join(known[:EXAMPLES_SHOWN])}" if known else ""
        more = ", ..." if len(known) > EXAMPLES_SHOWN else ""
        lines.append(f"{heading:10s} {len(names):6d}  {why}{shown}{more}")
    return lines
