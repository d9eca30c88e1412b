"""``cyst-x``: the public multi-centre set with T1, T2, pancreas masks and IPMN risk.

    IPMN_images_masks/{t1,t2}/{images,masks}/*.nii.gz     whole scans, pancreas masks
    IPMN_Classification/{t1,t2}/*.nii.gz                  scans cropped to the pancreas
    IPMN_Classification/IPMN_labels_{t1,t2}_total.xlsx    column 0 scan, column 5 risk
    IPMN_Classification/IPMN_labels_total.xlsx            column 0 T1, column 1 T2, column 6 risk
    data splits/classification/*/*.csv                    published folds

Pan et al. 2025, arXiv:2507.22017; https://huggingface.co/datasets/phy710/Cyst-X.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cystgrid.cohort.fold_tables import Ids, read_folds
from cystgrid.cohort.importing import ImportedPatient, ImportResult
from cystgrid.cohort.layouts.account import LABELS, ONE_MODALITY, Account
from cystgrid.cohort.layouts.centers import base_of, center_of
from cystgrid.cohort.layouts.channels import known_name, renamed_to
from cystgrid.cohort.layouts.images import Image, child, entries, key, list_images, without_suffix
from cystgrid.cohort.layouts.options import PairOptions
from cystgrid.cohort.manifest import MODALITIES
from cystgrid.cohort.published import splits_of_published
from cystgrid.cohort.sheets import read_xlsx
from cystgrid.cohort.splits import splits_of_folds
from cystgrid.errors import CohortError

CLASSIFICATION = "IPMN_Classification"
SCANS_AND_MASKS = "IPMN_images_masks"
SCAN_SHEETS = {"t1": "IPMN_labels_t1_total.xlsx", "t2": "IPMN_labels_t2_total.xlsx"}
PAIR_SHEET = "IPMN_labels_total.xlsx"
SCAN_RISK_COLUMN, PAIR_RISK_COLUMN = 5, 6
RISKS = {"0": LABELS[0], "1": LABELS[1], "2": LABELS[2]}
FOLDS = ("data splits", "classification")


class CystXOptions(PairOptions):
    """Options of ``cyst-x``.

    Attributes:
        images: whole scans with pancreas masks, or the scans cropped to the pancreas, which need
            ``roi = "whole"`` in the study.
        folds: a further file of published folds (CSV or JSON) beside those in ``data splits``.
    """

    images: Literal["whole", "cropped"] = "whole"
    folds: Path | None = None


@dataclass
class Sheets:
    """What the three workbooks say, by key of the scan.

    Attributes:
        risks: every class stated for a scan, of ``t1`` and ``t2``; the empty set for a row without.
        pairs: T1 and T2 that stand in one row of the sheet of pairs.
        written: each scan's id as a sheet has it.
    """

    risks: dict[str, dict[str, set[str]]] = field(
        default_factory=lambda: {modality: {} for modality in MODALITIES}
    )
    pairs: list[tuple[str, str]] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """The scans of one patient to be; at least one is there."""

    t1: Image | None = None
    t2: Image | None = None

    @property
    def name(self) -> str:
        """The id of the T1 scan, by which the published code tells the centre, or of the T2."""
        return self.t1.name if self.t1 else self.t2.name if self.t2 else ""

    def scans(self) -> dict[str, Image]:
        """The scans that are there, by modality."""
        found = {"t1": self.t1, "t2": self.t2}
        return {modality: scan for modality, scan in found.items() if scan}


def read_cyst_x(src: Path, options: CystXOptions) -> ImportResult:
    """Import Cyst-X.

    Labels come from the three workbooks together; a scan they disagree on is left out. T1 and T2
    are paired by the sheet of pairs, and by equal ids where it says nothing. A file ``X_0000`` is
    taken for the sheets' ``X`` where that is the only way to read it, and it is noted.

    Raises:
        CohortError: a folder, workbook or column that is missing or cannot be read.
    """
    account = Account()
    whole = options.images == "whole"
    listed = {
        m: list_images(_scans(src, m, whole), account, f"{m.upper()} images") for m in MODALITIES
    }
    masks: dict[str, dict[str, Image]] = {modality: {} for modality in MODALITIES}
    if whole:
        masks = {
            m: list_images(_folder(src, m) / "masks", account, f"{m.upper()} masks")
            for m in MODALITIES
        }
    else:
        account.notes.append('cropped scans have no mask: the study needs roi = "whole"')
    sheets = _read_sheets(src, account)
    scans = {
        m: _under_known_ids(listed[m], {name: sheets.written[name] for name in sheets.risks[m]},
                            f"{m.upper()} images", account)
        for m in MODALITIES
    }  # fmt: skip
    masks = {
        m: _under_known_ids(masks[m], {name: scan.name for name, scan in scans[m].items()},
                            f"{m.upper()} masks", account)
        for m in MODALITIES
    }  # fmt: skip
    pairs = _pair(scans, sheets, account)
    for pair in pairs:
        _take(pair, masks, sheets, account, options)
    account.group({name: base_of(name) for name in account.patients})
    _take_folds(src, options, scans, sheets, pairs, account)
    return account.result()


def _folder(src: Path, modality: str) -> Path:
    return child(child(src, SCANS_AND_MASKS), modality)


def _scans(src: Path, modality: str, whole: bool) -> Path:
    if whole:
        return _folder(src, modality) / "images"
    return child(child(src, CLASSIFICATION), modality, f"{modality}_clean_ROI")


def _under_known_ids(
    images: dict[str, Image], known: Mapping[str, str], what: str, account: Account
) -> dict[str, Image]:
    """The images, those that carry a channel's number under the id that is known; it is noted."""
    found = renamed_to(images, known)
    count = len(found.keys() - images.keys())
    if count:
        account.notes.append(
            f"{count} {what} differ from an id by a channel's number (X_0000 and X, as nnU-Net "
            "writes them) and are taken for that id's"
        )
    return found


