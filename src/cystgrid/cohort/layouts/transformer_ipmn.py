"""``transformer-ipmn``: the paper's own description of its data, a JSON file of folds.

    {"num_fold": N, "fold0": {"train": [{"image_T1", "image_T2", "label"}], "val": [...],
                              "test": [...]}, ...}
    {"fold0": {"inner0": {"train": [...], "val": [...]}, ..., "test": [...]}, ...}       nested
    {"train": [...], "val": [...], "test": [...]}                                        one fold

Proietto Salanitri et al. 2022, https://github.com/perceivelab/Transformer-IPMN.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cystgrid.cohort.importing import ImportedPatient, ImportResult
from cystgrid.cohort.layouts.account import LABELS, ONE_MODALITY, Account
from cystgrid.cohort.layouts.centers import center_of
from cystgrid.cohort.layouts.images import entries, without_suffix
from cystgrid.cohort.layouts.options import PairOptions
from cystgrid.cohort.manifest import MODALITIES
from cystgrid.cohort.sheets import read_json
from cystgrid.cohort.splits import InnerFold, OuterFold, Splits
from cystgrid.errors import CohortError, path_text

IMAGES = {"t1": "image_T1", "t2": "image_T2"}
_FOLD, _INNER = re.compile(r"fold([0-9]{1,4})"), re.compile(r"inner([0-9]{1,4})")
_MODALITY = re.compile(r"[ _.-]?(?<![a-z])t[12](w|wi)?(?![a-z0-9])", re.IGNORECASE)
_LABELS = {str(number): label for number, label in LABELS.items()}


class TransformerIpmnOptions(PairOptions):
    """Options of ``transformer-ipmn``.

    Attributes:
        images: the folder that the JSON's paths are relative to; by default the JSON's own.
    """

    images: Path | None = None


@dataclass(frozen=True)
class Entry:
    """One patient as the file lists it; paths with forward slashes, empty where none is given."""

    t1: str
    t2: str
    label: str


Named = dict[Entry, str]


def read_transformer_ipmn(src: Path, options: TransformerIpmnOptions) -> ImportResult:
    """Import the JSON file, or the JSON files of a folder, whose folds become splits of its name.

    Raises:
        CohortError: no such file, another form, or entries that no id tells apart.
    """
    account = Account()
    files = [src]
    if src.is_dir():
        files = [path for path in entries(src) if path.suffix.lower() == ".json"]
    if not files:
        raise CohortError(
            src, got="no .json", expected="the file of folds", do="give the file itself"
        )
    read = {path: _Folds(read_json(path), path) for path in files}
    listed = sorted({entry for folds in read.values() for entry in folds.entries()}, key=_order)
    account.found["entries"] = len(listed)
    names = _names(listed, src)
    _take(listed, names, options.images or (src if src.is_dir() else src.parent), account, options)
    patient_of = {names[e]: names[e] for e in listed if names[e] in account.patients}
    for path, folds in read.items():
        account.take_splits(path.stem, folds.splits(names), patient_of)
        account.notes += folds.notes
    return account.result()


class _Folds:
    """One file, checked for its form."""

    def __init__(self, raw: Any, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        if not isinstance(raw, dict):
            raise self._fault("the file", "no object")
        self.folds = self._numbered(raw, _FOLD) or {"the file": raw}
        count = raw.get("num_fold")
        if count is not None and count != len(self.folds):
            self.notes.append(
                f"folds {path.stem!r}: num_fold says {count!a}, {len(self.folds)} are there"
            )

    def _numbered(self, raw: dict[str, Any], form: re.Pattern[str]) -> dict[str, Any]:
        found = {name: int(match[1]) for name in raw if (match := form.fullmatch(name))}
        return {name: raw[name] for name in sorted(found, key=lambda name: found[name])}

    def entries(self) -> Iterator[Entry]:
        """Every entry of every side, repeated ones too."""
        for test, inner in self._sides():
            yield from test
            for train, validation in inner:
                yield from train
                yield from validation

    def splits(self, names: Named) -> Splits:
        """The folds over patients' names; train, val and test are kept as they are."""

        def side(found: list[Entry]) -> tuple[str, ...]:
            return tuple(sorted({names[entry] for entry in found}))

        return Splits(
            tuple(
                OuterFold(side(test), tuple(InnerFold(side(t), side(v)) for t, v in inner))
                for test, inner in self._sides()
            )
        )

    def _sides(self) -> Iterator[tuple[list[Entry], list[tuple[list[Entry], list[Entry]]]]]:
        """The test side of each fold, and its pairs of train and val."""
        for name, fold in self.folds.items():
            if not isinstance(fold, dict):
                raise self._fault(name, "no object")
            inner = list(self._numbered(fold, _INNER).items()) or [(name, fold)]
            yield (
                self._side(name, fold, "test"),
                [(self._side(n, i, "train"), self._side(n, i, "val")) for n, i in inner],
            )

    def _side(self, name: str, fold: Any, side: str) -> list[Entry]:
        found = fold.get(side) if isinstance(fold, dict) else None
        if not isinstance(found, list):
            raise self._fault(f"{name}.{side}", "no list")
        return [self._entry(item, f"{name}.{side}[{i}]") for i, item in enumerate(found)]

    def _entry(self, item: Any, where: str) -> Entry:
        if not isinstance(item, dict) or "label" not in item:
            raise self._fault(where, "an entry without a label")
        paths = [item.get(field) or "" for field in IMAGES.values()]
        if not all(isinstance(path, str) and path.isprintable() for path in paths):
            raise self._fault(where, "an image that is no path")
        t1, t2 = (path.replace("\\", "/") for path in paths)
        if not t1 and not t2:
            raise self._fault(where, "neither image_T1 nor image_T2")
        return Entry(t1, t2, str(item["label"]))

    def _fault(self, where: str, got: str) -> CohortError:
        return CohortError(
            f"{path_text(self.path)}: {where}",
            got=got,
            expected='{"fold0": {"train": [{"image_T1", "image_T2", "label"}], "val", "test"}}',
            do="give the JSON file of the folds as it was written",
        )


