"""``inn``: the cohort of Mayo Clinic as Inflated Neural Networks expects it.

    {Whole_Scans,Cropped_Scans}/<modality>/CAD-##/<image>.{nii,nii.gz,hdr,mhd}
    {Whole_Scans,Cropped_Scans}/<modality>_Masks/CAD-##/<mask>
    IPMN_Ground_Truth.csv                          id,label without a header; 3 is merged into 2
    split_lists/<name>/{train,test}_split_<i>.csv  image paths and label, if folds were made

LaLonde et al. 2019, https://github.com/lalonderodney/INN-Inflated-Neural-Nets.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from cystgrid.cohort.fold_tables import Fold
from cystgrid.cohort.importing import ImportResult
from cystgrid.cohort.layouts.account import LABELS, Account
from cystgrid.cohort.layouts.images import SUFFIXES, Image, child, entries, key, take_pair
from cystgrid.cohort.layouts.options import PairOptions
from cystgrid.cohort.manifest import MODALITIES
from cystgrid.cohort.published import splits_of_published
from cystgrid.cohort.sheets import read_csv
from cystgrid.errors import CohortError

SCANS = {"whole": "Whole_Scans", "cropped": "Cropped_Scans"}
GROUND_TRUTH = "IPMN_Ground_Truth.csv"
MERGED = {"0": LABELS[0], "1": LABELS[1], "2": LABELS[2], "3": LABELS[2]}
MASKS = "_masks"
NOT_READ = (".hdr", ".mhd")
_SPLIT_FILE = re.compile(r"(train|test)_split_([0-9]{1,4})\.csv")


class InnOptions(PairOptions):
    """Options of ``inn``.

    Attributes:
        images: whole or cropped scans.
        t1, t2: names of the modalities' folders, where more than one is named after T1 or T2.
        reader: how the names of the files to take begin (``irene``), where a patient's folder holds
            several.
    """

    images: Literal["whole", "cropped"] = "whole"
    t1: str = ""
    t2: str = ""
    reader: str = ""


def read_inn(src: Path, options: InnOptions) -> ImportResult:
    """Import the layout of INN.

    Raises:
        CohortError: a folder or the ground truth is missing or cannot be read, or several folders
            could be meant.
    """
    account = Account()
    root = child(src, SCANS[options.images])
    folders = {"t1": _modality_folder(root, "t1", options.t1),
               "t2": _modality_folder(root, "t2", options.t2)}  # fmt: skip
    scans = {
        m: _list(folder, account, f"{m.upper()} images", options) for m, folder in folders.items()
    }
    masks = {
        m: _list(beside, account, f"{m.upper()} masks", options)
        for m, folder in folders.items()
        if (beside := child(folder.parent, folder.name + MASKS)).is_dir()
    }
    labels = _labels(child(src, GROUND_TRUTH), account)
    for name in sorted({*scans["t1"], *scans["t2"]}):
        there = {m: scans[m][name] for m in MODALITIES if name in scans[m]}
        mask = next((masks[m][name] for m in ("t2", "t1") if name in masks.get(m, {})), None)
        _, label = labels.get(name, ("", None))
        taken = take_pair(account, there, mask, label, options.single)
        if taken and mask is None and options.images == "whole":
            account.flag(next(iter(there.values())).name, "no mask that can be read")
    for name in labels.keys() - scans["t1"].keys() - scans["t2"].keys():
        account.leave_out(labels[name][0], "labelled, but there is no image that can be read")
    _take_folds(child(src, "split_lists"), account)
    return account.result()


def _modality_folder(root: Path, modality: str, chosen: str) -> Path:
    """The folder named after a modality (``T1``, ``Resized_T2``), not that of its masks."""
    if chosen:
        return child(root, chosen)
    word = re.compile(rf"(?<![a-z0-9]){modality}(?![0-9])", re.IGNORECASE)
    found = [
        path
        for path in entries(root)
        if path.is_dir() and word.search(path.name) and not path.name.casefold().endswith(MASKS)
    ]
    if len(found) != 1:
        raise CohortError(
            root,
            got=f"{len(found)} folders named after {modality.upper()}",
            expected="one",
            do=f"name the one that is meant: {modality}=FOLDER",
        )
    return found[0]


def _list(folder: Path, account: Account, what: str, options: InnOptions) -> dict[str, Image]:
    """The image of each patient's folder by key."""
    found = {}
    for entry in entries(folder):
        if not entry.is_dir():
            account.found[f"other entries beside the {what}"] += 1
            continue
        files = [path for path in entries(entry) if path.name.startswith(options.reader)]
        images = [path for path in files if path.name.lower().endswith(SUFFIXES)]
        account.found[what] += len(images)
        if len(images) == 1:
            found[key(entry.name)] = Image(entry.name, images[0])
        elif images:
            account.leave_out(entry.name, f"{len(images)} {what} in one folder (choose by reader=)")
        else:
            unread = any(path.suffix.lower() in NOT_READ for path in files)
            form = "only .hdr/.img or .mhd among the {}; convert them to .nii.gz"
            account.leave_out(entry.name, (form if unread else "nothing among the {}").format(what))
    return found


def _labels(path: Path, account: Account) -> dict[str, tuple[str, str]]:
    """Ids as written and classes, by key; no class where rows disagree or name none."""
    labels: dict[str, tuple[str, str]] = {}
    merged = set()
    for row in read_csv(path, columns=2, header=False).rows:
        account.found["rows of the ground truth"] += 1
        name, label = key(row[0]), MERGED.get(row[1], "")
        merged |= {name} if row[1] == "3" else set()
        agrees = labels.get(name, ("", label))[1] == label
        labels[name] = (row[0], label if agrees else "")
    if merged:
        count = len(merged)
        account.notes.append(f"{count} patients of label 3 were merged into high, as published")
    return labels


def _take_folds(folder: Path, account: Account) -> None:
    """Folds that INN's own code wrote: a row is the image of each modality, and the label."""
    if not folder.is_dir():
        return
    patient_of = {key(name): name for name in account.patients}
    for experiment in entries(folder):
        try:
            splits = splits_of_published(_folds(experiment))
        except CohortError as error:
            account.not_taken(experiment.name, error)
        else:
            account.take_splits(experiment.name, splits, patient_of)


def _folds(experiment: Path) -> list[Fold]:
    folds: dict[int, Fold] = {}
    for path in entries(experiment):
        found = _SPLIT_FILE.fullmatch(path.name)
        if found:
            rows = read_csv(path, columns=2, header=False).rows
            ids = [key(_patient_folder(row[0])) for row in rows]
            folds.setdefault(int(found[2]), Fold()).add(found[1], ids)
    return [folds[number] for number in sorted(folds)]


def _patient_folder(image: str) -> str:
    """The patient of ``T1/CAD-01/image.nii``, with either slash."""
    parts = image.replace("\\", "/").split("/")
    return parts[-2] if len(parts) > 1 else image
