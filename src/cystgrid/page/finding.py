"""Looks through an upload: its series, masks, the T1 and T2 that are taken of them, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from cystgrid.cohort.pairing import pair_series
from cystgrid.cohort.pairing_rules import PairingRules
from cystgrid.errors import CystgridError, ScanError
from cystgrid.page.masks import pancreas_among, stored_masks
from cystgrid.page.studies import FILES, Series, Study
from cystgrid.provenance import digest
from cystgrid.scans.nifti import SUFFIXES
from cystgrid.scans.reading import read_scan
from cystgrid.scans.series_summary import SeriesSummary
from cystgrid.scans.survey import cells, reasons, survey

WEIGHTED = re.compile(r"(?<![a-z0-9])t([12])(?![0-9])", re.IGNORECASE)
"""T1 or T2 in a file's name: ``scan_T1W.nii.gz``, ``t2.nii``."""

MASK = re.compile(r"(?<![a-z])(mask|roi|seg|segmentation|label|labels)(?![a-z])", re.IGNORECASE)


def find_study(folder: Path, names: Mapping[str, str]) -> Study:
    """Look through the files of an upload; headers of DICOM alone, NIfTI files whole.

    Args:
        folder: of the study; its files lie in ``files``.
        names: what the files were called.

    Raises:
        ScanError: nothing that could be a scan.
    """
    found = survey(folder / FILES)
    pairing = pair_series(found, PairingRules(need="any"))
    verdicts = {one.series.series_uid: one.reason for one in pairing.verdicts}
    series = [
        _dicom_series(one, f"s{number}", verdicts.get(one.series_uid, ""))
        for number, one in enumerate(found.series, 1)
    ]
    masks = stored_masks(found.series, folder)
    keys = {one.series_uid: f"s{number}" for number, one in enumerate(found.series, 1)}
    nifti = [
        _nifti_series(folder, name, names[name], f"n{number}")
        for number, name in enumerate(sorted(n for n in names if n.endswith(SUFFIXES)), 1)
    ]
    if not any(one.usable for one in [*series, *nifti]):
        raise ScanError(
            "the upload", got=_nothing(len(names), len(series)),
            expected="MR series in DICOM, or NIfTI files",
            do="drop the study's folder, a zip of it, or the T1 and T2 NIfTI files",
        )  # fmt: skip
    pair = max(pairing.pairs, key=lambda one: bool(one.t1) + bool(one.t2), default=None)
    chosen = {
        name: keys[scan.series_uid] if pair and (scan := getattr(pair, name)) else ""
        for name in ("t1", "t2")
    }
    remarks = [*(pair.remarks if pair else ()), *_beside(found.damaged, len(pairing.pairs))]
    first = next((one for one in found.series if keys[one.series_uid] in chosen.values()), None)
    first = first or next(iter(found.series), None)
    for name in (*chosen, "mask"):
        if not chosen.get(name):
            chosen[name] = next((one.key for one in nifti if one.weighting == name), "")
    chosen["mask"] = chosen["mask"] or pancreas_among(masks)
    return Study(
        patient_key=first.patient_key if first else digest(["unknown", folder.name]),
        patient=_person(first),
        date=_date(first.identity.study_date if first else ""),
        series=(*series, *masks, *nifti),
        remarks=tuple(remarks),
        **chosen,
    )


def _dicom_series(one: SeriesSummary, key: str, verdict: str) -> Series:
    number, description, _, plane, matrix, spacing, slices = cells(one)
    return Series(
        key=key,
        reference=f"{FILES}#{one.series_uid}",
        number=number,
        description=description,
        weighting=one.weighting,
        plane=plane,
        matrix=matrix,
        spacing=spacing,
        slices=slices,
        why=reasons(one),
        usable=one.kind == "MR" and not one.faults and one.volumes == 1,
        chosen=verdict,
    )


def _nifti_series(folder: Path, stored: str, name: str, key: str) -> Series:
    """A NIfTI file; what is wrong with it is its reason."""
    shown = name if name.isprintable() else "a NIfTI file"
    weighted = WEIGHTED.search(name)
    kind = "mask" if MASK.search(name) else f"t{weighted[1]}" if weighted else "other"
    facts = {"plane": "-", "matrix": "-", "spacing": "-", "slices": "-"}
    why = {"mask": "a mask, by its name", "other": "its name says neither T1 nor T2"}
    told, usable = why.get(kind, f"{kind.upper()}, by its name"), True
    try:
        scan = read_scan(folder / FILES / stored)
    except CystgridError as error:
        told, usable = str(error.naming(lambda _: "file")), False
    else:
        i, j, k = scan.shape
        facts = {
            "plane": _plane(scan.spacing),
            "matrix": f"{i} x {j}",
            "spacing": " x ".join(f"{length:.3g}" for length in scan.spacing),
            "slices": str(k),
        }
    return Series.model_validate(
        {"key": key, "reference": f"{FILES}/{stored}", "number": "-", "description": shown,
         "weighting": kind, "why": told, "usable": usable, **facts}
    )  # fmt: skip


def _plane(spacing: tuple[float, float, float]) -> str:
    """By the thickest side of a voxel."""
    thickest = max(range(3), key=lambda n: spacing[n])
    if math.isclose(spacing[thickest], min(spacing), rel_tol=0.01):
        return "isotropic"
    return ("sagittal", "coronal", "axial")[thickest]


def _nothing(files: int, series: int) -> str:
    if not files:
        return "no file"
    return f"{files} file{'s' * (files > 1)}, {series or 'no'} DICOM series, none that can be read"


def _beside(damaged: tuple[tuple[Path, str], ...], studies: int) -> list[str]:
    remarks = [f"{len(damaged)} DICOM file(s) cannot be used: {damaged[0][1]}"] if damaged else []
    if studies > 1:
        remarks.append(f"The upload holds {studies} studies; check that both scans are of one.")
    return remarks


def _person(series: SeriesSummary | None) -> str:
    if series is None:
        return ""
    stated = series.identity.name.replace("^", " ").strip() or series.identity.patient_id
    return "".join(letter for letter in stated if letter.isprintable())


def _date(stated: str) -> str:
    is_date = len(stated) == 8 and stated.isdigit()
    return f"{stated[:4]}-{stated[4:6]}-{stated[6:]}" if is_date else ""
