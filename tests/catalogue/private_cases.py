"""Case 45: a person's name and dates in every text tag, private tags, file names and paths.

Every other case plants some of it too; here it stands wherever DICOM and NIfTI have room for text.
"""

from pathlib import Path

import numpy as np
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement

from catalogue.framework import case
from catalogue.sound import (
    HEADER_BYTES,
    SECRET,
    SECRET_DATE,
    T1,
    edited,
    nifti,
    slice_path,
    write_slices,
)

TEXT = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
DATES = {"DA", "DT"}
GROUPS = {0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x4008}
CODES = ("BodyPartExamined", "StationName", "PatientSex", "DerivationDescription", "SequenceName")


def plant(k: int, dataset) -> None:
    """Put the name into each text element of the standard, the date into each date."""
    for tag, (kind, count, _, retired, _) in DicomDictionary.items():
        if tag >> 16 not in GROUPS or retired or count == "0":
            continue
        if kind in TEXT:
            dataset.add(DataElement(tag, kind, SECRET))
        elif kind in DATES:
            dataset.add(DataElement(tag, kind, SECRET_DATE))
    for keyword in CODES:
        setattr(dataset, keyword, SECRET.upper())
    block = dataset.private_block(0x0009, SECRET, create=True)
    block.add_new(1, "LO", SECRET)
    block.add_new(2, "DA", SECRET_DATE)
    block.add_new(3, "UN", f"{SECRET} {SECRET_DATE}".encode())
    hidden = dataset.private_block(0x0029, f"{SECRET} CSA", create=True)
    hidden.add_new(4, "OB", f"{SECRET}\0{SECRET_DATE}\0".encode())


def planted_nifti(folder: Path) -> Path:
    """A T1 whose header texts and extension hold the name."""
    content = edited(
        nifti(T1),
        vox_offset=HEADER_BYTES + 4 + 32,
        descrip=SECRET,
        aux_file=SECRET,
        intent_name=SECRET,
        db_name=SECRET,
        data_type=SECRET,
    )
    block = np.array([32, 6], "<i4").tobytes() + f"{SECRET} {SECRET_DATE}".encode().ljust(24, b"\0")
    path = folder / f"{SECRET}_{SECRET_DATE}.nii"
    path.write_bytes(content[:HEADER_BYTES] + b"\1\0\0\0" + block + content[HEADER_BYTES + 4 :])
    return path


@case(45, "fix", "a person's name and dates wherever there is room, in a sound patient", letter="a",
      options=("--pictures", "pictures"))  # fmt: skip
def planted(folder):
    series = write_slices(folder / f"{SECRET} {SECRET_DATE}", edit=plant)
    return {"t1": str(planted_nifti(folder)), "t2": str(series)}


@case(45, "refuse", "the same in a patient that is refused", "1 missing slice", letter="b",
      options=("--pictures", "pictures"))  # fmt: skip
def planted_and_refused(folder):
    series = write_slices(folder / f"{SECRET} {SECRET_DATE}", edit=plant)
    slice_path(series, 4).unlink()
    return {"t1": str(planted_nifti(folder)), "t2": str(series)}


@case(45, "refuse", "the same in a file cut inside a name",
      r"\([0-9A-F]{4},[0-9A-F]{4}\)|parsed|meta", letter="c")  # fmt: skip
def planted_and_broken(folder):
    series = write_slices(folder / f"{SECRET} {SECRET_DATE}", edit=plant)
    path = slice_path(series, 4)
    content = path.read_bytes()
    # cut inside a text element, so that a parser's own message would hold part of it
    path.write_bytes(content[: content.index(SECRET.encode(), 400) + 4])
    return {"t1": str(planted_nifti(folder)), "t2": str(series)}
