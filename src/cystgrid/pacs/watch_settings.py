"""Which studies `watch` takes, when they are complete, and where their region comes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from cystgrid.settings import Settings


class WatchSettings(Settings):
    """Rules of the watcher.

    Attributes:
        modality: of which a study must have a series.
        description: regular expression to be found in ``StudyDescription``, upper and lower case
            alike; empty takes every study.
        days: how old a study may be, by its date; archives list no undated study by its age.
        poll_seconds: between two looks at the archive, at most.
        quiet_seconds: how long a study's number of instances must not change before it counts as
            complete.
        limit: studies looked at in one look.
        roi: where the region of interest comes from, the first that there is: ``segmentation``, a
            DICOM Segmentation in the study, on the frame of reference of one of its scans;
            ``folder``, a mask or box by study UID in ``roi_folder``; ``whole``, the whole scan,
            where the model allows it.
        segment: regular expression to be found in the label of the segments that are the region.
        roi_folder: holds ``<StudyInstanceUID>.nii.gz``, or ``<StudyInstanceUID>.txt`` with
            ``x0,x1,y0,y1,z0,z1`` in mm RAS+; relative to the settings file.
        rules: pairing rules (`cystgrid cohort rules`); relative to the settings file.
    """

    modality: str = "MR"
    description: str = ""
    days: int = Field(default=30, ge=0)
    poll_seconds: float = Field(default=30.0, gt=0, le=86400)
    quiet_seconds: float = Field(default=120.0, ge=0, le=86400)
    limit: int = Field(default=1000, ge=1, le=100_000)
    roi: tuple[Literal["segmentation", "folder", "whole"], ...] = ("segmentation", "folder")
    segment: str = "pancrea"
    roi_folder: Path | None = None
    rules: Path | None = None

    @field_validator("description", "segment")
    @classmethod
    def _pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        return pattern
