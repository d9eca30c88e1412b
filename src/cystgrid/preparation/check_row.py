"""One row of a manifest, read and measured: what a worker of the quality check does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cystgrid.cohort.cells import age_fault, sex_fault
from cystgrid.cohort.findings import Finding
from cystgrid.cohort.likeness import Fingerprint, fingerprint
from cystgrid.cohort.manifest import Patient, is_box
from cystgrid.errors import CystgridError
from cystgrid.preparation.align import overlap
from cystgrid.preparation.columns import column_file
from cystgrid.preparation.facts import RoiFacts, ScanFacts, region_shown, roi_facts, scan_facts
from cystgrid.preparation.pair import origin_flags, pair_refusal
from cystgrid.preparation.region import Region, find_region
from cystgrid.preparation.settings import REFERENCE, Modality, PreparationSettings
from cystgrid.preparation.standardise import foreground_percentiles
from cystgrid.preparation.thumbnail import Thumbnail, scan_thumbnail
from cystgrid.scans.origin import Origin
from cystgrid.scans.reading import read_mask, read_scan, scan_origin
from cystgrid.scans.volume import Volume

LITTLE_OVERLAP = 50.0
"""Per cent of the reference scan; a pair that shares less is flagged."""

WHOLE = 99.95
"""A share that is shown as 100.0 %: nothing to flag."""

NEITHER_GRID = "neither scan's grid"
"""In the flag of a mask that was drawn on none of the scans."""


@dataclass(frozen=True, eq=False)
class RowCheck:
    """What was found of one row.

    Attributes:
        line: of the manifest.
        name: the patient's id; with the line behind it where the id is missing or not unique.
        label, center, group: as in the manifest.
        scans: facts of the scans that could be read, in the study's order.
        roi: facts of the region, None where there is none that can be placed.
        overlap_percent: share of the reference scan that the other covers, None without a pair.
        thumbnails: one for each scan that could be read.
        problems: for which ``prepare`` would refuse the patient.
        warnings: what a reader of the results should know.
        fingerprints: of each scan, by modality.
        origins: of each DICOM scan, by modality.
    """

    line: int
    name: str
    label: str | None
    center: str
    group: str
    scans: tuple[ScanFacts, ...] = ()
    roi: RoiFacts | None = None
    overlap_percent: float | None = None
    thumbnails: tuple[Thumbnail, ...] = ()
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A row to check.

    Attributes:
        patient: as the manifest has it, faulty cells left empty.
        name: how the check names it.
        faulty: columns that the manifest's own faults already speak of.
    """

    patient: Patient
    name: str
    faulty: frozenset[str] = frozenset()


def check_row(row: Row, settings: PreparationSettings) -> RowCheck:
    """Read every file of a row. Whatever is wrong with a file is a finding, never an error."""
    return _RowChecker(row, settings).check()


