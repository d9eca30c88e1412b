"""``pansegdata``: T1 and T2 scans of several centres with pancreas masks, without IPMN risk.

    t1/imagesTr/<SITE>_<NNNN>_0000.nii.gz    t1/labelsTr/<SITE>_<NNNN>.nii.gz
    t2/imagesTr/<SITE>_<NNNN>_0000.nii.gz    t2/labelsTr/<SITE>_<NNNN>.nii.gz

The numbers under ``t1`` and ``t2`` are independent of each other: the same number is not the same
person, so every scan is a patient of its own. Zhang et al. 2025 (PanSegNet); https://osf.io/kysnj.
"""

from __future__ import annotations

import re
from pathlib import Path

from cystgrid.cohort.importing import ImportedPatient, ImportResult
from cystgrid.cohort.layouts.account import Account
from cystgrid.cohort.layouts.images import child, grids_differ, key, list_images
from cystgrid.cohort.layouts.options import NoOptions
from cystgrid.cohort.manifest import MODALITIES
from cystgrid.errors import CohortError

PARTS = (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs"))
_IMAGE = re.compile(r"(?P<case>(?P<site>.+?)_(?P<number>[0-9]+))_0000")


def read_pansegdata(src: Path, options: NoOptions) -> ImportResult:
    """Import PanSegData; patients are named ``t1_<SITE>_<NNNN>`` and ``t2_<SITE>_<NNNN>``.

    Raises:
        CohortError: neither ``t1/imagesTr`` nor ``t2/imagesTr`` is there.
    """
    del options
    account = Account()
    there = [modality for modality in MODALITIES if child(src, modality).is_dir()]
    if not there:
        raise CohortError(
            src,
            got="neither t1 nor t2",
            expected="the folders t1 and t2 with imagesTr and labelsTr",
            do="give the folder that holds them",
        )
    for modality in there:
        folder = child(src, modality)
        for images, masks in PARTS:
            if images == PARTS[0][0] or child(folder, images).is_dir():
                _take_part(child(folder, images), child(folder, masks), modality, account)
    account.notes.append("no patient has a label: this data set states no risk")
    if len(there) == len(MODALITIES):
        account.notes.append(
            "T1 and T2 numbers are independent of each other, so scans are not paired; the same "
            "person may stand under a T1 and a T2 id"
        )
    return account.result()


def _take_part(images: Path, masks: Path, modality: str, account: Account) -> None:
    what = modality.upper()
    scans = list_images(images, account, f"{what} images")
    labels = list_images(masks, account, f"{what} masks") if masks.is_dir() else {}
    used = set()
    for scan in scans.values():
        found = _IMAGE.fullmatch(scan.name)
        if not found:
            account.leave_out(f"{modality}_{scan.name}", "a name that is not SITE_NUMBER_0000")
            continue
        mask = labels.get(key(found["case"]))
        used.add(key(found["case"]))
        name = f"{modality}_{found['case']}"
        taken = account.add(
            ImportedPatient(
                patient=name,
                t1=scan.reference if modality == "t1" else "",
                t2=scan.reference if modality == "t2" else "",
                roi=mask.reference if mask else "",
                center=found["site"],
            )
        )
        trouble = grids_differ(scan.path, mask.path) if mask else "no pancreas mask"
        if taken and trouble:
            account.flag(name, trouble)
    for name, mask in labels.items():
        if name not in used:
            account.leave_out(f"{modality}_{mask.name}", f"a {what} mask without its image")
