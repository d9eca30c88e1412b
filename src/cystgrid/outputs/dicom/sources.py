"""The DICOM series that an answer rests on: headers only, never written to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread

from cystgrid.cohort.manifest import Patient
from cystgrid.errors import ScanError
from cystgrid.scans.dicom import is_dicom
from cystgrid.scans.reading import scan_files
from cystgrid.scans.settings import ReadSettings

ALIKE_IN_A_STACK = ("PixelMeasuresSequence", "PlaneOrientationSequence")
"""Functional groups that every frame of a regular stack, the only kind that is read, has alike."""


@dataclass(frozen=True, eq=False)
class Sources:
    """A patient's source series.

    Attributes:
        series: by modality, every instance without its pixels.
        reference: modality on whose grid maps lie.
    """

    series: dict[str, tuple[Dataset, ...]]
    reference: str

    @property
    def images(self) -> tuple[Dataset, ...]:
        """Instances of the reference scan."""
        return self.series[self.reference]

    @property
    def everything(self) -> tuple[Dataset, ...]:
        """Instances of every scan of the reference scan's study, which alone may be evidence."""
        study = self.images[0].StudyInstanceUID
        return tuple(
            image
            for images in self.series.values()
            for image in images
            if image.StudyInstanceUID == study
        )

    @property
    def uids(self) -> tuple[str, ...]:
        """What says which scans these are: of study and series, sorted."""
        found = {
            f"{images[0].StudyInstanceUID}/{images[0].SeriesInstanceUID}"
            for images in self.series.values()
        }
        return tuple(sorted(found))


def read_sources(
    patient: Patient, modalities: tuple[str, ...], reference: str, reading: ReadSettings
) -> Sources:
    """Read the headers of a patient's scans.

    Args:
        patient: whose.
        modalities: that were read for the answer; one that the patient lacks is passed over.
        reference: on whose grid maps lie.
        reading: as the scans were read.

    Raises:
        ScanError: a scan is no DICOM series: then there is no study that results could belong to.
    """
    series = {}
    for name in modalities:
        scan = patient.scan(name)
        if scan is None:
            continue
        files = scan_files(scan, reading)
        if not all(is_dicom(path) for path in files):
            raise ScanError(
                name,
                got="a NIfTI file",
                expected="a DICOM series, for results as DICOM objects of its study",
                do="give the DICOM folder, or leave --dicom-out out",
            )
        series[name] = tuple(read_image_header(path) for path in files)
    return Sources(series, reference)


def read_image_header(path: Path) -> Dataset:
    """One instance without its pixels.

    Scanners may state of every frame of a multi-frame image what all frames share (PS3.3,
    C.7.6.16.1.1); highdicom looks for it among what is shared, so it is put there, in memory.
    """
    header = dcmread(path, stop_before_pixels=True)
    shared = header.get("SharedFunctionalGroupsSequence")
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if shared and frames:
        for group in ALIKE_IN_A_STACK:
            if group not in shared[0] and group in frames[0]:
                shared[0][group] = frames[0][group]
    return header
