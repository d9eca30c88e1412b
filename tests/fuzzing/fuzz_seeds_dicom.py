"""DICOM seeds: classic series in every transfer syntax that is read, enhanced multi-frame files."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import gdcm
import numpy as np
from dicom_walk import deflated
from fuzz_seeds import CANARY, Files, Seed, distinct_voxels, oblique_affine
from pydicom import Dataset, FileMetaDataset, dcmread, dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

SHAPE = (34, 32, 6)
"""Columns, rows, slices: small, but large enough for JPEG 2000's wavelets."""

UID = "1.2.826.0.1.3680043.8.498"
SERIES, OTHER_SERIES = f"{UID}.1", f"{UID}.2"
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def dicom_seeds() -> tuple[Seed, ...]:
    """Folders of a classic series first, then single files."""
    plain = _series()
    rescaled = _series(rescale=True)
    many = {**_series(), **_series(series=OTHER_SERIES, name="other", slices=3)}
    folders = {
        "dicom explicit VR": (plain, ""),
        "dicom implicit VR, rescaled": (_as(rescaled, ImplicitVRLittleEndian), ""),
        "dicom signed, MONOCHROME1": (_series(signed=True, inverted=True), ""),
        "dicom, other series beside": (many, SERIES),
        "dicom RLE": (_as(plain, RLELossless), ""),
        "dicom JPEG 2000": (_as(plain, JPEG2000Lossless), ""),
        "dicom JPEG-LS": (_as(plain, JPEGLSLossless), ""),
        "dicom JPEG lossless": (_by_gdcm(plain), ""),
        "dicom deflated": (_as(plain, DeflatedExplicitVRLittleEndian), ""),
    }
    seeds = [Seed(kind, "dicom", files, None, choice) for kind, (files, choice) in folders.items()]
    seeds.append(Seed("dicom, deflated after", "dicom", _undeflated(plain), wrap=deflated))
    target = f"{CANARY}.dcm"
    enhanced = {target: _bytes(_enhanced())}
    seeds.append(Seed("dicom enhanced, in a folder", "dicom", enhanced))
    for kind, content in {
        "dicom enhanced": enhanced[target],
        "dicom enhanced, rescaled, implicit VR": _bytes(
            _enhanced(rescale=True), ImplicitVRLittleEndian
        ),
        "dicom enhanced RLE": _bytes(_enhanced(), RLELossless),
        "dicom one slice": plain[min(plain)],
    }.items():
        seeds.append(Seed(kind, "dicom", {target: content}, target))
    return tuple(seeds)


def _series(*, series=SERIES, name="", slices=SHAPE[2], **form) -> Files:
    """A file for each slice; names run against the order of positions."""
    return {
        f"{CANARY}{name}-{slices - k:02}.dcm": _bytes(_slice(k, series, **form))
        for k in range(slices)
    }


def _slice(k: int, series: str, rescale=False, signed=False, inverted=False) -> Dataset:
    dataset = _common(MRImageStorage, series, f"{series}.{k + 1}")
    for part in _place(k):
        dataset.update(part)
    dataset.EchoTime, dataset.InstanceNumber = "80", str(k + 1)
    dataset.WindowCenter, dataset.WindowWidth = "1000", "2000"
    dataset.SmallestImagePixelValue = 0
    if rescale:
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{1.5 + 0.25 * k}", f"{-10 - k}"
        dataset.RescaleType = "US"
    if inverted:
        dataset.PhotometricInterpretation = "MONOCHROME1"
    pixels = _voxels()[:, :, k].T
    if signed:
        dataset.PixelRepresentation = 1
        pixels = pixels - 2048
    dataset.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
    return dataset


def _enhanced(rescale=False) -> Dataset:
    """Frames stand in an order of their own, as scanners may write them."""
    order = [3, 0, 5, 1, 4, 2]
    dataset = _common(EnhancedMRImageStorage, SERIES, f"{SERIES}.1")
    dataset.NumberOfFrames = str(len(order))
    shared = Dataset()
    _, shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = ([x] for x in _place(0))
    values = Dataset()
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = "-10", "1.5", "US"
    if rescale:
        shared.PixelValueTransformationSequence = [values]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = frames = []
    for number, k in enumerate(order):
        frame, echo, content = Dataset(), Dataset(), Dataset()
        echo.EffectiveEchoTime = 80.0
        content.DimensionIndexValues, content.FrameAcquisitionNumber = [1, k + 1], number + 1
        frame.FrameContentSequence = [content]
        frame.PlanePositionSequence = [_place(k)[0]]
        frame.MREchoSequence = [echo]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = b"".join(_voxels()[:, :, k].T.astype("<u2").tobytes() for k in order)
    return dataset