def _read_sheets(src: Path, account: Account) -> Sheets:
    folder = child(src, CLASSIFICATION)
    sheets = Sheets()
    for modality, name in SCAN_SHEETS.items():
        for row in read_xlsx(folder / name, SCAN_RISK_COLUMN + 1).rows:
            if row[0]:
                _state(sheets, {modality: row[0]}, row[SCAN_RISK_COLUMN], account)
    for row in read_xlsx(folder / PAIR_SHEET, PAIR_RISK_COLUMN + 1).rows:
        both = {m: row[column] for column, m in enumerate(MODALITIES) if row[column]}
        _state(sheets, both, row[PAIR_RISK_COLUMN], account)
        if len(both) == len(MODALITIES):
            sheets.pairs.append((key(row[0]), key(row[1])))
    sheets.pairs = list(dict.fromkeys(sheets.pairs))
    account.found["pairs in the sheet of pairs"] = len(sheets.pairs)
    return sheets


def _state(sheets: Sheets, scans: dict[str, str], risk: str, account: Account) -> None:
    """Enter one row of a workbook."""
    account.found["rows with a risk" if risk else "rows without a risk"] += 1
    for modality, name in scans.items():
        sheets.written[key(name)] = without_suffix(name)
        stated = sheets.risks[modality].setdefault(key(name), set())
        if risk:
            stated.add(RISKS.get(risk, risk))


def _pair(scans: dict[str, dict[str, Image]], sheets: Sheets, account: Account) -> list[Pair]:
    """Every scan in a pair or alone, in order of keys; a scan in two pairs is left out."""
    free = {modality: dict(found) for modality, found in scans.items()}
    times = {m: Counter(pair[i] for pair in sheets.pairs) for i, m in enumerate(MODALITIES)}
    for modality in MODALITIES:
        for name, count in times[modality].items():
            if count > 1 and name in free[modality]:
                image = free[modality].pop(name)
                account.leave_out(image.name, f"a {modality.upper()} paired with {count} others")
    pairs = []
    for t1, t2 in [*sheets.pairs, *((name, name) for name in scans["t1"])]:
        if t1 in free["t1"] and t2 in free["t2"]:
            pairs.append(Pair(free["t1"].pop(t1), free["t2"].pop(t2)))
    pairs += [Pair(t1=image) for image in free["t1"].values()]
    pairs += [Pair(t2=image) for image in free["t2"].values()]
    account.found["pairs with both images"] = sum(len(pair.scans()) == 2 for pair in pairs)
    for modality in MODALITIES:
        for name in sheets.risks[modality].keys() - scans[modality].keys():
            account.leave_out(
                sheets.written[name], f"in the sheets, but there is no {modality.upper()} image"
            )
    return sorted(pairs, key=lambda pair: (-len(pair.scans()), key(pair.name)))


