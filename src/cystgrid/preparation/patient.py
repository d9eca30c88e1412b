"""The one path from a patient's scans to what a model sees, for a cohort and for a new patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from cystgrid.cohort.manifest import Patient
from cystgrid.errors import CohortError, ScanError
from cystgrid.preparation.align import Block, overlap, resample_onto
from cystgrid.preparation.bias import N4Settings
from cystgrid.preparation.correct import Correction, SmoothingSettings, correct
from cystgrid.preparation.crop import CropPlan, apply_crop, nearest_on_crop, plan_crop
from cystgrid.preparation.region import Region, find_region
from cystgrid.preparation.standardise import foreground_percentiles
from cystgrid.scans.reading import read_mask, read_scan
from cystgrid.scans.volume import Affine, Array, Volume
from cystgrid.settings import Settings

Modality = Literal["t1", "t2"]

REFERENCE: tuple[Modality, ...] = ("t2", "t1")
"""The crop follows the grid of the first of these that the study uses: cysts are seen on T2."""

FULL_COVERAGE = 0.9995
"""A share of the crop that is shown as 100.0 %: nothing to flag."""

THICKEST_AXIAL_RATIO = 1.5
"""A grid whose slices are this much closer than its pixels was not acquired in axial slices."""


class PreparationSettings(Settings):
    """How scans become crops.

    Attributes:
        modalities: which scans a patient needs, in the order of the crop's channels.
        roi: ``required``, or ``whole``: the whole scan stands in for a missing region.
        in_plane: pixels along a scan's longer in-plane side (the paper: 256).
        cell: pixels along a crop's side (the paper: 64).
        margin_mm: kept around the region of interest in-plane, in mm.
        min_slices: a region on fewer slices gets its scan's neighbouring ones too (the paper's
            grid holds 9).
        min_coverage: least share of the crop that each scan must cover.
        n4: bias field correction.
        smoothing: edge-preserving smoothing.
    """

    modalities: tuple[Modality, ...] = Field(default=("t1", "t2"), min_length=1)
    roi: Literal["required", "whole"] = "required"
    in_plane: int = Field(default=256, ge=16)
    cell: int = Field(default=64, ge=8)
    margin_mm: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    min_slices: int = Field(default=9, ge=1)
    min_coverage: float = Field(default=0.5, ge=0, le=1)
    n4: N4Settings = N4Settings()
    smoothing: SmoothingSettings = SmoothingSettings()

    @field_validator("modalities")
    @classmethod
    def _distinct(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        if len(set(modalities)) != len(modalities):
            raise ValueError("each modality once")
        return modalities


@dataclass(frozen=True, eq=False)
class PreparedPatient:
    """What a model sees of a patient, and where in the patient it lies.

    Attributes:
        patient, label, center, group: as in the manifest.
        crop: ``(modality, slice, row, column)`` float32, corrected and smoothed, not standardised.
            Slices run from foot to head, rows from anterior to posterior, columns from the
            patient's right to left: shown as it is, it is the view a radiologist is used to.
        percentiles: ``(modality, P)`` float64, landmarks of each whole scan's foreground.
        affine: ``(4, 4)`` float64; ``(column, row, slice, 1)`` of a pixel centre to mm RAS+.
        flags: what a reader of the results should know, one sentence each.
        alignment: how the scans lie to each other: ``overlap_percent``, the share of the reference
            scan that the other covers, and ``<modality>_coverage``, the share of the crop that a
            scan covers, 0-1.
        lesion: ``(slice, row, column)`` 0/1, known lesions at the crop's pixel centres, or None;
            for pictures and checks, never an input of a model.
    """

    patient: str
    label: str | None
    center: str
    group: str
    crop: Array
    percentiles: NDArray[np.float64]
    affine: Affine
    flags: tuple[str, ...]
    alignment: dict[str, float]
    lesion: Array | None = None


def prepare_patient(patient: Patient, settings: PreparationSettings) -> PreparedPatient:
    """Read, correct, align and crop one patient's scans.

    Raises:
        ScanError: a scan cannot be read or used, or the scans do not lie on each other.
        CohortError: a scan or the region of interest is missing, or the region is unusable.
    """
    check_complete(patient, settings)
    read = {name: read_scan(_reference(patient, name)) for name in settings.modalities}
    first = next(name for name in REFERENCE if name in settings.modalities)
    others = [name for name in settings.modalities if name != first]
    region = find_region(patient.roi, [read[first], *(read[n] for n in others)], patient.patient)
    plan = plan_crop(
        read[first],
        region,
        margin_mm=settings.margin_mm,
        in_plane=settings.in_plane,
        cell=settings.cell,
        slices=settings.min_slices,
    )
    alignment: dict[str, float] = {}
    flags = _reading_flags(read, region, plan, settings)
    for name in others:
        alignment["overlap_percent"] = _checked_overlap(read[first], read[name], name, patient)
    crops, percentiles = [], []
    for name in settings.modalities:
        after = correct(read[name], settings.n4, settings.smoothing).after
        percentiles.append(_landmarks(after))
        values, coverage = _on_block(after, read[first], plan.block, is_reference=name == first)
        alignment[f"{name}_coverage"] = coverage
        flags.extend(_coverage_flags(name, coverage, settings, patient))
        crops.append(apply_crop(plan, values))
    return PreparedPatient(
        patient.patient,
        patient.label,
        patient.center,
        patient.group or patient.patient,
        np.stack(crops),
        np.stack(percentiles),
        plan.affine,
        tuple(flags),
        alignment,
        _lesion(patient, plan, settings.cell),
    )


def _lesion(patient: Patient, plan: CropPlan, cell: int) -> Array | None:
    """The manifest's lesion mask on the crop; an empty mask is a patient without a lesion."""
    if patient.lesion is None:
        return None
    slices = plan.block.stop[2] - plan.block.start[2]
    return nearest_on_crop(read_mask(patient.lesion), plan.affine, (slices, cell, cell))


