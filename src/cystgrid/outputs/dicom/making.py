"""What all our DICOM objects have in common: identity, maker, and where their voxels lie."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

from cystgrid.outputs.dicom.sources import Sources
from cystgrid.provenance import NOTICE
from cystgrid.scans.volume import Affine, Volume

MAKER = "cystgrid"
SERIAL = "none"
"""There is no device."""

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM's patient axes run to the left and to the back."""

FRAMES_FIRST = np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
"""Indices ``(k, j, i)`` of a frame's pixels to ``(i, j, k)`` of a volume's voxels."""

SERIES_NUMBER = 9000
"""First of our series: far behind a scanner's own."""


@dataclass(frozen=True)
class Making:
    """Who makes objects of which study, from which model.

    The same scans, model and question give the same UIDs: what is sent twice is stored once.

    Attributes:
        sources: the scans.
        model_sha256: of the model.
        version: of cystgrid.
        question: what else was asked: the region, the way maps are made, the class.
        created: when.
    """

    sources: Sources
    model_sha256: str
    version: str
    question: str
    created: datetime

    def uid(self, kind: str, number: int = 0) -> UID:
        """A UID of the form 2.25 (PS3.5, B.2), from everything that decides an object's content."""
        told = "\n".join(
            [*self.sources.uids, self.model_sha256, self.version, self.question, kind, str(number)]
        )
        return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, told).int}")

    def object(self, kind: str, series: int, number: int = 1) -> dict[str, Any]:
        """Arguments by which highdicom tells one object from another, and its maker."""
        return {
            "series_instance_uid": self.uid(kind),
            "series_number": SERIES_NUMBER + series,
            "sop_instance_uid": self.uid(kind, number),
            "instance_number": number,
            "manufacturer": MAKER,
        }

    def device(self) -> dict[str, Any]:
        """Arguments for objects that name their equipment in full."""
        return {
            "manufacturer_model_name": MAKER,
            "software_versions": self.version,
            "device_serial_number": SERIAL,
        }

    def finish(self, made: Dataset, what: str) -> None:
        """Say in the header what this is, and when and for what it was made."""
        made.SeriesDescription = f"cystgrid {what}, research use only"
        if "Rows" in made:  # an image; a report has no such attribute
            made.BodyPartExamined = "PANCREAS"
        date, time = self.created.strftime("%Y%m%d"), self.created.strftime("%H%M%S")
        made.ContentDate = made.InstanceCreationDate = made.SeriesDate = date
        made.ContentTime = made.InstanceCreationTime = made.SeriesTime = time
        if "ContentLabel" in made:
            made.ContentDescription = NOTICE
        for maker in made.get("ContributingEquipmentSequence", ())[-1:]:  # highdicom names itself
            maker.ContributionDateTime = f"{date}{time}"
        for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
            for item in made.get(sequence, ()):  # highdicom draws it at random
                item.DimensionOrganizationUID = self.uid(f"{what} dimensions")


def placed(voxels: NDArray[np.generic], affine: Affine, sources: Sources) -> hd.Volume:
    """Voxels on a scan's grid, as frames.

    Args:
        voxels: ``(i, j, k)``.
        affine: ``(4, 4)``, index to mm RAS+.
        sources: whose frame of reference it is.

    Returns:
        ``(frame, row, column)``, placed in mm LPS+.
    """
    return hd.Volume(
        np.ascontiguousarray(voxels.transpose(2, 1, 0)),
        LPS_OF_RAS @ affine @ FRAMES_FIRST,
        coordinate_system=hd.CoordinateSystemNames.PATIENT,
        frame_of_reference_uid=sources.images[0].FrameOfReferenceUID,
    )


def volume_of(stored: hd.Volume) -> Volume:
    """The way back: a stored object's frames as a volume ``(i, j, k)`` in mm RAS+."""
    affine = LPS_OF_RAS @ stored.affine @ np.linalg.inv(FRAMES_FIRST)
    return Volume(stored.array.transpose(2, 1, 0).astype(np.float32), affine, "DICOM")
