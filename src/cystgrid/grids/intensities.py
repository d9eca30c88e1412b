"""From a prepared crop's intensities to what a network sees: a fold's landmarks, then 0-1.

Both steps go voxel by voxel once a scan's least and greatest value are known, so that any slices of
a crop come out as they would within the whole of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from cystgrid.errors import SettingsError
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.standardise import standardise, unit_range

Limits = tuple[tuple[float, float] | None, ...]
"""Of each channel's standardised crop: minimum and maximum; None where there is no scan."""


@dataclass(frozen=True, eq=False)
class Intensities:
    """How the crops of a member are standardised.

    Attributes:
        channels: which modalities of a crop become channels, in this order.
        standard: ``(modality, landmark)`` the fold's standard landmarks of every modality.
        pixels: along a cell's side; None for as many as were prepared.
    """

    channels: tuple[int, ...]
    standard: NDArray[np.float64]
    pixels: int | None = None

    def limits(self, patient: PreparedPatient) -> Limits:
        """The range of each channel's whole crop, standardised.

        The map never falls, so that its least value is that of the crop's least.
        """
        found: list[tuple[float, float] | None] = []
        for m in self.channels:
            if np.isnan(patient.percentiles[m]).all():
                found.append(None)
                continue
            crop = patient.crop[m]
            ends = np.array([crop.min(), crop.max()])
            low, high = standardise(ends, patient.percentiles[m], self.standard[m]).tolist()
            found.append((low, high))
        return tuple(found)

    def slices(self, patient: PreparedPatient, limits: Limits, part: slice) -> Tensor:
        """Consecutive slices of a patient.

        Args:
            patient: whose crop is read there.
            limits: of the same patient, from ``limits``.
            part: which slices.

        Returns:
            ``(channel, slice, row, column)`` float32 in 0-1, on the processor; NaN in a channel
            whose scan the patient lacks.
        """
        scans = []
        for m, ends in zip(self.channels, limits, strict=True):
            crop = patient.crop[m, part]
            if ends is None:
                scans.append(np.full(crop.shape, np.nan, dtype=np.float32))
            else:
                mapped = standardise(crop, patient.percentiles[m], self.standard[m])
                scans.append(unit_range(mapped, ends))
        return coarsen(torch.from_numpy(np.stack(scans)), self.pixels)

    def side(self, patient: PreparedPatient) -> int:
        """Pixels along a cell's side, as networks see it."""
        return self.pixels or int(patient.crop.shape[-1])


def coarsen(crop: Tensor, pixels: int | None) -> Tensor:
    """Cells of ``pixels`` a side, each the mean of the prepared pixels under it.

    Args:
        crop: ``(channel, slice, row, column)``.
        pixels: None for as many as there are.

    Raises:
        SettingsError: more pixels are asked for than were prepared.
    """
    prepared = crop.shape[-1]
    if pixels is None or pixels == prepared:
        return crop
    if pixels > prepared:
        raise SettingsError(
            "grid.pixels",
            got=pixels,
            expected=f"at most {prepared}, as were prepared",
            do="lower grid.pixels, or prepare with a larger preparation.cell",
        )
    coarse: Tensor = adaptive_avg_pool2d(crop, pixels)
    return coarse
