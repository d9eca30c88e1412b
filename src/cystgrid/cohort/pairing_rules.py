"""Which series of a study may be its T1 and its T2 scan: rules in a TOML file that users edit."""

from __future__ import annotations

import re
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from cystgrid.settings import Settings

Criterion = Literal[
    "plane", "no contrast", "fat-suppressed", "not fat-suppressed", "one volume", "most slices",
    "coverage", "thinnest", "finest", "lowest number", "highest number",
]  # fmt: skip
AllowedPlane = Literal["axial", "coronal", "sagittal", "oblique"]


class SeriesRules(Settings):
    """Which series are candidates, and which candidate is taken.

    Regular expressions are searched for in ``SeriesDescription`` (in ``ProtocolName`` where the
    description says nothing known), upper and lower case alike.

    Attributes:
        assume: a series whose description matches one of these has this weighting, whatever its
            header says.
        include: if any are given, only series that match one of them.
        exclude: no series that matches one of them.
        planes: allowed planes, the preferred one first.
        min_slices, max_slices: number of distinct positions.
        max_slice_spacing: largest distance between slices, mm.
        contrast: ``none`` leaves out series made after contrast agent was given.
        fat_suppression: ``require``, ``exclude`` or ``any``.
        volume: which of several images at each position (echoes, phases) is meant, counted from 0;
            ``refuse`` leaves such series out.
        prefer: how one of several candidates is taken: by the first criterion, among equals by
            the second, and so on.
    """

    assume: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    planes: tuple[AllowedPlane, ...] = Field(default=("axial",), min_length=1)
    min_slices: int = Field(default=10, ge=1)
    max_slices: int = Field(default=300, ge=1)
    max_slice_spacing: float = Field(default=16.0, gt=0)
    contrast: Literal["none", "any"] = "any"
    fat_suppression: Literal["any", "require", "exclude"] = "any"
    volume: Literal["refuse"] | int = "refuse"
    prefer: tuple[Criterion, ...] = ()

    @field_validator("assume", "include", "exclude")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"regular expressions ({pattern!r}: {error})") from error
        return patterns

    @field_validator("volume")
    @classmethod
    def _counted_from_zero(cls, volume: Literal["refuse"] | int) -> Literal["refuse"] | int:
        if isinstance(volume, int) and volume < 0:
            raise ValueError("'refuse', or a number from 0")
        return volume

    @model_validator(mode="after")
    def _some_slices(self) -> SeriesRules:
        if self.min_slices > self.max_slices:
            raise ValueError("min_slices no larger than max_slices")
        return self


class T1Rules(SeriesRules):
    """Rules for the T1 scan: before contrast agent, fat-suppressed rather than not."""

    contrast: Literal["none", "any"] = "none"
    prefer: tuple[Criterion, ...] = (
        "plane", "no contrast", "fat-suppressed", "coverage", "thinnest", "lowest number",
    )  # fmt: skip


class T2Rules(SeriesRules):
    """Rules for the T2 scan: contrast agent hardly matters to it."""

    prefer: tuple[Criterion, ...] = ("plane", "coverage", "thinnest", "finest", "lowest number")


class PairingRules(Settings):
    """How T1 and T2 series are put together as the rows of a cohort.

    Attributes:
        study: ``same``: both of one study; ``nearest``: a study without T1 takes it from the
            patient's study that is nearest in date.
        max_days: how far apart those two may be.
        need: ``both``: a study without one of the two is left out; ``any``: one is enough.
        t1, t2: which series are candidates, and which is taken.
    """

    study: Literal["same", "nearest"] = "same"
    max_days: int = Field(default=30, ge=0)
    need: Literal["both", "any"] = "both"
    t1: T1Rules = T1Rules()
    t2: T2Rules = T2Rules()

    def of(self, modality: str) -> SeriesRules:
        """The rules for ``t1`` or ``t2``."""
        return {"t1": self.t1, "t2": self.t2}[modality]


_CRITERIA = ", ".join(f'"{name}"' for name in get_args(Criterion))

DEFAULT_RULES_TOML = f"""\
# Which series of a study become its T1 and its T2 scan. These are the defaults; change what differs
# at your place and leave out the rest. Regular expressions are searched for in the series'
# description, upper and lower case alike.

study = "same"           # "nearest": T1 may come from the patient's study nearest in date
max_days = 30            # ... at most so many days away
need = "both"            # "any": a study with only one of the two is taken as well

[t1]
assume = []              # such series are T1, whatever their header says: ['^ax dixon w$']
include = []             # if any are given, only such series
exclude = []             # no such series
planes = ["axial"]       # the preferred one first: "axial", "coronal", "sagittal", "oblique"
min_slices = 10
max_slices = 300
max_slice_spacing = 16.0 # mm
contrast = "none"        # "any": also after contrast agent
fat_suppression = "any"  # "require", "exclude"
volume = "refuse"        # of several images at each position (echoes, phases), one counted from 0
# One of several candidates is taken by the first criterion, among equals by the second, and so on:
# {_CRITERIA}
prefer = ["plane", "no contrast", "fat-suppressed", "coverage", "thinnest", "lowest number"]

[t2]
assume = []
include = []
exclude = []
planes = ["axial"]
min_slices = 10
max_slices = 300
max_slice_spacing = 16.0
contrast = "any"
fat_suppression = "any"
volume = "refuse"
prefer = ["plane", "coverage", "thinnest", "finest", "lowest number"]
"""
"""A rules file to start from: every key, with its default."""
