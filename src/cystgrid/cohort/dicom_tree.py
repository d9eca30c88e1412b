"""A tree of DICOM studies as a cohort: surveyed, paired by rules, labelled, and accounted for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cystgrid.cohort.importing import ImportedPatient, ImportResult
from cystgrid.cohort.manifest import MODALITIES
from cystgrid.cohort.pairing import Pair, Pairing, Verdict, group_name, pair_series, row_name
from cystgrid.cohort.pairing_rules import PairingRules
from cystgrid.cohort.study_labels import LabelMatch, StudyLabels
from cystgrid.progress import Advance
from cystgrid.scans.settings import ReadLimits
from cystgrid.scans.survey import (
    COLUMNS,
    SeriesSummary,
    Survey,
    cells,
    plain_table,
    reasons,
    survey,
)

NO_ID_NOTE = (
    "Ids are digests of PatientID and its issuer: stable, but whoever has a list of possible "
    "PatientIDs can find them in it. Import with a key for pseudonyms that nobody can find."
)


@dataclass(frozen=True)
class DicomImport:
    """What an import of a tree found, what it decided, and what comes of it."""

    survey: Survey
    pairing: Pairing
    result: ImportResult


def import_dicom(
    tree: Path,
    rules: PairingRules | None = None,
    labels: StudyLabels | None = None,
    limits: ReadLimits | None = None,
    advance: Advance | None = None,
) -> DicomImport:
    """Survey a tree, pair its series, and make the rows of a cohort.

    Scans are referred to as ``folder#SeriesInstanceUID`` by the deepest folder that holds all files
    of the series. Two studies of one patient are two rows of one group.

    Args:
        tree: a folder of studies, at any depth.
        rules: which series are taken.
        labels: labels by PatientID, StudyInstanceUID or AccessionNumber.
        limits: as for ``survey``; ``max_files`` is compared with the folders that
            reading will walk.
        advance: told of each file that is finished.

    Raises:
        ScanError: the tree cannot be walked.
        CohortError: an id in ``labels`` belongs to several patients.
    """
    limits = limits or ReadLimits()
    found = survey(tree, limits, advance)
    pairing = pair_series(found, rules)
    return DicomImport(found, pairing, import_result(found, pairing, rules, labels, limits))


def import_result(
    found: Survey,
    pairing: Pairing,
    rules: PairingRules | None = None,
    labels: StudyLabels | None = None,
    limits: ReadLimits | None = None,
) -> ImportResult:
    """The rows of a cohort, and an account of everything that did not become one.

    Raises:
        CohortError: an id in ``labels`` belongs to several patients.
    """
    rules, limits = rules or PairingRules(), limits or ReadLimits()
    match = labels.match(found.series) if labels else LabelMatch({}, ())
    patients = tuple(_patient(pair, rules, match) for pair in pairing.pairs)
    left_out = [
        (verdict.row, f"series: {verdict.short}")
        for verdict in pairing.verdicts
        if not verdict.chosen_as
    ]
    left_out += [(row, f"study: {why}") for row, why in pairing.unpaired]
    left_out += [("", f"file: {reason}") for _, reason in found.damaged]
    flagged = [(pair.row, remark) for pair in pairing.pairs for remark in pair.remarks]
    flagged += _beside(found, pairing, limits) + _doubtful_persons(found, pairing)
    return ImportResult(
        patients=patients,
        found=_counts(found),
        left_out=tuple(sorted(left_out)),
        notes=_notes(found, pairing, labels, match),
        flagged=tuple(sorted(flagged)),
    )


def chosen_table(pairing: Pairing) -> str:
    """The series that were taken, as text; rows have neutral ids, no name, id or path is shown."""
    return _table([verdict for verdict in pairing.verdicts if verdict.chosen_as], "chosen")


def left_out_table(pairing: Pairing) -> str:
    """The series that were not taken, and why, as text like ``chosen_table``'s."""
    return _table([verdict for verdict in pairing.verdicts if not verdict.chosen_as], "why not")


