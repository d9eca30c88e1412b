"""A cohort's quality, before anything is prepared: every row read, and rows compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cystgrid.cohort.classes import CohortSettings, Merged
from cystgrid.cohort.findings import Finding
from cystgrid.cohort.likeness import Copies, find_copies
from cystgrid.cohort.manifest import Patient, manifest_faults
from cystgrid.preparation.check_row import Row, RowCheck, check_row
from cystgrid.preparation.groups import Group, find_groups
from cystgrid.preparation.outliers import (
    Measured,
    Outlier,
    find_outliers,
    measured_roi,
    measured_scan,
)
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.processes import each
from cystgrid.progress import progress_bar


@dataclass(frozen=True)
class CohortCheck:
    """All that a check found. It holds no path and no text of a file's header.

    Attributes:
        rows: every row that can be read, in the manifest's order.
        problems: why rows would be refused, by line; of the manifest and of the files.
        warnings: what a reader of the results should know, by line.
        copies: scans that are copies of each other, by the rows' names.
        groups: patients that should stand in one group and do not.
        outliers: values that stand out, by line.
        notes: what regards the cohort as a whole, one sentence each.
        excluded: number of patients left out, by label.
        seconds: wall time.
        merged: labels that are another class in the study.
    """

    rows: tuple[RowCheck, ...]
    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    copies: tuple[Copies, ...]
    groups: tuple[Group, ...]
    outliers: tuple[Outlier, ...]
    notes: tuple[str, ...]
    excluded: dict[str, int]
    seconds: float
    merged: tuple[Merged, ...] = ()

    @property
    def fine(self) -> int:
        """Number of rows without a problem."""
        faulty = {finding.line for finding in self.problems}
        return sum(row.line not in faulty for row in self.rows)


def check_cohort(
    path: Path,
    cohort: CohortSettings,
    settings: PreparationSettings,
    *,
    workers: int = 0,
    quiet: bool = False,
) -> CohortCheck:
    """Read every file of every row of a manifest, and compare the rows.

    A row with a fault is read as far as it goes, so that one check tells everything. The result
    does not depend on ``workers``.

    Args:
        path: ``cohort.csv``.
        cohort: classes, and labels whose patients are left out.
        settings: what the study needs of a patient.
        workers: processes; 0 works in this one.
        quiet: no progress bar.

    Raises:
        CohortError: a manifest in which no row can be told from another.
        StoreError: a worker process died.
    """
    began = time.monotonic()
    manifest, faults = manifest_faults(path, cohort)
    jobs = _jobs(manifest.patients, faults)
    done: dict[int, RowCheck] = {}
    with progress_bar("check", len(jobs), quiet=quiet) as advance:
        for row in each(partial(check_row, settings=settings), jobs, workers):
            done[row.line] = row
            advance(1)
    rows = tuple(done[patient.line] for patient in manifest.patients)
    copies = find_copies(
        {(row.name, name): mark for row in rows for name, mark in row.fingerprints.items()}
    )
    groups, notes = find_groups(
        [row.name for row in rows],
        {row.name: row.group or row.name for row in rows},
        {row.name: row.origins.values() for row in rows},
        copies,
    )
    return CohortCheck(
        rows,
        tuple(sorted([*faults, *_all(row.problems for row in rows)])),
        tuple(sorted(_all(row.warnings for row in rows))),
        copies,
        groups,
        _outliers(rows),
        notes,
        manifest.excluded,
        time.monotonic() - began,
        manifest.merged,
    )


def _jobs(patients: Sequence[Patient], faults: Iterable[Finding]) -> list[Row]:
    """What each worker needs; ids that are missing or not unique get their line to them."""
    faulty: dict[int, set[str]] = {}
    for fault in faults:
        faulty.setdefault(fault.line, set()).add(fault.column)
    times = Counter(patient.patient for patient in patients)
    jobs = []
    for patient in patients:
        name = patient.patient
        if not name or times[name] > 1:
            name = f"{name} (line {patient.line})".strip()
        jobs.append(Row(patient, name, frozenset(faulty.get(patient.line, ()))))
    return jobs


def _all(findings: Iterable[tuple[Finding, ...]]) -> list[Finding]:
    return [finding for those in findings for finding in those]


def _outliers(rows: Iterable[RowCheck]) -> tuple[Outlier, ...]:
    measured: list[Measured] = []
    for row in rows:
        for facts in row.scans:
            measured += measured_scan(row.line, row.center, facts)
        if row.roi is not None:
            measured += measured_roi(row.line, row.center, row.roi)
    return find_outliers(measured)