def _take(
    pair: Pair,
    masks: dict[str, dict[str, Image]],
    sheets: Sheets,
    account: Account,
    options: CystXOptions,
) -> None:
    scans = pair.scans()
    stated = [sheets.risks[m].get(key(scan.name)) for m, scan in scans.items()]
    why = _why_not(pair, stated, options)
    if why:
        account.leave_out(pair.name, why)
        return
    mask = next(
        (masks[m][key(s.name)] for m, s in reversed(scans.items()) if key(s.name) in masks[m]), None
    )
    taken = account.add(
        ImportedPatient(
            patient=pair.name,
            label=_all(stated).pop(),
            t1=pair.t1.reference if pair.t1 else "",
            t2=pair.t2.reference if pair.t2 else "",
            roi=mask.reference if mask else "",
            center=center_of(pair.name),
        )
    )
    if taken and mask is None and options.images == "whole":
        account.flag(pair.name, "no pancreas mask")
    if taken and pair.t1 and pair.t2 and key(pair.t1.name) != key(pair.t2.name):
        account.flag(pair.name, "T1 and T2 are paired by the sheet, under different ids")


def _all(stated: Iterable[set[str] | None]) -> set[str]:
    return {risk for risks in stated if risks for risk in risks}


def _why_not(pair: Pair, stated: list[set[str] | None], options: CystXOptions) -> str | None:
    """Why a pair makes no patient; None where it does."""
    scans, risks = pair.scans(), _all(stated)
    if len(scans) == 1 and options.single == "leave-out":
        return ONE_MODALITY.format(*(modality.upper() for modality in scans))
    if all(found is None for found in stated):
        return "in none of the sheets"
    if not risks:
        return "no risk in any sheet"
    if risks - set(RISKS.values()):
        return "a risk that is none of 0, 1, 2"
    if len(risks) > 1:
        return "the sheets disagree on the risk"
    return None if center_of(pair.name) else "an id of no known centre"


def _take_folds(
    src: Path,
    options: CystXOptions,
    scans: dict[str, dict[str, Image]],
    sheets: Sheets,
    pairs: list[Pair],
    account: Account,
) -> None:
    known = {name for m in MODALITIES for name in (*scans[m], *sheets.risks[m])}

    def known_key(name: str) -> str:
        return known_name(key(name), known)

    patients: dict[str, dict[str, str]] = {modality: {} for modality in MODALITIES}
    for pair in pairs:
        for modality, scan in pair.scans().items():
            if pair.name in account.patients:
                patients[modality][key(scan.name)] = pair.name
    for name, path in _fold_files(src, options):
        side = next((m for m in MODALITIES if path.stem.casefold().split("_")[-1] == m), None)
        patient_of = patients[side] if side else {**patients["t2"], **patients["t1"]}
        try:
            folds = splits_of_published(read_folds(path, Ids(known_key, known)))
        except CohortError as error:
            account.not_taken(name, error)
        else:
            account.take_splits(name, folds, patient_of)
    _leave_one_center_out(account)


def _fold_files(src: Path, options: CystXOptions) -> list[tuple[str, Path]]:
    folder = child(child(src, FOLDS[0]), FOLDS[1]) if child(src, FOLDS[0]).is_dir() else None
    found = []
    if folder is not None and folder.is_dir():
        for task in entries(folder):
            files = (
                [path for path in entries(task) if path.suffix == ".csv"] if task.is_dir() else []
            )
            found += [(f"{task.name}/{path.stem}", path) for path in files]
    if options.folds is not None:
        found.append((options.folds.stem, options.folds))
    return found


def _leave_one_center_out(account: Account) -> None:
    """LOCO: each centre is the test fold once, the others take turns as validation."""
    by_center: dict[str, list[str]] = defaultdict(list)
    for patient in account.patients.values():
        by_center[patient.center].append(patient.patient)
    folds = [by_center[center] for center in sorted(by_center)]
    try:
        splits = splits_of_folds(folds)
    except CohortError as error:
        account.not_taken("leave-one-center-out", error)
        return
    account.take_splits("leave-one-center-out", splits, {name: name for name in account.patients})