def _table(verdicts: Sequence[Verdict], last: str) -> str:
    if not verdicts:
        return "none"
    rows = []
    for verdict in verdicts:
        for taken in verdict.chosen_as or ("",):
            row = taken.partition(" of ")[2] or verdict.row
            said = f"{taken.partition(' of ')[0]}, {verdict.reason}" if taken else verdict.reason
            rows.append([row, *cells(verdict.series), said, reasons(verdict.series)])
    rows.sort(key=lambda cells: cells[0])
    return plain_table(["patient", *(name for name, _ in COLUMNS), last, "weighting by"], rows)


def _patient(pair: Pair, rules: PairingRules, match: LabelMatch) -> ImportedPatient:
    known = match.by_study.get(pair.study_uid)
    return ImportedPatient(
        patient=pair.row,
        t1=_reference(pair.t1, rules, "t1"),
        t2=_reference(pair.t2, rules, "t2"),
        group=pair.group,
        **(known.values if known else {}),
    )


def _reference(series: SeriesSummary | None, rules: PairingRules, modality: str) -> str:
    if series is None:
        return ""
    volume = f"&volume={rules.of(modality).volume}" if series.volumes > 1 else ""
    return f"{series.folder.absolute()}#{series.series_uid}{volume}"


def _counts(found: Survey) -> dict[str, int]:
    mr = [series for series in found.series if series.kind == "MR"]
    return {
        "files": len(found.files),
        **{f"files: {name}": count for name, count in found.others.items()},
        "files that cannot be used": len(found.damaged),
        "patients": len({series.patient_key for series in found.series}),
        "studies": len({row_name(series) for series in found.series}),
        "series that are not MR": len(found.series) - len(mr),
        "MR series": len(mr),
        "T1 series": sum(series.weighting == "t1" for series in mr),
        "T2 series": sum(series.weighting == "t2" for series in mr),
    }


def _notes(
    found: Survey, pairing: Pairing, labels: StudyLabels | None, match: LabelMatch
) -> tuple[str, ...]:
    notes = [NO_ID_NOTE] if any(series.identity.patient_id for series in found.series) else []
    unnamed = {series.study_uid for series in found.series if not series.identity.patient_id}
    if unnamed:
        notes.append(
            f"{len(unnamed)} studies without PatientID: each counts as another patient. Where two "
            "are of one patient, give both one group in the manifest."
        )
    if labels is not None:
        if match.unused:
            shown = ", ".join(map(str, match.unused[:10])) + (", ..." if match.unused[10:] else "")
            notes.append(
                f"{len(match.unused)} rows of the labels match no study (rows {shown}, counted "
                "from 1 below the header)."
            )
        bare = sum(pair.study_uid not in match.by_study for pair in pairing.pairs)
        if bare:
            notes.append(f"{bare} imported studies have no row in the labels.")
    return tuple(notes)


def _chosen(pairing: Pairing) -> list[tuple[str, SeriesSummary]]:
    both = [(pair.row, getattr(pair, name)) for pair in pairing.pairs for name in MODALITIES]
    return [(row, series) for row, series in both if series is not None]


def _beside(found: Survey, pairing: Pairing, limits: ReadLimits) -> list[tuple[str, str]]:
    """Rows whose folders hold more than reading would go through, or damaged files."""
    below = Counter(folder for path in found.files for folder in path.parents)
    damaged = {folder for path, _ in found.damaged for folder in path.parents}
    flagged = []
    for row, series in _chosen(pairing):
        if below[series.folder] > limits.max_files:
            flagged.append(
                (row, f"its folder holds more than {limits.max_files} files (max_files)")
            )
        if series.folder in damaged:
            flagged.append((row, "a DICOM file that cannot be used lies in its folder"))
    return sorted(set(flagged))


def _doubtful_persons(found: Survey, pairing: Pairing) -> list[tuple[str, str]]:
    """Rows whose patient has several birth dates: one PatientID may stand for several people."""
    births: dict[str, set[str]] = defaultdict(set)
    for series in found.series:
        if series.identity.birth_date:
            births[group_name(series)].add(series.identity.birth_date)
    return [
        (pair.row, "one PatientID with several birth dates: perhaps several people")
        for pair in pairing.pairs
        if len(births[pair.group]) > 1
    ]
