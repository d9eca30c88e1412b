"""One oblique volume, and small writers that put it on disk as DICOM."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)
from scipy.spatial.transform import Rotation

from cystgrid.scans.geometry import LPS_TO_RAS
from cystgrid.scans.volume import Volume

SECRET = "Doe-Secret"
"""Stands in every text element that could hold a person's name; no message may repeat it."""

SERIES_UID = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture
def oblique() -> Volume:
    """4 x 5 x 6 distinct integers, 0.9 x 1.1 x 3.5 mm, tilted about every axis."""
    voxels = np.random.default_rng(0).permutation(4 * 5 * 6).reshape(4, 5, 6).astype(np.float32)
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", [11, -7, 17], degrees=True).as_matrix()
    affine[:3, :3] = turn * [0.9, 1.1, 3.5]
    affine[:3, 3] = [-31.5, 12.25, 140.0]
    return Volume(voxels, affine)


@pytest.fixture
def write_slices():
    return _write_slices


@pytest.fixture
def write_enhanced():
    return _write_enhanced


def _write_slices(folder: Path, volume: Volume, edit=None, seed: int = 0, series=SERIES_UID):
    """A classic MR file for each k, under shuffled names; ``edit(k, dataset)`` may damage one."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(seed).permutation(volume.shape[2])
    paths = []
    for k in range(volume.shape[2]):
        dataset = _common(volume, MRImageStorage, series)
        dataset.update(_place(volume, k)[0])
        dataset.update(_place(volume, k)[1])
        dataset.update(_place(volume, k)[2])
        dataset.EchoTime = "80"
        dataset.InstanceNumber = str(names[k] + 1)
        dataset.PixelData = volume.voxels[:, :, k].T.astype("<u2").tobytes()
        if edit is not None:
            edit(k, dataset)
        paths.append(folder / f"{SECRET}-{names[k]:03}.dcm")
        dcmwrite(paths[-1], dataset, enforce_file_format=True)
    return paths


def _write_enhanced(path: Path, volume: Volume, order=None, edit=None):
    """One enhanced MR file whose frames stand in ``order``; ``edit(dataset)`` may damage it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = list(range(volume.shape[2])) if order is None else list(order)
    dataset = _common(volume, EnhancedMRImageStorage, SERIES_UID)
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
    dcmwrite(path, dataset, enforce_file_format=True)


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
    return f"{value:.10f}"[:16]


def _common(volume: Volume, kind: str, series: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, generate_uid()
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = series, "1.2.3"
    dataset.PatientName = dataset.PatientID = dataset.InstitutionName = SECRET
    dataset.SeriesDescription = f"t2 tse {SECRET}"
    dataset.ImageComments = dataset.ProtocolName = SECRET
    dataset.SeriesNumber = "5"
    dataset.Rows, dataset.Columns = volume.shape[1], volume.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    return dataset
