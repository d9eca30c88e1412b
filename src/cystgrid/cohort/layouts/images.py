"""Folders of NIfTI files whose names are ids."""

from __future__ import annotations

import gzip
import io
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from cystgrid.cohort.importing import ImportedPatient
from cystgrid.cohort.layouts.account import ONE_MODALITY, Account
from cystgrid.cohort.layouts.centers import center_of
from cystgrid.errors import CohortError
from cystgrid.scans.volume import Affine

SUFFIXES = (".nii.gz", ".nii")
NIFTI2_HEADER_BYTES = 540
GRID_TOLERANCE_MM = 1e-2
"""Headers written by different software differ by rounding of float32; a hundredth of a voxel."""


@dataclass(frozen=True)
class Image:
    """A file and the id its name gives."""

    name: str
    path: Path

    @property
    def reference(self) -> str:
        """The absolute path as text."""
        return str(self.path)


def without_suffix(name: str) -> str:
    """A file name without ``.nii`` or ``.nii.gz``; any other name as it is."""
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def key(name: str) -> str:
    """What ids are compared by: no suffix, one coding of accents, capitals or not."""
    return unicodedata.normalize("NFC", without_suffix(name.strip())).casefold()


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, hidden entries (``.DS_Store``, ``._x``) passed over.

    Raises:
        CohortError: no such folder, or it may not be entered.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise CohortError(
            folder,
            got=f"no folder that can be read ({error.strerror})",
            expected="a folder of the data set",
            do="check that SRC is the data set's own folder and is complete (docs/layouts.md)",
        ) from error


def list_images(folder: Path, account: Account, what: str) -> dict[str, Image]:
    """The NIfTI files of a folder by key; two of one id are both left out.

    Args:
        folder: the folder; its sub-folders are not entered.
        account: gets the counts, and what is left out.
        what: names the files there, as ``T1 images``.
    """
    by_key: dict[str, list[Image]] = {}
    for path in entries(folder):
        if path.name.lower().endswith(SUFFIXES) and path.is_file():
            image = Image(without_suffix(path.name), path)
            by_key.setdefault(key(path.name), []).append(image)
        else:
            account.found[f"other entries beside the {what}"] += 1
    account.found[what] += sum(map(len, by_key.values()))
    for images in by_key.values():
        if len(images) > 1:
            account.leave_out(images[0].name, f"{len(images)} files of one id among the {what}")
    return {name: images[0] for name, images in by_key.items() if len(images) == 1}


def child(folder: Path, *names: str) -> Path:
    """The first of ``names`` that lies in ``folder``, capitals or not; else the first, absent.

    Raises:
        CohortError: no such folder.
    """
    there = {path.name.casefold(): path for path in entries(folder)}
    found = [there[name.casefold()] for name in names if name.casefold() in there]
    return found[0] if found else folder / names[0]


def read_grid(path: Path) -> tuple[tuple[int, ...], Affine] | None:
    """Shape and affine as a NIfTI header states them; None where it cannot be made out.

    Only the header's bytes are read; nothing of it is believed but for comparing.
    """
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
            block = stream.read(NIFTI2_HEADER_BYTES)
        kind = nib.Nifti1Header if block[:4] in (_size(348, "<"), _size(348, ">")) else None
        if block[:4] in (_size(540, "<"), _size(540, ">")):
            kind = nib.Nifti2Header
        if kind is None:
            return None
        header = kind.from_fileobj(io.BytesIO(block), check=False)
        shape = tuple(int(count) for count in header.get_data_shape())
        return shape, np.asarray(header.get_best_affine(), dtype=np.float64)
    except (OSError, EOFError, zlib.error, ValueError, IndexError, HeaderDataError,
            WrapStructError) as error:  # fmt: skip
        del error  # the scan itself will be refused with the reason when it is read
        return None


def _size(count: int, order: str) -> bytes:
    return np.array(count, f"{order}i4").tobytes()


def grids_differ(image: Path, mask: Path) -> str | None:
    """How the headers of an image and its mask disagree, in words; None where they agree."""
    one, other = read_grid(image), read_grid(mask)
    if one is None or other is None:
        return "a header of the image or its mask cannot be made out"
    if one[0] != other[0]:
        return "the mask's header states another matrix than the image's"
    if not np.allclose(one[1], other[1], rtol=0, atol=GRID_TOLERANCE_MM):
        return "the mask's header places it elsewhere than the image's"
    return None


def take_pair(
    account: Account,
    there: Mapping[str, Image],
    mask: Image | None,
    label: str | None,
    single: Literal["leave-out", "keep"],
) -> bool:
    """Take in the patient of one T1 and one T2 image, or say why not.

    Args:
        account: of the import.
        there: the images by modality, at least one; the first names the patient.
        mask: of the pancreas.
        label: the class; empty where it is none or rows disagree, None where there is no row.
        single: what becomes of one image alone.

    Returns:
        Whether there is a patient now.
    """
    name = next(iter(there.values())).name
    if len(there) == 1 and single == "leave-out":
        account.leave_out(name, ONE_MODALITY.format(*(m.upper() for m in there)))
        return False
    if not label:
        bad = "a label that is none of 0, 1, 2, 3, or rows that disagree"
        account.leave_out(name, "no row in the table of labels" if label is None else bad)
        return False
    return account.add(
        ImportedPatient(
            patient=name,
            label=label,
            t1=there["t1"].reference if "t1" in there else "",
            t2=there["t2"].reference if "t2" in there else "",
            roi=mask.reference if mask else "",
            center=center_of(name),
        )
    )
