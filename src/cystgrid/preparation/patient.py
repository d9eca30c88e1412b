"""The one path from a patient's scans to what a model sees, for a cohort and for a new patient."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.likeness import Fingerprint, fingerprint
from cystgrid.cohort.manifest import Patient
from cystgrid.errors import CohortError, ScanError
from cystgrid.preparation.align import Block, resample_onto
from cystgrid.preparation.columns import naming_the_column
from cystgrid.preparation.correct import Correction, correct
from cystgrid.preparation.crop import (
    CropPlan,
    apply_crop,
    kept_of_mask,
    nearest_on_crop,
    plan_crop,
)
from cystgrid.preparation.placement import Placement, Scans, in_order, place
from cystgrid.preparation.region import placed_mask
from cystgrid.preparation.settings import Modality, PreparationSettings
from cystgrid.preparation.standardise import PERCENTILES, foreground_percentiles
from cystgrid.preparation.threads import one_itk_thread
from cystgrid.scans.reading import read_mask, read_scan
from cystgrid.scans.volume import Affine, Array, Volume

FULL = 0.9995
"""A share that is shown as 100.0 %: nothing to flag."""

THICKEST_AXIAL_RATIO = 1.5
"""A grid whose slices are this much closer than its pixels was not acquired in axial slices."""


@dataclass(frozen=True, eq=False)
class PreparedPatient:
    """What a model sees of a patient, and where in the patient it lies.

    Attributes:
        patient, label, center, group: as in the manifest.
        crop: ``(modality, slice, row, column)`` float32, corrected and smoothed, not standardised;
            NaN throughout where there is no such scan. Slices run from foot to head, rows from
            anterior to posterior, columns from the patient's right to left: shown as it is, it is
            the view a radiologist is used to.
        percentiles: ``(modality, P)`` float64, landmarks of each whole scan's foreground; NaN where
            there is no such scan.
        affine: ``(4, 4)`` float64; ``(column, row, slice, 1)`` of a pixel centre to mm RAS+.
        flags: what a reader of the results should know, one sentence each.
        alignment: how the scans lie to each other (see ``Placement``), and ``<modality>_coverage``,
            the share of the crop that a scan covers, and ``roi_kept``, the share of a mask that
            the crop holds, 0-1.
        lesion: ``(slice, row, column)`` 0/1, known lesions at the crop's pixel centres, or None;
            for pictures and checks, never an input of a model.
        fingerprints: of each whole scan, to find copies by.
        sex, age: as in the manifest; for tables of results, never an input of a model.
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
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    sex: str = ""
    age: str = ""

    @property
    def present(self) -> tuple[bool, ...]:
        """Which modalities of the crop hold a scan."""
        return tuple(not np.isnan(row).all() for row in self.percentiles)


def prepare_patient(
    patient: Patient, settings: PreparationSettings, *, threads: int = 1
) -> PreparedPatient:
    """Read, place, correct and crop one patient's scans.

    Messages and flags name the manifest's columns; no path and no text of a header is in them.

    Args:
        patient: whose.
        settings: how scans become crops.
        threads: scans that are corrected at a time; no voxel depends on it.

    Raises:
        ScanError: a scan cannot be read or used, or the scans do not lie on each other.
        CohortError: a scan that the study needs or the region of interest is missing, or the region
            is unusable.
    """
    check_complete(patient, settings)
    read = read_scans(patient, settings)
    placement = place(patient, read, settings)
    reference = placement.scans[placement.reference]
    plan = plan_crop(
        reference,
        placement.region,
        margin_mm=settings.margin_mm,
        in_plane=settings.in_plane,
        cell=settings.cell,
        slices=settings.min_slices,
    )
    alignment = dict(placement.alignment)
    flags = [*_reading_flags(read), *placement.flags, *_crop_flags(plan, settings)]
    alignment |= _kept(placement, plan, flags)
    channels = _channels(placement, plan, settings, threads)
    for channel in channels:
        alignment |= channel.alignment
        flags += channel.flags
    return PreparedPatient(
        patient.patient,
        patient.label,
        patient.center,
        patient.group or patient.patient,
        np.stack([channel.crop for channel in channels]),
        np.stack([channel.percentiles for channel in channels]),
        plan.affine,
        tuple(flags),
        alignment,
        _lesion(patient, placement, read, plan, settings),
        {name: fingerprint(scan) for name, scan in read.items()},
        patient.sex,
        patient.age,
    )


def read_scans(patient: Patient, settings: PreparationSettings) -> Scans:
    """Every scan there is that the settings use, canonical, as its file places it.

    Raises:
        ScanError: one cannot be read; it is named by its column.
    """
    return {
        name: _read(name, reference, settings)
        for name in settings.modalities
        if (reference := patient.scan(name)) is not None
    }


def correct_scan(reference: str, settings: PreparationSettings) -> Correction:
    """Read and correct one scan: what the picture of a preparation shows.

    Raises:
        ScanError: it cannot be read or used.
    """
    return correct(read_scan(reference, settings.reading), settings.n4, settings.smoothing)


