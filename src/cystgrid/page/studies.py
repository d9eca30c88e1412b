"""What lies in an upload, as it is kept beside the files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cystgrid.errors import ScanError
from cystgrid.provenance import json_text, write_text
from cystgrid.scans.nifti import SUFFIXES
from cystgrid.settings import Settings

FILES, MASKS, STUDY = "files", "masks", "study.json"


class Series(Settings):
    """One scan that may be chosen.

    Attributes:
        key: names it in forms and addresses.
        reference: below the study's folder, as ``scans.reference`` takes it.
        number, description, weighting, plane, matrix, spacing, slices: of it, to be shown.
        why: why the weighting is thought so, or what is against the series.
        usable: whether it can be read as one volume.
        chosen: why it was taken or not.
    """

    key: str
    reference: str
    number: str
    description: str
    weighting: Literal["t1", "t2", "other", "mask"]
    plane: str
    matrix: str
    spacing: str
    slices: str
    why: str
    usable: bool
    chosen: str = ""

    @property
    def can_be_mask(self) -> bool:
        """Whether it may be given as the region: a stored mask, or any NIfTI file."""
        return self.weighting == "mask" or self.reference.endswith(SUFFIXES)


class Study(Settings):
    """What was found in an upload.

    Attributes:
        patient_key: digest; the same for another study of the same patient.
        patient: name or id as the files state it, to be shown on the page and written nowhere else.
        date: of the study, YYYY-MM-DD, or empty.
        series: all there are.
        t1, t2, mask: keys of those chosen; empty if there is none.
        remarks: what a reader should know, one sentence each.
    """

    patient_key: str
    patient: str
    date: str
    series: tuple[Series, ...]
    t1: str = ""
    t2: str = ""
    mask: str = ""
    remarks: tuple[str, ...] = ()

    def of(self, key: str) -> Series:
        """The series of a key.

        Raises:
            ScanError: there is none.
        """
        for one in self.series:
            if one.key == key:
                return one
        raise ScanError("series", got="no such series", expected="one in the list", do="choose one")


def write_study(study: Study, folder: Path) -> None:
    """Write what was found beside the files."""
    write_text(folder / STUDY, json_text(study.model_dump(mode="json")))


def read_study(folder: Path) -> Study:
    """What ``write_study`` wrote."""
    return Study.model_validate_json((folder / STUDY).read_bytes())
