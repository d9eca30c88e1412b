"""Which elements of an MR image are read; every other is passed over."""

from __future__ import annotations

from cystgrid.scans.dicom_tags import tag_of

SERIES = ("SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription")
PERSON = ("PatientID", "IssuerOfPatientID", "PatientName")
PLACE = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "FrameOfReferenceUID", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence",
)  # fmt: skip
PIXELS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope",
    "RescaleIntercept", "ModalityLUTSequence", "BurnedInAnnotation", "LossyImageCompression",
)  # fmt: skip
MARKS = (
    "EchoTime", "DiffusionBValue", "DiffusionGradientOrientation", "InversionTime", "FlipAngle",
    "ImageType", "TemporalPositionIdentifier", "TriggerTime", "EchoNumbers", "AcquisitionNumber",
)  # fmt: skip
"""Of classic images: what can tell apart two at one position, the likeliest first."""

READ_TAGS = [tag_of(keyword) for keyword in (*SERIES, *PERSON, *PLACE, *PIXELS, *MARKS)]