def check_complete(patient: Patient, settings: PreparationSettings) -> None:
    """Refuse a patient whose row lacks what the study needs; nothing is read.

    Raises:
        CohortError: naming the column.
    """
    missing = missing_scans(patient, settings)
    used = " and ".join(settings.modalities)
    if missing and settings.missing_modality == "refuse":
        raise CohortError(
            missing[0],
            got="nothing",
            expected=f"a scan, as the study uses {used}",
            do=f"give the {missing[0]} scan, study one modality, or set "
            'preparation.missing_modality = "allow" in the study',
        )
    if len(missing) == len(settings.modalities):
        raise CohortError(
            used, got="nothing", expected="one scan at least", do="give a scan of this patient"
        )
    if patient.roi is None and settings.roi == "required":
        raise CohortError(
            "roi",
            got="nothing",
            expected="a mask or x0,x1,y0,y1,z0,z1 in mm",
            do='give the region, or set roi = "whole" in the study',
        )


def missing_scans(patient: Patient, settings: PreparationSettings) -> tuple[Modality, ...]:
    """The modalities that the settings use and the manifest's row does not give."""
    return tuple(name for name in settings.modalities if patient.scan(name) is None)


def _read(modality: Modality, reference: str, settings: PreparationSettings) -> Volume:
    """A scan that calls itself by its column, so that later messages do."""
    with naming_the_column(modality, reference):
        return replace(read_scan(reference, settings.reading), source=modality)


def _lesion(
    patient: Patient,
    placement: Placement,
    read: Scans,
    plan: CropPlan,
    settings: PreparationSettings,
) -> Array | None:
    """The manifest's lesion mask on the crop; an empty mask is a patient without a lesion."""
    if patient.lesion is None:
        return None
    with naming_the_column("lesion", patient.lesion):
        mask = read_mask(patient.lesion, settings.reading)
    placed, _ = placed_mask(mask, in_order(placement.scans), in_order(read))
    return nearest_on_crop(placed, plan.affine, plan.shape)


@dataclass(frozen=True, eq=False)
class _Channel:
    """One modality's part of a prepared patient."""

    crop: Array
    percentiles: NDArray[np.float64]
    alignment: dict[str, float]
    flags: tuple[str, ...]


def _channels(
    placement: Placement, plan: CropPlan, settings: PreparationSettings, threads: int
) -> list[_Channel]:
    """Every modality's part, so many at a time."""
    channel = partial(_channel, placement=placement, plan=plan, settings=settings)
    if threads == 1:
        return [channel(name) for name in settings.modalities]
    # its number of threads is ITK's own, for all that runs: held until the last scan is done
    with one_itk_thread(), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(channel, settings.modalities))


def _channel(
    name: Modality, placement: Placement, plan: CropPlan, settings: PreparationSettings
) -> _Channel:
    """Correct and crop one scan; of one that there is not, an empty part."""
    scan = placement.scans.get(name)
    if scan is None:
        empty = np.full(plan.shape, np.nan, dtype=np.float32)
        flag = f"{name}: there is no such scan; its part of the crop is empty."
        return _Channel(empty, np.full(len(PERCENTILES), np.nan), {}, (flag,))
    after = correct(scan, settings.n4, settings.smoothing).after
    landmarks = _landmarks(after)
    reference = placement.scans[placement.reference]
    values, coverage = _on_block(after, reference, plan.block, name == placement.reference)
    flags = _coverage_flags(name, coverage, settings)
    crop = apply_crop(plan, values)
    return _Channel(crop, landmarks, {f"{name}_coverage": coverage}, tuple(flags))


def _landmarks(scan: Volume) -> NDArray[np.float64]:
    try:
        return foreground_percentiles(scan.voxels)
    except ScanError as error:
        raise ScanError(scan.source, got=error.got, expected=error.expected, do=error.do) from error


def _on_block(
    scan: Volume, reference: Volume, block: Block, is_reference: bool
) -> tuple[Array, float]:
    """A scan's values on the crop's block of the reference grid, and the share it covers."""
    if is_reference:
        box = tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))
        return scan.voxels[box], 1.0
    values, covered = resample_onto(scan, reference.affine, block)
    return values, float(covered.mean())


def _kept(placement: Placement, plan: CropPlan, flags: list[str]) -> dict[str, float]:
    """Share of the region's mask that the crop holds; less than all of it is flagged."""
    mask = placement.region.mask
    if mask is None:
        return {}
    kept = kept_of_mask(mask, plan)
    if kept < FULL:
        flags.append(f"roi: the crop holds {kept:.1%} of the mask.")
    return {"roi_kept": kept}


def _coverage_flags(name: str, coverage: float, settings: PreparationSettings) -> list[str]:
    if coverage < settings.min_coverage or coverage == 0:
        raise ScanError(
            name,
            got=f"a scan that covers {coverage:.0%} of the crop",
            expected=f"at least {settings.min_coverage:.0%}",
            do="check the region, or leave this patient out",
        )
    if coverage < FULL:
        return [f"{name}: covers {coverage:.1%} of the crop; the rest is 0."]
    return []


def _reading_flags(read: Scans) -> list[str]:
    flags = [f"{name}: {note}" for name, scan in read.items() for note in scan.notes]
    for name, scan in read.items():
        i, j, k = scan.spacing
        if k * THICKEST_AXIAL_RATIO < max(i, j):
            flags.append(f"{name}: not acquired in axial slices; cut into them along its grid.")
    return flags


def _crop_flags(plan: CropPlan, settings: PreparationSettings) -> list[str]:
    slices = plan.block.shape[2]
    if slices >= settings.min_slices:
        return []
    return [
        f"crop: {slices} slice{'s' if slices > 1 else ''}, fewer than {settings.min_slices}; "
        "a grid of more repeats the last."
    ]
