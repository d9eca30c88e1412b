"""Whether T1 and T2 can be one patient's T1 and T2, by what they state and by their voxels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cystgrid.errors import ScanError
from cystgrid.preparation.settings import Modality, PreparationSettings
from cystgrid.scans.dicom_tags import tag_name
from cystgrid.scans.origin import Origin
from cystgrid.scans.volume import Volume


def pair_refusal(
    scans: Mapping[Modality, Volume] | Mapping[str, Volume],
    origins: Mapping[str, Origin],
    settings: PreparationSettings,
) -> ScanError | None:
    """Why two scans cannot be used together; None where they can, or where there is only one.

    Args:
        scans: by modality.
        origins: of the same scans.
        settings: whether two PatientIDs are refused.
    """
    if len(scans) < 2:
        return None
    both = " and ".join(scans)
    (one, first), (other, second) = origins.items()
    image, copy = (scan.voxels for scan in scans.values())
    if np.array_equal(image, copy):
        return ScanError(
            both, got="one image twice", expected="a T1 and a T2 scan", do="correct one of the two"
        )
    if (first.weighting, second.weighting) == (other, one):
        return ScanError(
            both,
            got=f"scans that state the other's weighting ({first.why}; {second.why})",
            expected="a T1 and a T2 scan, each in its place",
            do="exchange the two",
        )
    if first.of_another_person(second) and settings.patient_ids == "agree":
        return ScanError(
            f"{both}: {tag_name('PatientID')}",
            got="two patients",
            expected="scans of one patient",
            do='check the pair; if ids were replaced series by series, set patient_ids = "flag"',
        )
    return None


def origin_flags(
    origins: Mapping[str, Origin], settings: PreparationSettings
) -> list[tuple[str, str]]:
    """What a reader should know of scans that are used: the column, and how its sentence goes on.

    Args:
        origins: by modality; one or two.
        settings: whether two PatientIDs are used.
    """
    flags = [
        (name, f"states another weighting, {origin.weighting.upper()} ({origin.why}).")
        for name, origin in origins.items()
        if origin.weighting in ("t1", "t2") and origin.weighting != name
    ]
    if len(origins) < 2:
        return flags
    (name, first), (other, second) = origins.items()
    if first.of_another_person(second) and settings.patient_ids == "flag":
        flags.append((name, f"and {other} state two {tag_name('PatientID')}s; used as chosen."))
    if first.in_another_frame(second):
        flags.append(
            (
                name,
                f"and {other} state two frames of reference (FrameOfReferenceUID): perhaps two "
                "examinations, whose positions need not match.",
            )
        )
    return flags