def _voxels() -> np.ndarray:
    return distinct_voxels(SHAPE, 4000)


def _common(kind: str, series: str, instance: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, instance
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{UID}.9", series
    dataset.FrameOfReferenceUID = f"{UID}.8"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.Modality, dataset.BurnedInAnnotation = "MR", "NO"
    dataset.PatientName = dataset.PatientID = dataset.InstitutionName = CANARY
    dataset.SeriesDescription = f"t2 tse {CANARY}"
    dataset.ImageComments = dataset.ProtocolName = CANARY
    dataset.SeriesNumber = "5"
    referenced, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-1", "99X", CANARY
    referenced.ReferencedSOPClassUID, referenced.ReferencedSOPInstanceUID = kind, f"{UID}.7"
    referenced.PurposeOfReferenceCodeSequence = [code]
    dataset.ReferencedImageSequence = [referenced, referenced]
    block = dataset.private_block(0x0019, f"{CANARY} CREATOR", create=True)
    block.add_new(0x01, "LO", CANARY)
    block.add_new(0x02, "OB", b"\x01\x02\x03\x04" * 4)
    block.add_new(0x03, "SQ", [code])
    dataset.Rows, dataset.Columns = SHAPE[1], SHAPE[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    return dataset


def _place(k: int) -> tuple[Dataset, Dataset, Dataset]:
    """Position, orientation and measures of slice k."""
    lps = LPS @ oblique_affine()
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    position, orientation, measures = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [_ds(x) for x in (lps @ [0, 0, k, 1])[:3]]
    orientation.ImageOrientationPatient = [_ds(x) for x in (lps[:3, :2] / spacing[:2]).T.ravel()]
    measures.SliceThickness, measures.SpacingBetweenSlices = _ds(spacing[2]), _ds(spacing[2])
    measures.PixelSpacing = [_ds(spacing[1]), _ds(spacing[0])]
    return position, orientation, measures


def _ds(value: float) -> str:
    return f"{value:.10f}"[:16]


def _bytes(dataset: Dataset, syntax=ExplicitVRLittleEndian) -> bytes:
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    return _written(dataset, syntax)


def _written(dataset: Dataset, syntax) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.ImplementationClassUID = f"{UID}.6"
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _as(files: Files, syntax) -> Files:
    """The same series in another transfer syntax."""
    return {name: _bytes(dcmread(io.BytesIO(data)), syntax) for name, data in files.items()}


def _undeflated(files: Files) -> Files:
    """Files that say they are deflated, and are not yet."""
    one, other = (
        uid.encode() + b"\0" * (len(uid) % 2)
        for uid in (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
    )
    return {name: _replace_syntax(data, one, other) for name, data in files.items()}


def _replace_syntax(content: bytes, one: bytes, other: bytes) -> bytes:
    """Another syntax in the file meta information, its lengths set right."""
    at = content.index(b"\x02\0\x10\0UI")
    longer = len(other) - len(one)
    group = int.from_bytes(content[140:144], "little") + longer
    return (
        content[:140] + group.to_bytes(4, "little") + content[144 : at + 6]
        + len(other).to_bytes(2, "little") + other + content[at + 8 + len(one) :]
    )  # fmt: skip


def _by_gdcm(files: Files) -> Files:
    """JPEG lossless, process 14 selection value 1, which only gdcm writes here."""
    written = {}
    with tempfile.TemporaryDirectory() as folder:
        source, packed = Path(folder, "plain.dcm"), Path(folder, "packed.dcm")
        for name, content in files.items():
            source.write_bytes(content)
            reader, change = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax()
            reader.SetFileName(str(source))
            reader.Read()
            change.SetTransferSyntax(
                gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1)
            )
            change.SetInput(reader.GetImage())
            change.Change()
            writer = gdcm.ImageWriter()
            writer.SetFileName(str(packed))
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            writer.Write()
            dataset = dcmread(io.BytesIO(content))  # gdcm's own header differs from run to run
            dataset.PixelData = dcmread(packed).PixelData
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
            written[name] = _written(dataset, JPEGLosslessSV1)
    return written