def _order(entry: Entry) -> tuple[str, str, str]:
    return (entry.t1, entry.t2, entry.label)


def _names(listed: list[Entry], src: Path) -> Named:
    """An id for each entry by the first rule that gives every pair of images one of its own.

    The file has no ids. They are the images' name where T1 and T2 share it (but for ``T1`` and
    ``T2`` in it), else the folder's that both lie in.
    """
    pairs = {(entry.t1, entry.t2) for entry in listed}
    rules: tuple[Callable[[PurePosixPath], str], ...] = (
        lambda path: without_suffix(path.name),
        lambda path: _without_modality(without_suffix(path.name)),
        lambda path: path.parent.name,
        lambda path: path.parent.parent.name,
    )
    for rule in rules:
        found = {pair: {rule(PurePosixPath(path)) for path in pair if path} for pair in pairs}
        ids = [next(iter(names)) for names in found.values() if len(names) == 1]
        if len(set(ids)) == len(pairs) and all(ids):
            return {e: next(iter(found[e.t1, e.t2])) for e in listed}
    raise CohortError(
        src,
        got="image paths that no rule makes into one id a patient",
        expected="T1 and T2 of a patient under one file name or in one folder",
        do="rename the images, and their paths in the file",
    )


def _without_modality(name: str) -> str:
    return _MODALITY.sub("", name)


def _take(
    listed: list[Entry],
    names: Named,
    folder: Path,
    account: Account,
    options: TransformerIpmnOptions,
) -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    for entry in listed:
        labels[names[entry]].add(entry.label)
    for entry in {names[entry]: entry for entry in listed}.values():
        name = names[entry]
        given = {"t1": entry.t1, "t2": entry.t2}
        paths = {m: (folder / given[m]).absolute() for m in MODALITIES if given[m]}
        scans = {modality: str(path) for modality, path in paths.items() if path.exists()}
        account.found["images that are there"] += len(scans)
        why = _why_not(labels[name], scans, options)
        if why:
            account.leave_out(name, why)
        else:
            account.add(
                ImportedPatient(
                    patient=name,
                    label=_LABELS[entry.label],
                    t1=scans.get("t1", ""),
                    t2=scans.get("t2", ""),
                    center=center_of(name),
                )
            )


def _why_not(
    labels: set[str], scans: dict[str, str], options: TransformerIpmnOptions
) -> str | None:
    """Why a patient is not taken; None where it is."""
    if len(labels) > 1:
        return "two labels"
    if labels - _LABELS.keys():
        return "a label that is none of 0, 1, 2, 3"
    if not scans:
        return "none of its images is there (images=FOLDER names the folder of the paths)"
    if len(scans) == 1 and options.single == "leave-out":
        return ONE_MODALITY.format(*(modality.upper() for modality in scans))
    return None
