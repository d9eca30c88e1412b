"""``nnunet``: a raw data set of nnU-Net, version 1 or 2.

    Dataset###_Name/dataset.json
    Dataset###_Name/imagesTr/<CASE>_0000.nii.gz, <CASE>_0001.nii.gz    the channels
    Dataset###_Name/labelsTr/<CASE>.nii.gz

https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from cystgrid.cohort.importing import ImportedPatient, ImportResult
from cystgrid.cohort.layouts.account import ONE_MODALITY, Account
from cystgrid.cohort.layouts.centers import center_of
from cystgrid.cohort.layouts.images import Image, child, entries, key, list_images
from cystgrid.cohort.layouts.options import PairOptions
from cystgrid.cohort.manifest import MODALITIES
from cystgrid.cohort.sheets import read_json
from cystgrid.errors import CohortError, path_text

_CASE = re.compile(r"(?P<case>.+)_(?P<channel>[0-9]{4})")
_NAMED = {
    m: re.compile(rf"(?<![a-z0-9]){m}(w|wi|-weighted)?(?![0-9])", re.IGNORECASE) for m in MODALITIES
}
_LESIONS = re.compile(r"cyst|lesion|tumou?r|ipmn|cancer|pdac", re.IGNORECASE)
PARTS = (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs"))


class NnunetOptions(PairOptions):
    """Options of ``nnunet``.

    Attributes:
        channels: which modality each channel is, as ``0=t1,1=t2``, where dataset.json names its
            channels otherwise.
        label: the labels of the region of interest, as ``1`` or ``1+2``, where dataset.json names
            no pancreas.
    """

    channels: dict[str, str] = Field(default_factory=dict)
    label: str = ""

    @field_validator("channels", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return dict(part.strip().split("=", 1) for part in value.split(",") if "=" in part)

    @field_validator("channels")
    @classmethod
    def _of_modalities(cls, value: dict[str, str]) -> dict[str, str]:
        fine = all(c.isdecimal() and m in MODALITIES for c, m in value.items())
        if not fine or len(set(value.values())) != len(value):
            raise ValueError("channel numbers with t1 and t2, each once, as 0=t1,1=t2")
        return {str(int(channel)): modality for channel, modality in value.items()}

    @field_validator("label")
    @classmethod
    def _of_numbers(cls, value: str) -> str:
        if value and not re.fullmatch(r"[1-9][0-9]*(\+[1-9][0-9]*)*", value):
            raise ValueError("label numbers joined by +, as 1 or 1+2")
        return value


def read_nnunet(src: Path, options: NnunetOptions) -> ImportResult:
    """Import a raw data set of nnU-Net; it states no risk, so patients have no label.

    Test cases without a mask are left out.

    Raises:
        CohortError: no dataset.json, channels that are not named T1 and T2, or no pancreas among
            the labels, and no option that says so.
    """
    account = Account()
    folder = _dataset(src)
    described = read_json(folder / "dataset.json")
    if not isinstance(described, dict):
        raise _fault(folder, "the file", "no object", "an object", "take it as nnU-Net wrote it")
    channels = options.channels or _channels(described, folder)
    choice = _choice(described, folder, options, account)
    for images, masks in PARTS:
        if images == PARTS[0][0] or child(folder, images).is_dir():
            _take_part(folder, (images, masks), channels, choice, account, options)
    account.notes.append("no patient has a label: this layout states no risk")
    return account.result()


def _dataset(src: Path) -> Path:
    """``src`` itself, or the one data set in it."""
    if (src / "dataset.json").is_file():
        return src
    found = [path for path in entries(src) if (path / "dataset.json").is_file()]
    if len(found) != 1:
        raise CohortError(
            src,
            got=f"no dataset.json, and {len(found)} folders with one",
            expected="the folder of one data set",
            do="give Dataset###_Name itself",
        )
    return found[0]


def _channels(described: dict[str, Any], folder: Path) -> dict[str, str]:
    """The modality of each channel by its name (``channel_names``; ``modality`` in version 1)."""
    named = described.get("channel_names", described.get("modality"))
    found: dict[str, str] = {}
    for channel, name in named.items() if isinstance(named, dict) else []:
        means = [m for m in MODALITIES if _NAMED[m].search(str(name))]
        if len(means) != 1 or means[0] in found.values() or not str(channel).isdecimal():
            found = {}
            break
        found[str(int(channel))] = means[0]
    if not found:
        shown = ", ".join(map(str, named.values())) if isinstance(named, dict) else "nothing"
        raise _fault(
            folder, "channel_names", f"{shown!a}", "T1 and T2, each once",
            "say which channel is which: channels=0=t1,1=t2",
        )  # fmt: skip
    return found


def _choice(
    described: dict[str, Any], folder: Path, options: NnunetOptions, account: Account
) -> str:
    """What follows the mask's path: the labels of the pancreas and of what lies in it."""
    if options.label:
        return f"#label={options.label}"
    inside = _foreground(described.get("labels"))
    if len(inside) == 1:
        return f"#label={next(iter(inside))}"
    pancreas = [number for number, name in inside.items() if "pancreas" in name.casefold()]
    if not pancreas:
        raise _fault(
            folder, "labels", f"{', '.join(inside.values())!a}", "a label named pancreas",
            "say which labels are the region of interest: label=N or label=N+M",
        )  # fmt: skip
    chosen = sorted({*pancreas, *(n for n, name in inside.items() if _LESIONS.search(name))})
    account.notes.append(
        "the region of interest is " + " and ".join(f"label {n} ({inside[n]})" for n in chosen)
    )
    return "#label=" + "+".join(map(str, chosen))


