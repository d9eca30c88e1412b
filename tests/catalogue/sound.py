"""A small sound pair of scans, and writers that put it on disk for a case to spoil.

Both scans show one body: an ellipse, an organ, a cyst. The T2's numbers are exact in NIfTI and in
DICOM, so that the same scan in either form must give the same bytes when it is prepared.
"""

import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from cystgrid.scans.geometry import LPS_TO_RAS
from cystgrid.scans.volume import Volume

SECRET, SECRET_DATE = "Qzsecret", "19350412"
"""A person's name and birth date: in every DICOM file and path of a case, never in what is said."""

SERIES = "1.2.826.0.1.3680043.8.498.1"
HEADER_BYTES = 348


def _affine(spacing: tuple[float, ...], shape: tuple[int, ...], degrees: float) -> np.ndarray:
    """Axes toward left, back and head, turned about the last; the grid's middle at (0, 0, 0)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[-c, s, 0], [-s, -c, 0], [0, 0, 1]]) * spacing
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) // 2)
    return affine


def _body(shape: tuple[int, ...], affine: np.ndarray, organ: int, cyst: int) -> Volume:
    index = np.stack(np.indices(shape), axis=-1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3], -1, 0)
    values = 400.0 * ((x / 55) ** 2 + (y / 45) ** 2 < 1)
    values[(x - 15) ** 2 + y**2 + z**2 < 20**2] = organ
    values[(x + 15) ** 2 + (y - 8) ** 2 + z**2 < 12**2] = cyst
    ripple = 1 + 0.1 * np.sin(x / 9) * np.cos(y / 11) * np.cos(z / 25)
    return Volume(np.rint(values * ripple + 5).astype(np.float32), affine)


T2_SHAPE, T1_SHAPE = (24, 22, 10), (20, 20, 12)
T2 = _body(T2_SHAPE, _affine((5.0, 5.0, 6.0), T2_SHAPE, 0), 700, 1500)
T1 = _body(T1_SHAPE, _affine((6.0, 6.0, 5.5), T1_SHAPE, 5), 900, 150)


def _roi() -> Volume:
    voxels = np.zeros(T2_SHAPE, dtype=np.float32)
    voxels[7:17, 7:15, 3:7] = 1
    return T2.with_voxels(voxels)


ROI = _roi()


def write_pair(folder: Path) -> dict[str, str]:
    """The sound scans and region as NIfTI; their references by column."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, volume in (("t1", T1), ("t2", T2), ("roi", ROI)):
        (folder / f"{name}.nii").write_bytes(nifti(volume))
    return {name: str(folder / f"{name}.nii") for name in ("t1", "t2", "roi")}


def nifti(volume: Volume = T2, dtype: str = "<i2", **fields) -> bytes:
    """A NIfTI-1 file with both forms set; ``fields`` overwrite the header's, past every check."""
    order = dtype[0]
    image = nib.Nifti1Image(volume.voxels.astype(dtype[1:]), volume.affine)
    image.set_qform(volume.affine, code=1)
    image.set_sform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    header = image.header.as_byteswapped(order)
    header["magic"], header["vox_offset"] = b"n+1", HEADER_BYTES + 4
    header["scl_slope"], header["scl_inter"] = 1, 0
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + bytes(4) + volume.voxels.astype(dtype).tobytes(order="F")


def edited(content: bytes, **fields) -> bytes:
    """A NIfTI-1 file with some header fields overwritten."""
    header = nib.Nifti1Header(content[:HEADER_BYTES], check=False)
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + content[HEADER_BYTES:]


def dim(*sizes: int) -> list[int]:
    """The 8 numbers of NIfTI's ``dim`` for these sizes."""
    return [len(sizes), *sizes, *[1] * (7 - len(sizes))]


STORED = 2**15


def gzipped(content: bytes) -> bytes:
    """A gzip stream of stored blocks: the same bytes whichever zlib there is."""
    blocks = []
    for at in range(0, len(content), STORED):
        piece = content[at : at + STORED]
        last = at + STORED >= len(content)
        blocks.append(struct.pack("<BHH", last, len(piece), len(piece) ^ 0xFFFF) + piece)
    tail = struct.pack("<II", zlib.crc32(content), len(content) % 2**32)
    return GZIP_START + b"".join(blocks) + tail


GZIP_START = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
"""Gzip's own header without a name or a time (RFC 1952)."""


def write_slices(folder: Path, volume: Volume = T2, edit=None, series: str = SERIES) -> Path:
    """A classic MR file for each k, under shuffled names; ``edit(k, dataset)`` may spoil one."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(0).permutation(volume.shape[2])
    for k in range(volume.shape[2]):
        dataset = _common(volume, MRImageStorage, series, k)
        for part in _place(volume, k):
            dataset.update(part)
        dataset.EchoTime = "80"
        dataset.InstanceNumber = str(names[k] + 1)
        dataset.PixelData = volume.voxels[:, :, k].T.astype("<u2").tobytes()
        if edit is not None:
            edit(k, dataset)
        dcmwrite(slice_path(folder, k, volume), dataset, enforce_file_format=True)
    return folder


def slice_path(folder: Path, k: int, volume: Volume = T2) -> Path:
    """The file of one slice."""
    names = np.random.default_rng(0).permutation(volume.shape[2])
    return folder / f"{SECRET}-{names[k]:02}.dcm"


def write_enhanced(path: Path, order=None, edit=None, volume: Volume = T2) -> Path:
    """One enhanced MR file whose frames stand in ``order``; ``edit(dataset)`` may spoil it."""
    order = range(volume.shape[2]) if order is None else order
    dataset = _common(volume, EnhancedMRImageStorage, SERIES, 0)
    dataset.NumberOfFrames = str(len(order))
    shared = Dataset()
    shared.PlaneOrientationSequence = [_place(volume, 0)[1]]
    shared.PixelMeasuresSequence = [_place(volume, 0)[2]]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in order:
        frame, echo = Dataset(), Dataset()
        echo.EffectiveEchoTime = 80.0
        frame.PlanePositionSequence = [_place(volume, k)[0]]
        frame.MREchoSequence = [echo]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = b"".join(volume.voxels[:, :, k].T.astype("<u2").tobytes() for k in order)
    if edit is not None:
        edit(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def _place(volume: Volume, k: int) -> tuple[Dataset, Dataset, Dataset]:
    """Position, orientation and measures of slice k, written from the affine alone."""
    lps = LPS_TO_RAS @ volume.affine
    position, orientation, measures = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [_ds(x) for x in (lps @ [0, 0, k, 1])[:3]]
    cosines = lps[:3, :2] / volume.spacing[:2]
    orientation.ImageOrientationPatient = [_ds(x) for x in cosines.T.ravel()]
    measures.PixelSpacing = [_ds(volume.spacing[1]), _ds(volume.spacing[0])]
    measures.SliceThickness = _ds(volume.spacing[2])
    return position, orientation, measures


def _ds(value: float) -> str:
    return f"{value + 0.0:.10f}"[:16]


def _common(volume: Volume, kind: str, series: str, number: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, f"{series}.{number + 1}"
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = series, "1.2.3"
    dataset.Modality = "MR"
    dataset.PatientName, dataset.PatientID = f"{SECRET}^Jane", f"{SECRET}-4711"
    dataset.PatientBirthDate = SECRET_DATE
    dataset.InstitutionName = dataset.ImageComments = dataset.ProtocolName = SECRET
    dataset.SeriesDescription = f"t2 tse {SECRET}"
    dataset.SeriesNumber = "5"
    dataset.Rows, dataset.Columns = volume.shape[1], volume.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    return dataset
