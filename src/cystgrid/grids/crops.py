"""Standardised crops of some patients, and the windows that networks are shown of them.

Where the crops lie changes no value: all of them on the training device (``ResidentCrops``), or
read from disk window by window (``streamed``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool3d, interpolate

from cystgrid.grids.forms import GRID, Form
from cystgrid.grids.tiling import central_start, tile


class Crops(ABC):
    """Crops in 0-1, float32; a channel whose scan a patient lacks is NaN throughout.

    Attributes:
        depths: ``(patient,)`` int64 on the training device, each patient's number of slices.
    """

    depths: Tensor

    def __len__(self) -> int:
        return len(self.depths)

    @property
    def device(self) -> torch.device:
        """Where batches are made."""
        return self.depths.device

    @abstractmethod
    def windows(self, patients: Tensor, starts: Tensor, cells: int) -> Tensor:
        """Take ``cells`` consecutive slices of each patient, from its start.

        Args:
            patients: ``(batch,)`` positions in this set.
            starts: ``(batch,)`` first slices.
            cells: slices to take; past a patient's last slice the last one is repeated.

        Returns:
            ``(batch, channel, cell, row, column)`` on the training device.
        """

    @abstractmethod
    def whole(self, patient: int) -> Tensor:
        """One patient's own slices ``(channel, slice, row, column)`` on the training device."""

    def central(self, cells: int, form: Form = GRID, patients: Tensor | None = None) -> Tensor:
        """What a network is shown of patients at inference: their central window, or all of them.

        Args:
            cells: slices in a grid.
            form: how windows reach the network.
            patients: ``(batch,)`` positions in this set; None for all.

        Returns:
            ``(batch, channel, height, width)`` for a grid, else
            ``(batch, channel, slice, row, column)``.
        """
        chosen = torch.arange(len(self), device=self.device) if patients is None else patients
        if form.kind == "volume":
            return self.cubes(chosen, form.side)
        count = form.count(cells)
        starts = [central_start(depth, count) for depth in self.depths[chosen].tolist()]
        windows = self.windows(chosen, torch.tensor(starts, device=self.device), count)
        return windows if form.kind == "stack" else tile(windows)

    def cubes(self, patients: Tensor, side: int) -> Tensor:
        """The whole crops of patients, each resampled to a cube; only a patient's own slices count.

        Args:
            patients: ``(batch,)`` positions in this set.
            side: voxels along the cube's side.

        Returns:
            ``(batch, channel, side, side, side)``.
        """
        return torch.stack(
            [resample_to_cube(self.whole(number), side) for number in patients.tolist()]
        )


@dataclass(frozen=True)
class ResidentCrops(Crops):
    """All crops together on the training device.

    Attributes:
        volumes: ``(patient, channel, slice, row, column)``; a patient with fewer slices than the
            deepest repeats its last one.
        depths: see ``Crops``.
    """

    volumes: Tensor
    depths: Tensor

    def windows(self, patients: Tensor, starts: Tensor, cells: int) -> Tensor:
        """See ``Crops.windows``."""
        offsets = torch.arange(cells, device=self.device)
        slices = torch.minimum(starts[:, None] + offsets, self.depths[patients][:, None] - 1)
        return self.volumes[patients[:, None], :, slices].transpose(1, 2)

    def whole(self, patient: int) -> Tensor:
        """See ``Crops.whole``."""
        return self.volumes[patient, :, : int(self.depths[patient])]


@dataclass(frozen=True)
class CentralGrids:
    """Each patient's central grid ``(channel, height, width)``, made when its turn comes.

    Attributes:
        crops: of the patients.
        cells: slices in a grid.
    """

    crops: Crops
    cells: int

    def __iter__(self) -> Iterator[Tensor]:
        """In the order of the crops; may be gone through again."""
        for number in range(len(self.crops)):
            patient = torch.tensor([number], device=self.crops.device)
            yield self.crops.central(self.cells, patients=patient)[0]


def resample_to_cube(crop: Tensor, side: int) -> Tensor:
    """Resample ``(channel, slice, row, column)`` to ``(channel, side, side, side)``.

    Along an axis that shrinks, voxels are means of those under them; along one that grows they are
    interpolated linearly.
    """
    slices, rows, columns = (min(size, side) for size in crop.shape[1:])
    means = adaptive_avg_pool3d(crop[None], (slices, rows, columns))
    cube: Tensor = interpolate(means, size=(side,) * 3, mode="trilinear", align_corners=False)
    return cube[0]
