"""Studies as scanners send them, small, with a canary in every text element."""

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

CANARY = "Quimby"
"""A person's name. Stands in every text element, and nothing that is shown may repeat it."""

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)

HASTE = {
    "SeriesDescription": f"t2_haste_tra {CANARY}",
    "ScanningSequence": "SE",
    "SequenceVariant": ["SK", "SP", "OSP"],
    "RepetitionTime": "1200",
    "EchoTime": "92",
    "FlipAngle": "150",
}
VIBE = {
    "SeriesDescription": f"t1_vibe_fs_tra {CANARY}",
    "ScanningSequence": "GR",
    "SequenceVariant": ["SP", "OSP"],
    "ScanOptions": ["PFP", "FS"],
    "RepetitionTime": "4.1",
    "EchoTime": "1.5",
    "FlipAngle": "10",
}
DWI = HASTE | {
    "SeriesDescription": f"ep2d_diff_b50_800_tra_ADC {CANARY}",
    "ScanningSequence": "EP",
    "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"],
}
TEXT_ELEMENTS = (
    "InstitutionName", "ReferringPhysicianName", "StationName", "StudyDescription",
    "PerformingPhysicianName", "OperatorsName", "StudyID", "ImageComments", "ProtocolName",
    "SequenceName", "PatientComments", "Manufacturer", "DeviceSerialNumber", "PatientAddress",
    "AdmittingDiagnosesDescription", "RequestedProcedureDescription",
)  # fmt: skip


def uid(name):
    """A UID that is always the same for a name."""
    return generate_uid(entropy_srcs=[name])


def write_series(
    folder,
    name,
    headers=VIBE,
    *,
    patient="A",
    study="1",
    date="20240102",
    number=1,
    slices=12,
    gap=5.0,
    orientation=AXIAL,
    suffix="",
    edit=None,
    **more,
):
    """Write one classic MR series; ``edit(k, dataset)`` may change a slice. Returns its UID."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = uid(f"{patient}{study}{name}")
    normal = np.cross(orientation[:3], orientation[3:])
    for k in range(slices):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = MRImageStorage
        dataset.SOPInstanceUID = uid(f"{series_uid}{k}")
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series_uid, uid(f"study{study}")
        dataset.BodyPartExamined = CANARY.upper()
        for keyword in TEXT_ELEMENTS:
            setattr(dataset, keyword, CANARY)
        dataset.private_block(0x0029, CANARY, create=True).add_new(1, "LO", CANARY)
        dataset.PatientName, dataset.PatientID = f"{CANARY}^{patient}", f"{CANARY}-{patient}"
        dataset.IssuerOfPatientID, dataset.AccessionNumber = CANARY, f"{CANARY}{study}"
        dataset.PatientBirthDate, dataset.StudyDate = "19500607", date
        dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", number, k + 1
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", CANARY.upper()]
        dataset.FrameOfReferenceUID = uid(f"frame{study}")
        dataset.Rows, dataset.Columns, dataset.PixelSpacing = 3, 4, [1.25, 1.5]
        dataset.SliceThickness = gap
        dataset.ImageOrientationPatient = list(orientation)
        dataset.ImagePositionPatient = [float(x) for x in normal * gap * k]
        for keyword, value in {**headers, **more}.items():
            setattr(dataset, keyword, value)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        dataset.PixelData = np.full(12, k, "<u2").tobytes()
        if edit is not None:
            edit(k, dataset)
        dcmwrite(folder / f"{name}-{k:03}{suffix}", dataset, enforce_file_format=True)
    return series_uid
