"""``yao``: the layout of radiomics and deep learning fused by decision.

    data/{t1,t2}/raw/<patient>.nii.gz
    data/{t1_segmentation,t2_segmentation}/raw/<patient>.nii.gz
    data/label.csv                    columns patient and label: 0, 1, 2, and 3 for cancer

Yao et al. 2023, https://github.com/NUBagciLab/ipmn_radiomics.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cystgrid.cohort.importing import ImportResult
from cystgrid.cohort.layouts.account import LABELS, Account
from cystgrid.cohort.layouts.images import Image, child, key, list_images, take_pair, without_suffix
from cystgrid.cohort.layouts.options import PairOptions
from cystgrid.cohort.manifest import MODALITIES
from cystgrid.cohort.sheets import Table, read_csv
from cystgrid.errors import CohortError, path_text

LABEL_FILE = "label.csv"
ID_COLUMNS = ("patient", "patient_id", "id", "case", "name")
LABEL_COLUMNS = ("label", "class", "risk", "grade")


class YaoOptions(PairOptions):
    """Options of ``yao``.

    Attributes:
        cancer: what becomes of label 3: merged into ``high``, as published for three classes, or
            kept as ``adenocarcinoma``, which a study leaves out by default.
    """

    cancer: Literal["high", "adenocarcinoma"] = "high"


def read_yao(src: Path, options: YaoOptions) -> ImportResult:
    """Import the layout of Yao et al.; ``src`` is ``data`` or the folder it lies in.

    Raises:
        CohortError: a folder or ``label.csv`` is missing or cannot be read.
    """
    account = Account()
    root = src if child(src, LABEL_FILE).is_file() else child(src, "data")
    scans = {
        m: list_images(child(root, m) / "raw", account, f"{m.upper()} images") for m in MODALITIES
    }
    masks: dict[str, dict[str, Image]] = {}
    for modality in MODALITIES:
        folder = child(root, f"{modality}_segmentation") / "raw"
        there = folder.is_dir()
        masks[modality] = list_images(folder, account, f"{modality.upper()} masks") if there else {}
    labels = _labels(child(root, LABEL_FILE), account, options)
    for name in sorted({*scans["t1"], *scans["t2"]}):
        images = {m: scans[m][name] for m in MODALITIES if name in scans[m]}
        mask = next((masks[m][name] for m in ("t2", "t1") if name in masks[m]), None)
        _, label = labels.get(name, ("", None))
        if take_pair(account, images, mask, label, options.single) and mask is None:
            account.flag(next(iter(images.values())).name, "no mask")
    for name in labels.keys() - scans["t1"].keys() - scans["t2"].keys():
        account.leave_out(labels[name][0], "labelled, but there is no image")
    return account.result()


def _labels(path: Path, account: Account, options: YaoOptions) -> dict[str, tuple[str, str]]:
    """Ids as written and classes, by key; no class where rows disagree or name none."""
    table = read_csv(path, columns=2)
    ids, classes = _column(table, ID_COLUMNS, path), _column(table, LABEL_COLUMNS, path)
    known = {str(number): label for number, label in LABELS.items()}
    labels: dict[str, tuple[str, str]] = {}
    merged = 0
    for row in table.rows:
        account.found["rows of label.csv"] += 1
        label = known.get(row[classes].removesuffix(".0"), "")
        if label == LABELS[3] and options.cancer == "high":
            label, merged = LABELS[2], merged + 1
        name = without_suffix(row[ids])
        agrees = labels.get(key(name), (name, label))[1] == label
        labels[key(name)] = (name, label if agrees else "")
    if merged:
        account.notes.append(f"{merged} rows of label 3 were merged into high, as published")
    return labels


def _column(table: Table, names: tuple[str, ...], path: Path) -> int:
    header = [name.casefold() for name in table.header]
    found = [header.index(name) for name in names if name in header]
    if not found:
        raise CohortError(
            f"{path_text(path)}: header",
            got=f"{', '.join(table.header)!a}",
            expected=f"a column {' or '.join(names)}",
            do="name the column so",
        )
    return found[0]
