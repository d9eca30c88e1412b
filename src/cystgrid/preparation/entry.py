"""What is known of a prepared patient without reading a voxel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.likeness import Fingerprint
from cystgrid.preparation.standardise import PERCENTILES


@dataclass(frozen=True, eq=False)
class Entry:
    """One patient of a store.

    Attributes:
        patient, label, center, group, sex, age: as in the manifest.
        flags: one sentence each.
        shape: of the crop.
        fingerprints: of each whole scan.
        percentiles: ``(modality, P)`` float64, landmarks of each whole scan; NaN where there is no
            such scan.
        modalities: of which there is a scan, in the crop's order.
    """

    patient: str
    label: str | None
    center: str
    group: str
    flags: tuple[str, ...]
    shape: tuple[int, int, int, int]
    fingerprints: dict[str, Fingerprint]
    percentiles: NDArray[np.float64] = field(repr=False)
    modalities: tuple[str, ...] = ()
    sex: str = ""
    age: str = ""

    @classmethod
    def of_card(cls, card: dict[str, Any], modalities: tuple[str, ...]) -> Entry:
        """What a card says.

        Args:
            card: as ``read_card`` gave it.
            modalities: of the crop, in its order.
        """
        modality, slices, rows, columns = card["shape"]
        landmarks = card["percentiles"]
        return cls(
            card["patient"],
            card["label"],
            card["center"],
            card["group"],
            tuple(card["flags"]),
            (modality, slices, rows, columns),
            {name: Fingerprint.from_json(each) for name, each in card["fingerprints"].items()},
            stored_percentiles(landmarks),
            tuple(n for n, row in zip(modalities, landmarks, strict=True) if row is not None),
            card["sex"],
            card["age"],
        )


def stored_percentiles(rows: list[list[float] | None]) -> NDArray[np.float64]:
    """Each scan's landmarks, NaN for a scan that there is not: JSON has no such number."""
    absent = [np.nan] * len(PERCENTILES)
    return np.array([absent if row is None else row for row in rows], np.float64)
