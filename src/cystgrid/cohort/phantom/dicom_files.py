"""Classic MR DICOM series of a phantom, one file a slice, with every tag the standard asks for."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from cystgrid.provenance import write_bytes
from cystgrid.scans.volume import Affine

STUDY_DATE, STUDY_TIME = "20000101", "120000"
"""Fixed, so that equal content gives equal bytes; no phantom was ever examined."""
STORED_MAXIMUM = 4095
"""12 bits, as most scanners store."""
LPS = np.diag([-1.0, -1.0, 1.0])
IMPLEMENTATION = generate_uid(entropy_srcs=["cystgrid phantom"])
# weighting: (ScanningSequence, SequenceVariant, RepetitionTime, EchoTime, EchoTrainLength)
_SEQUENCE = {"t1": ("GR", "SP", "4.2", "1.9", "1"), "t2": ("SE", "SK", "1200", "90", "120")}


@dataclass(frozen=True)
class Series:
    """What a series' header says besides its voxels.

    Attributes:
        patient: the phantom's id.
        weighting: "t1" or "t2".
        sex: "F" or "M".
        age: years.
        center: named as the institution.
        field_strength: tesla.
        fat_suppressed: told as a scan option.
        thickness: slice thickness in mm.
        entropy: makes this cohort's UIDs its own.
    """

    patient: str
    weighting: str
    sex: str
    age: int
    center: str
    field_strength: float
    fat_suppressed: bool
    thickness: float
    entropy: str

    def uid(self, *what: str) -> str:
        """The same UID for the same cohort, patient and purpose, and for no other."""
        return str(generate_uid(entropy_srcs=["cystgrid", self.entropy, self.patient, *what]))


def write_series(folder: Path, voxels: NDArray[np.float32], affine: Affine, series: Series) -> None:
    """Write ``voxels (i, j, k)`` as ``folder/0001.dcm`` and on, one file for each ``k``.

    Axes are flipped to run to the left, the back and the head, as axial slices are stored.

    Args:
        folder: made where it does not exist.
        voxels: not negative.
        affine: ``(4, 4)`` voxel centres to mm, RAS+.
        series: header facts.
    """
    voxels, affine = _radiological(voxels, affine)
    slope = float(f"{max(float(voxels.max()), 1.0) / STORED_MAXIMUM:.8g}")
    stored = np.rint(voxels / np.float32(slope)).clip(0, STORED_MAXIMUM).astype("<u2")
    steps = LPS @ affine[:3, :3]
    spacing = np.linalg.norm(steps, axis=0)
    for k in range(voxels.shape[2]):
        item = _header(series, k)
        position = LPS @ (affine[:3, :3] @ (0, 0, k) + affine[:3, 3])
        item.ImagePositionPatient = _numbers(position)
        item.ImageOrientationPatient = _numbers(
            np.concatenate([steps[:, 0] / spacing[0], steps[:, 1] / spacing[1]])
        )
        item.PixelSpacing = _numbers(spacing[[1, 0]])
        item.SpacingBetweenSlices = f"{spacing[2]:.8g}"
        item.SliceLocation = f"{float(position @ (steps[:, 2] / spacing[2])):.8g}"
        item.RescaleSlope, item.RescaleIntercept, item.RescaleType = f"{slope:.8g}", "0", "US"
        _pixels(item, stored[:, :, k].T, slope)
        buffer = BytesIO()
        item.save_as(buffer, enforce_file_format=True)
        write_bytes(folder / f"{k + 1:04d}.dcm", buffer.getvalue())


def _radiological(
    voxels: NDArray[np.float32], affine: Affine
) -> tuple[NDArray[np.float32], Affine]:
    """The same scan with ``i, j, k`` flipped to run to L, P and S."""
    turn = np.array([[axis, np.sign(affine[axis, axis]) * (-1, -1, 1)[axis]] for axis in range(3)])
    flipped = nib.orientations.apply_orientation(voxels, turn)
    return flipped, affine @ nib.orientations.inv_ornt_aff(turn, voxels.shape)


def _numbers(values: NDArray[np.float64]) -> list[str]:
    """Decimal strings of at most 16 characters."""
    return [f"{value + 0.0:.8f}"[:16] for value in values]


def _pixels(item: Dataset, rows: NDArray[np.uint16], slope: float) -> None:
    item.SamplesPerPixel = 1
    item.PhotometricInterpretation = "MONOCHROME2"
    item.Rows, item.Columns = rows.shape
    item.BitsAllocated, item.BitsStored, item.HighBit = 16, 12, 11
    item.PixelRepresentation = 0
    top = float(rows.max()) * slope
    item.WindowCenter, item.WindowWidth = f"{top / 2:.6g}", f"{max(top, 1.0):.6g}"
    item.PixelData = np.ascontiguousarray(rows).tobytes()
    item["PixelData"].VR = "OW"


def _header(series: Series, k: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = series.uid(series.weighting, "slice", str(k))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    item = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    item.SpecificCharacterSet = "ISO_IR 192"
    item.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    item.SOPClassUID, item.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    item.StudyInstanceUID = series.uid("study")
    item.SeriesInstanceUID = series.uid(series.weighting, "series")
    item.FrameOfReferenceUID = series.uid("frame of reference")
    item.StudyDate = item.SeriesDate = item.ContentDate = STUDY_DATE
    item.StudyTime = item.SeriesTime = item.ContentTime = STUDY_TIME
    item.AccessionNumber, item.StudyID, item.ReferringPhysicianName = "", "1", ""
    item.Modality, item.Manufacturer = "MR", "cystgrid digital phantom"
    item.InstitutionName, item.PositionReferenceIndicator = f"phantom centre {series.center}", ""
    item.PatientName, item.PatientID = f"{series.patient}^phantom", series.patient
    item.PatientBirthDate, item.PatientSex = "", series.sex
    item.PatientAge, item.PatientPosition = f"{series.age:03d}Y", "HFS"
    number = 1 if series.weighting == "t1" else 2
    item.SeriesNumber, item.AcquisitionNumber, item.InstanceNumber = number, 1, k + 1
    item.SeriesDescription = f"{series.weighting.upper()} axial digital phantom"
    item.BodyPartExamined = "ABDOMEN"
    sequence, variant, repetition, echo, train = _SEQUENCE[series.weighting]
    item.ScanningSequence, item.SequenceVariant = sequence, variant
    item.ScanOptions = "FS" if series.fat_suppressed else ""
    item.MRAcquisitionType = "2D"
    item.RepetitionTime, item.EchoTime, item.EchoTrainLength = repetition, echo, train
    item.MagneticFieldStrength = f"{series.field_strength:g}"
    item.SliceThickness = f"{series.thickness:.6g}"
    return item
