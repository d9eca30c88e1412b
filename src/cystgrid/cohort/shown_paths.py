"""Which paths may be said: one that is made of the patient's id and of plain words names nobody."""

from __future__ import annotations

import re
from pathlib import Path

from cystgrid.scans.reference import path_part

PLAIN = frozenset((
    "t1", "t2", "t1w", "t2w", "t1wi", "t2wi", "nii", "gz", "dcm", "dicom", "nifti", "mr", "mri",
    "axial", "coronal", "sagittal", "ax", "cor", "sag", "tra", "fs", "haste", "vibe", "in", "out",
    "opp", "phase", "mask", "masks", "roi", "rois", "seg", "segmentation", "segmentations",
    "label", "labels", "pancreas", "lesion", "lesions", "cyst", "cysts", "ipmn", "image", "images",
    "imagestr", "imagests", "labelstr", "labelsts", "scan", "scans", "series", "data", "dataset",
    "raw", "whole", "cropped", "study", "studies", "patient", "patients", "volume", "case",
    "cases", "sub", "subject", "ses", "session", "anat", "cohort", "train", "test", "fold",
    "truth", "new", "old",
))  # fmt: skip
"""Words of scans and folders, none of which is a person's."""

MOST_DIGITS = 4
"""Beside the id and the plain words: a channel's number, and too few for a date of birth."""

_WORD = re.compile(r"[^\W_]+")


def whereabouts(cell: str, folder: Path, patient: str) -> str:
    """What goes on after "does not exist": the path, if it may be said, and whether its folder is.

    Args:
        cell: a reference of the manifest to something that is not there.
        folder: where its path begins.
        patient: id of the row.
    """
    shown = f": {cell!r}" if names_nobody(cell, patient) else ""
    hidden = "" if shown else "; the path may hold a name and is not shown"
    try:
        there = path_part(folder / cell).parent.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    return f"{shown} (its folder is {'there' if there else 'not there either'}{hidden})"


def names_nobody(path: str, patient: str) -> bool:
    """Whether a manifest's path holds nothing but the row's id, plain words and few digits."""
    own = _WORD.findall(patient.casefold())
    words = (word for word in _WORD.findall(path.casefold()) if word not in PLAIN)
    others = "".join(word for word in words if word not in own)
    return not others or (others.isdecimal() and len(others) <= MOST_DIGITS)