def correct_scan(reference: str, settings: PreparationSettings) -> Correction:
    """Read and correct one scan: what the picture of a preparation shows.

    Raises:
        ScanError: it cannot be read or used.
    """
    return correct(read_scan(reference), settings.n4, settings.smoothing)


def check_complete(patient: Patient, settings: PreparationSettings) -> None:
    """Refuse a patient whose row lacks what the study needs; nothing is read.

    Raises:
        CohortError: naming the column.
    """
    for name in settings.modalities:
        if patient.scan(name) is None:
            raise CohortError(
                f"{patient.patient}: {name}",
                got="nothing",
                expected=f"a scan, as the study uses {' and '.join(settings.modalities)}",
                do=f"give the {name} scan, or study one modality",
            )
    if patient.roi is None and settings.roi == "required":
        raise CohortError(
            f"{patient.patient}: roi",
            got="nothing",
            expected="a mask or x0,x1,y0,y1,z0,z1 in mm",
            do='give the region, or set roi = "whole" in the study',
        )


def _reference(patient: Patient, modality: Modality) -> str:
    reference = patient.scan(modality)
    assert reference is not None, "check_complete has seen to it"
    return reference


def _landmarks(scan: Volume) -> NDArray[np.float64]:
    try:
        return foreground_percentiles(scan.voxels)
    except ScanError as error:
        raise ScanError(scan.source, got=error.got, expected=error.expected, do=error.do) from error


def _checked_overlap(reference: Volume, other: Volume, name: str, patient: Patient) -> float:
    percent = overlap(reference, other)
    if percent == 0:
        raise ScanError(
            f"{patient.patient}: {name}",
            got="a scan that does not overlap the reference scan in space",
            expected="two scans of one body region",
            do="check that both are of this patient and were converted with their positions",
        )
    return percent


def _on_block(
    scan: Volume, reference: Volume, block: Block, *, is_reference: bool
) -> tuple[Array, float]:
    """A scan's values on the crop's block of the reference grid, and the share it covers."""
    if is_reference:
        box = tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))
        return scan.voxels[box], 1.0
    values, covered = resample_onto(scan, reference.affine, block)
    return values, float(covered.mean())


def _coverage_flags(
    name: str, coverage: float, settings: PreparationSettings, patient: Patient
) -> list[str]:
    if coverage < settings.min_coverage or coverage == 0:
        raise ScanError(
            f"{patient.patient}: {name}",
            got=f"a scan that covers {coverage:.0%} of the crop",
            expected=f"at least {settings.min_coverage:.0%}",
            do="check the region, or leave this patient out",
        )
    if coverage < FULL_COVERAGE:
        return [f"{name}: covers {coverage:.1%} of the crop; the rest is 0."]
    return []


def _reading_flags(
    read: dict[Modality, Volume], region: Region, plan: CropPlan, settings: PreparationSettings
) -> list[str]:
    flags = [f"{name}: {note}" for name, scan in read.items() for note in scan.notes]
    for name, scan in read.items():
        i, j, k = scan.spacing
        if k * THICKEST_AXIAL_RATIO < max(i, j):
            flags.append(f"{name}: not acquired in axial slices; cut into them along its grid.")
    flags.extend(region.flags)
    slices = plan.block.shape[2]
    if slices < settings.min_slices:
        flags.append(f"crop: {slices} slices, fewer than {settings.min_slices}.")
    return flags
