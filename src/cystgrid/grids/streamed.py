"""Crops that stay on disk: each window is read when it is shown, so that memory holds one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cystgrid.grids.crops import Crops
from cystgrid.grids.intensities import Intensities, Limits
from cystgrid.preparation.patient import PreparedPatient


@dataclass(frozen=True)
class StreamedCrops(Crops):
    """Crops of patients that are read on demand.

    Attributes:
        prepared: the patients; a store's ``several`` reads and checks one each time it is asked.
        intensities: how they are standardised.
        limits: of each patient.
        depths: see ``Crops``.
    """

    prepared: Sequence[PreparedPatient]
    intensities: Intensities
    limits: tuple[Limits, ...]
    depths: Tensor

    def windows(self, patients: Tensor, starts: Tensor, cells: int) -> Tensor:
        """See ``Crops.windows``."""
        taken = [
            self._window(number, start, cells)
            for number, start in zip(patients.tolist(), starts.tolist(), strict=True)
        ]
        # laid out in memory as an indexed tensor is: the last digits of a vectorised power go by it
        by_cell = torch.stack([window.transpose(0, 1) for window in taken])
        return by_cell.to(self.device).transpose(1, 2)

    def whole(self, patient: int) -> Tensor:
        """See ``Crops.whole``."""
        return self._slices(patient, slice(None)).to(self.device)

    def _window(self, patient: int, start: int, cells: int) -> Tensor:
        """``(channel, cell, row, column)``."""
        there = self._slices(patient, slice(start, start + cells))
        count = there.shape[1]
        return there[:, torch.arange(cells).clamp(max=count - 1)] if count < cells else there

    def _slices(self, patient: int, part: slice) -> Tensor:
        return self.intensities.slices(self.prepared[patient], self.limits[patient], part)