def _foreground(labels: Any) -> dict[int, str]:
    """Label numbers and names; version 1 has them the other way round, regions have several."""
    found: dict[int, str] = {}
    for one, other in labels.items() if isinstance(labels, dict) else []:
        name, numbers = (str(other), one) if str(one).isdecimal() else (str(one), other)
        for number in numbers if isinstance(numbers, list) else [numbers]:
            if str(number).isdecimal() and int(number) > 0 and name.casefold() != "ignore":
                found.setdefault(int(number), name)
    return found


def _take_part(
    folder: Path,
    part: tuple[str, str],
    channels: dict[str, str],
    choice: str,
    account: Account,
    options: NnunetOptions,
) -> None:
    images = list_images(child(folder, part[0]), account, f"images in {part[0]}")
    has_masks = child(folder, part[1]).is_dir()
    masks = list_images(child(folder, part[1]), account, f"masks in {part[1]}") if has_masks else {}
    cases: dict[str, dict[str, Image]] = defaultdict(dict)
    for image in images.values():
        found = _CASE.fullmatch(image.name)
        if not found:
            account.leave_out(image.name, "a name that is not CASE_0000")
        elif str(int(found["channel"])) not in channels:
            account.leave_out(found["case"], "a channel that is neither T1 nor T2")
        else:
            cases[found["case"]][channels[str(int(found["channel"]))]] = image
    for case, scans in sorted(cases.items()):
        _take(case, scans, masks.pop(key(case), None), choice, channels, account, options)
    for mask in masks.values():
        account.leave_out(mask.name, "a mask without its images")


def _take(
    case: str,
    scans: dict[str, Image],
    mask: Image | None,
    choice: str,
    channels: dict[str, str],
    account: Account,
    options: NnunetOptions,
) -> None:
    if len(scans) < len(channels) and options.single == "leave-out":
        account.leave_out(case, ONE_MODALITY.format(*(m.upper() for m in scans)))
    elif mask is None:
        account.leave_out(case, "no mask")
    else:
        account.add(
            ImportedPatient(
                patient=case,
                t1=scans["t1"].reference if "t1" in scans else "",
                t2=scans["t2"].reference if "t2" in scans else "",
                roi=mask.reference + choice,
                center=center_of(case),
            )
        )


def _fault(folder: Path, field: str, got: str, expected: str, do: str) -> CohortError:
    where = f"{path_text(folder / 'dataset.json')}: {field}"
    return CohortError(where, got=got, expected=expected, do=do)
