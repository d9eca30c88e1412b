"""How scans become crops: the settings of the whole stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, field_validator

from cystgrid.preparation.bias import N4Settings
from cystgrid.preparation.correct import SmoothingSettings
from cystgrid.preparation.registration import RegistrationSettings
from cystgrid.scans.settings import ReadSettings
from cystgrid.settings import Settings

Modality = Literal["t1", "t2"]

REFERENCE: tuple[Modality, ...] = ("t2", "t1")
"""The crop follows the grid of the first of these that there is: cysts are seen on T2."""


def reference_of(modalities: Iterable[str]) -> Modality:
    """The modality, of those there are (one at least), whose grid the crop follows."""
    there = tuple(modalities)
    return next(name for name in REFERENCE if name in there)


class PreparationSettings(Settings):
    """How scans become crops.

    Attributes:
        modalities: which scans a patient needs, in the order of the crop's channels.
        missing_modality: ``refuse`` refuses a patient without one of these scans; ``allow``
            prepares it on the grid of the scan there is and leaves the other's part of the crop
            empty (NaN).
        roi: ``required``, or ``whole``: the whole scan stands in for a missing region.
        roi_labels: which labels of a mask are the region, where the manifest chooses none; none
            takes the one label of a mask that has only one.
        patient_ids: ``agree`` refuses a patient whose T1 and T2 are DICOM of two PatientIDs;
            ``flag`` uses them and says so (ids may have been replaced series by series).
        in_plane: pixels along a scan's longer in-plane side (the paper: 256).
        cell: pixels along a crop's side (the paper: 64).
        margin_mm: kept around the region of interest in-plane, in mm.
        min_slices: a region on fewer slices gets its scan's neighbouring ones too (the paper's
            grid holds 9).
        min_coverage: least share of the crop that each scan must cover.
        n4: bias field correction.
        smoothing: edge-preserving smoothing.
        registration: how T1 is laid onto T2.
        reading: how strictly scans are read.
    """

    modalities: tuple[Modality, ...] = Field(default=("t1", "t2"), min_length=1)
    missing_modality: Literal["refuse", "allow"] = "refuse"
    roi: Literal["required", "whole"] = "required"
    roi_labels: tuple[int, ...] = ()
    patient_ids: Literal["agree", "flag"] = "agree"
    in_plane: int = Field(default=256, ge=16)
    cell: int = Field(default=64, ge=8)
    margin_mm: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    min_slices: int = Field(default=9, ge=1)
    min_coverage: float = Field(default=0.5, ge=0, le=1)
    n4: N4Settings = N4Settings()
    smoothing: SmoothingSettings = SmoothingSettings()
    registration: RegistrationSettings = RegistrationSettings()
    reading: ReadSettings = ReadSettings()

    @field_validator("modalities")
    @classmethod
    def _distinct(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        if len(set(modalities)) != len(modalities):
            raise ValueError("each modality once")
        return modalities

    @field_validator("roi_labels")
    @classmethod
    def _positive(cls, labels: tuple[int, ...]) -> tuple[int, ...]:
        if any(label < 1 for label in labels):
            raise ValueError("labels from 1 (0 is what lies outside)")
        return labels