class _RowChecker:
    """Gathers what is found while a row is read."""

    def __init__(self, row: Row, settings: PreparationSettings) -> None:
        self.row, self.settings = row, settings
        self.problems: list[Finding] = []
        self.warnings: list[Finding] = []
        self.scans: dict[str, Volume] = {}
        self.facts: dict[str, ScanFacts] = {}
        self.fingerprints: dict[str, Fingerprint] = {}
        self.origins: dict[str, Origin] = {}

    def check(self) -> RowCheck:
        for modality in self.settings.modalities:
            self._check_scan(modality)
        self._check_person()
        self._compare_origins()
        percent = self._overlap()
        reference = next((name for name in REFERENCE if name in self.scans), None)
        region = self._region(reference) if reference else None
        facts = None
        if region is not None and reference is not None:
            facts = roi_facts(self.row.patient.roi, region, self.scans, reference)
            self._check_cover(facts, reference)
        if reference is not None:
            self._check_lesion(self.scans[reference])
        patient = self.row.patient
        return RowCheck(
            patient.line, self.row.name, patient.label, patient.center, patient.group,
            tuple(self.facts.values()), facts, percent, self._thumbnails(region),
            tuple(self.problems), tuple(self.warnings), self.fingerprints, self.origins,
        )  # fmt: skip

    def _check_scan(self, modality: Modality) -> None:
        reference = self.row.patient.scan(modality)
        if reference is None:
            self._missing(modality)
            return
        with self._finding(modality, reference):
            scan = read_scan(reference, self.settings.reading)
            for note in scan.notes:
                self._warn(modality, f"note: {note}")
            self.origins[modality] = scan_origin(reference, self.settings.reading)
            self.fingerprints[modality] = fingerprint(scan)
            foreground_percentiles(scan.voxels)  # a scan that cannot be standardised is refused
            self.facts[modality] = scan_facts(modality, scan)
            self.scans[modality] = scan

    def _check_person(self) -> None:
        """What a table of results by age or sex could not use; nobody is refused for it."""
        patient = self.row.patient
        for column, fault in (("age", age_fault(patient.age)), ("sex", sex_fault(patient.sex))):
            if fault is not None:
                self._warn(column, fault)

    def _missing(self, modality: Modality) -> None:
        """A problem, unless the study lets the other scan do alone."""
        settings = self.settings
        others = [name for name in settings.modalities if name != modality]
        if settings.missing_modality == "refuse":
            used = " and ".join(settings.modalities)
            self._problem(modality, f"is missing: the study uses {used}")
        elif not any(self.row.patient.scan(name) or name in self.row.faulty for name in others):
            self._problem(modality, "is missing, and there is no other scan: one is needed")
        elif self._may_be_absent(modality):
            self._warn(modality, f"is missing; {others[0]} is used alone, as the study allows.")

    def _may_be_absent(self, modality: Modality) -> bool:
        """Whether the row names no such scan and the study takes it so; a faulty cell names one."""
        unnamed = self.row.patient.scan(modality) is None and modality not in self.row.faulty
        return unnamed and self.settings.missing_modality == "allow"

    def _compare_origins(self) -> None:
        """Whether the scans can be one patient's T1 and T2."""
        if len(self.scans) == len(self.settings.modalities):
            refusal = pair_refusal(self.scans, self.origins, self.settings)
            if refusal is not None:
                first, row = self.settings.modalities[0], self.row
                self.problems.append(Finding.of_error(refusal, row.patient.line, row.name, first))
        for column, sentence in origin_flags(self.origins, self.settings):
            self._warn(column, sentence)

    def _overlap(self) -> float | None:
        if len(self.scans) < 2:
            return None
        reference, moving = REFERENCE
        percent = overlap(self.scans[reference], self.scans[moving])
        if percent == 0:
            self._problem(
                moving, f"does not overlap {reference} in space: they cannot be of one body region"
            )
        elif percent < LITTLE_OVERLAP:
            self._warn(moving, f"covers {percent:.0f} % of {reference}'s volume only.")
        return percent

    def _region(self, reference: str) -> Region | None:
        roi = self.row.patient.roi
        if roi is None and (self.settings.roi == "required" or "roi" in self.row.faulty):
            self._problem("roi", 'is missing: give a mask or a box, or set roi = "whole"')
            return None
        others = [scan for name, scan in self.scans.items() if name != reference]
        path = None if roi is None or is_box(roi) else roi
        with self._finding("roi", path):
            region = find_region(
                roi,
                [self.scans[reference], *others],
                reading=self.settings.reading,
                labels=self.settings.roi_labels,
            )
            unread = any(
                name not in self.scans and not self._may_be_absent(name)
                for name in self.settings.modalities
            )
            for flag in region.flags:
                if not (unread and NEITHER_GRID in flag):  # it may lie on that of the other scan
                    self._warn("roi", f"note: {flag.removeprefix('roi: ')}")
            return region
        return None

    def _check_cover(self, facts: RoiFacts, reference: str) -> None:
        for name, percent in facts.inside_percent.items():
            if name != reference and percent < WHOLE and facts.kind != "whole":
                self._warn(name, f"covers {percent:.1f} % of the region.")

    def _check_lesion(self, reference: Volume) -> None:
        lesion = self.row.patient.lesion
        if lesion is None:
            return
        with self._finding("lesion", lesion):
            mask = read_mask(lesion, self.settings.reading)
            if mask.voxels.any() and overlap(mask, reference) == 0:
                self._warn("lesion", "lies outside the scan.")

    def _thumbnails(self, region: Region | None) -> tuple[Thumbnail, ...]:
        inside, focus = (None, None)
        if region is not None:
            inside, focus = region_shown(self.row.patient.roi, region)
        return tuple(scan_thumbnail(name, scan, inside, focus) for name, scan in self.scans.items())

    def _problem(self, column: str, message: str) -> None:
        if column not in self.row.faulty:
            row = self.row
            self.problems.append(Finding(row.patient.line, row.name, column, message))

    def _warn(self, column: str, message: str) -> None:
        row = self.row
        self.warnings.append(Finding(row.patient.line, row.name, column, message))

    @contextmanager
    def _finding(self, column: str, reference: str | None) -> Iterator[None]:
        """Turn an error into a problem of this column, without any path in it."""
        try:
            yield
        except CystgridError as error:
            found = Finding.of_error(
                error, self.row.patient.line, self.row.name, column,
                lambda path: column_file(path, column, reference),
            )  # fmt: skip
            self.problems.append(found)
