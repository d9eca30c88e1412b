"""Classic MR series as a scanner writes them: some 150 elements a header, a third of them private.

No person's data: names and ids are made up, voxels are drawn from a generator.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

SIDE = 256
"""Rows and columns."""

ROOT = "1.2.826.0.1.3680043.8.498"

TEXTS = {
    "SpecificCharacterSet": "ISO_IR 100", "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM"],
    "InstanceCreationDate": "20200101", "InstanceCreationTime": "120000.000",
    "StudyDate": "20200101", "SeriesDate": "20200101", "AcquisitionDate": "20200101",
    "ContentDate": "20200101", "StudyTime": "120000.000", "SeriesTime": "120100.000",
    "AcquisitionTime": "120200.000", "ContentTime": "120300.000", "AccessionNumber": "000001",
    "Modality": "MR", "Manufacturer": "A MAKER", "InstitutionName": "A HOSPITAL",
    "InstitutionAddress": "A street, a town, a country", "ReferringPhysicianName": "NOBODY",
    "StationName": "MR1", "StudyDescription": "MR ABDOMEN", "SeriesDescription": "t2 haste tra",
    "InstitutionalDepartmentName": "Radiology", "PerformingPhysicianName": "NOBODY",
    "OperatorsName": "NOBODY", "ManufacturerModelName": "A model", "PatientName": "PHANTOM",
    "PatientID": "PHANTOM", "PatientBirthDate": "19700101", "PatientSex": "O",
    "PatientAge": "050Y", "PatientSize": "1.75", "PatientWeight": "75", "BodyPartExamined":
    "ABDOMEN", "ScanningSequence": "SE", "SequenceVariant": ["SK", "SP", "OSP"],
    "ScanOptions": ["PFP", "FS"], "MRAcquisitionType": "2D", "SequenceName": "*h2d1_194",
    "AngioFlag": "N", "SliceThickness": "5", "RepetitionTime": "1200", "EchoTime": "92",
    "NumberOfAverages": "1", "ImagingFrequency": "123.2", "ImagedNucleus": "1H",
    "EchoNumbers": "1", "MagneticFieldStrength": "3", "SpacingBetweenSlices": "6",
    "NumberOfPhaseEncodingSteps": "194", "EchoTrainLength": "194", "PercentSampling": "75",
    "PercentPhaseFieldOfView": "80", "PixelBandwidth": "781", "DeviceSerialNumber": "00001",
    "SoftwareVersions": "syngo MR E11", "ProtocolName": "t2_haste_tra", "TransmitCoilName":
    "Body", "AcquisitionMatrix": [0, 256, 194, 0], "InPlanePhaseEncodingDirection": "COL",
    "FlipAngle": "160", "VariableFlipAngleFlag": "N", "SAR": "1.2", "dBdt": "0",
    "PatientPosition": "HFS", "StudyID": "1", "SeriesNumber": "5", "AcquisitionNumber": "1",
    "PositionReferenceIndicator": "", "WindowCenter": "500", "WindowWidth": "1000",
    "WindowCenterWidthExplanation": "Algo1", "RequestedProcedureDescription": "MR ABDOMEN",
    "PerformedProcedureStepStartDate": "20200101", "PerformedProcedureStepStartTime": "120000",
    "PerformedProcedureStepID": "1", "PerformedProcedureStepDescription": "MR ABDOMEN",
    "CommentsOnThePerformedProcedureStep": "", "LossyImageCompression": "00",
}  # fmt: skip
PRIVATE_TEXTS, PRIVATE_BYTES = 50, (1_000, 12_000)
"""Private elements: short texts, and blocks of the size of a protocol."""


def write_series(folder: Path, slices: int, seed: int) -> None:
    """Write ``slices`` axial images of 256 x 256 unsigned 16-bit voxels, one file each."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    series = f"{ROOT}.{seed + 1}"
    for k in range(slices):
        dataset = _header(series, k, random)
        voxels = random.integers(0, 4096, (SIDE, SIDE), dtype=np.uint16)
        dataset.PixelData = voxels.astype("<u2").tobytes()
        dcmwrite(folder / f"{slices - k:04}.dcm", dataset, enforce_file_format=True)


def _header(series: str, k: int, random: np.random.Generator) -> Dataset:
    dataset = Dataset()
    dataset.update(TEXTS)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, UID(f"{series}.{k + 1}")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{series}.1000", series
    dataset.FrameOfReferenceUID = f"{series}.2000"
    dataset.ReferencedImageSequence = [_reference(series, number) for number in range(3)]
    dataset.InstanceNumber = str(k + 1)
    dataset.ImagePositionPatient = ["-180.5", "-140.25", f"{-120 + 6 * k}"]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.PixelSpacing = ["1.40625", "1.40625"]
    dataset.SliceLocation = f"{-120 + 6 * k}"
    dataset.Rows, dataset.Columns = SIDE, SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.SmallestImagePixelValue, dataset.LargestImagePixelValue = 0, 4095
    for group in (0x0019, 0x0029, 0x0051):
        block = dataset.private_block(group, "A MAKER MR HEADER", create=True)
        for number in range(PRIVATE_TEXTS // 3):
            block.add_new(number, "LO", f"value {number} of slice {k}")
    for number, size in enumerate(PRIVATE_BYTES):
        block.add_new(0x80 + number, "OB", random.bytes(size))
    return dataset


def _reference(series: str, number: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = MRImageStorage
    item.ReferencedSOPInstanceUID = f"{series}.3000.{number}"
    return item
