"""Batches of grids: windows, standardisation and augmentation, on the training device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d, interpolate

from cystgrid.errors import SettingsError
from cystgrid.grids.forms import GRID, Form
from cystgrid.grids.tiling import GridSettings, central_start, last_start, tile
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.standardise import standardise, unit_range

TURNS = 4
"""Quarter turns that bring a cell back onto itself."""


@dataclass(frozen=True)
class Crops:
    """Standardised crops of some patients, together on one device.

    Attributes:
        volumes: ``(patient, channel, slice, row, column)`` float32 in 0-1; a patient with fewer
            slices than the deepest repeats its last one. A channel whose scan a patient lacks is
            NaN throughout.
        depths: ``(patient,)`` int64, each patient's own number of slices.
    """

    volumes: Tensor
    depths: Tensor

    def __len__(self) -> int:
        return len(self.depths)

    def windows(self, patients: Tensor, starts: Tensor, cells: int) -> Tensor:
        """Take ``cells`` consecutive slices of each patient, from its start.

        Args:
            patients: ``(batch,)`` positions in this set.
            starts: ``(batch,)`` first slices.
            cells: slices to take; past a patient's last slice the last one is repeated.

        Returns:
            ``(batch, channel, cell, row, column)``.
        """
        offsets = torch.arange(cells, device=self.volumes.device)
        slices = torch.minimum(starts[:, None] + offsets, self.depths[patients][:, None] - 1)
        return self.volumes[patients[:, None], :, slices].transpose(1, 2)

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
        device = self.volumes.device
        chosen = torch.arange(len(self), device=device) if patients is None else patients
        if form.kind == "volume":
            return self.cubes(chosen, form.side)
        count = form.slices if form.kind == "stack" else cells
        starts = [central_start(depth, count) for depth in self.depths[chosen].tolist()]
        windows = self.windows(chosen, torch.tensor(starts, device=device), count)
        return windows if form.kind == "stack" else tile(windows)

    def cubes(self, patients: Tensor, side: int) -> Tensor:
        """The whole crops of patients, each resampled to a cube; only a patient's own slices count.

        Args:
            patients: ``(batch,)`` positions in this set.
            side: voxels along the cube's side.

        Returns:
            ``(batch, channel, side, side, side)``.
        """
        depths = self.depths[patients].tolist()
        return torch.stack(
            [
                resample_to_cube(self.volumes[number, :, :depth], side)
                for number, depth in zip(patients.tolist(), depths, strict=True)
            ]
        )


def resample_to_cube(crop: Tensor, side: int) -> Tensor:
    """Resample ``(channel, slice, row, column)`` to ``(channel, side, side, side)``.

    Along an axis that shrinks, voxels are means of those under them; along one that grows they are
    interpolated linearly.
    """
    slices, rows, columns = (min(size, side) for size in crop.shape[1:])
    means = adaptive_avg_pool3d(crop[None], (slices, rows, columns))
    cube: Tensor = interpolate(means, size=(side,) * 3, mode="trilinear", align_corners=False)
    return cube[0]


def gather_crops(
    prepared: Sequence[PreparedPatient],
    channels: Sequence[int],
    standard: NDArray[np.float64],
    device: torch.device,
    pixels: int | None = None,
) -> Crops:
    """Standardise the crops of ``prepared`` to a fold's landmarks and put them on the device.

    A scan whose landmarks are all NaN is one that the patient lacks; it stays NaN throughout.

    Args:
        prepared: the patients, in the order of the result.
        channels: which modalities of each crop become channels, in this order.
        standard: ``(modality, landmark)`` the fold's standard landmarks of every modality.
        device: where training runs.
        pixels: along a cell's side; None for as many as were prepared.

    Raises:
        SettingsError: more pixels are asked for than were prepared.
    """
    standardised = [_standardised(patient, channels, standard) for patient in prepared]
    depths = [crop.shape[1] for crop in standardised]
    deepest = max(depths)
    volumes = np.stack([_deepen(crop, deepest) for crop in standardised])
    coarse = _coarsen(torch.from_numpy(volumes), pixels)
    return Crops(coarse.to(device), torch.tensor(depths, device=device))


def _coarsen(volumes: Tensor, pixels: int | None) -> Tensor:
    """Cells of ``pixels`` a side, each the mean of the prepared pixels under it."""
    prepared = volumes.shape[-1]
    if pixels is None or pixels == prepared:
        return volumes
    if pixels > prepared:
        raise SettingsError(
            "grid.pixels",
            got=pixels,
            expected=f"at most {prepared}, as were prepared",
            do="lower grid.pixels, or prepare with a larger preparation.cell",
        )
    coarse: Tensor = adaptive_avg_pool2d(volumes.flatten(0, 1), pixels)
    cells: Tensor = coarse.unflatten(0, volumes.shape[:2])
    return cells


def _standardised(
    patient: PreparedPatient, channels: Sequence[int], standard: NDArray[np.float64]
) -> NDArray[np.float32]:
    """One crop ``(channel, slice, row, column)``: landmarks of the fold, then 0-1 per scan."""
    scans = []
    for m in channels:
        crop, percentiles = patient.crop[m], patient.percentiles[m]
        if np.isnan(percentiles).all():
            scans.append(np.full(crop.shape, np.nan, dtype=np.float32))
        else:
            scans.append(unit_range(standardise(crop, percentiles, standard[m])))
    return np.stack(scans).astype(np.float32)


def _deepen(crop: NDArray[np.float32], slices: int) -> NDArray[np.float32]:
    return np.pad(crop, ((0, 0), (0, slices - crop.shape[1]), (0, 0), (0, 0)), mode="edge")


def training_batch(
    crops: Crops,
    patients: Tensor,
    settings: GridSettings,
    generator: torch.Generator,
    form: Form = GRID,
) -> Tensor:
    """Random windows of ``patients``, augmented, in the form that a network takes.

    Every start from the first slice to the last possible one is equally likely; a network that
    takes the whole volume has no start to draw.

    Args:
        crops: the training patients.
        patients: ``(batch,)`` positions in ``crops``.
        settings: cells and which augmentations are on.
        generator: a generator of the CPU, so that the draw does not depend on the device.
        form: how windows reach the network.

    Returns:
        ``(batch, channel, height, width)`` for a grid, else
        ``(batch, channel, slice, row, column)``.
    """
    if form.kind == "volume":
        windows = crops.cubes(patients, form.side)
    else:
        count = form.slices if form.kind == "stack" else settings.cells
        windows = crops.windows(patients, _random_starts(crops, patients, count, generator), count)
    moved = augment(change_contrast(windows, settings, generator), settings, generator)
    return tile(moved) if form.kind == "grid" else moved


def _random_starts(
    crops: Crops, patients: Tensor, slices: int, generator: torch.Generator
) -> Tensor:
    last = [last_start(depth, slices) for depth in crops.depths[patients].tolist()]
    draws = torch.rand(len(last), generator=generator, dtype=torch.float64)
    return (draws * (torch.tensor(last) + 1)).long().to(crops.volumes.device)


def change_contrast(windows: Tensor, settings: GridSettings, generator: torch.Generator) -> Tensor:
    """Raise each scan of each window to its own random power; 0 and 1 stay what they are.

    Args:
        windows: ``(batch, channel, cell, row, column)`` in 0-1, NaN where a scan is absent.
        settings: how far exponents stray from 1.
        generator: a generator of the CPU.
    """
    if settings.gamma == 0:
        return windows
    logs = settings.gamma * torch.randn(windows.shape[:2], generator=generator)
    return windows ** logs.exp().to(windows.device)[..., None, None, None]


def augment(windows: Tensor, settings: GridSettings, generator: torch.Generator) -> Tensor:
    """Mirror and turn every cell of a window alike; no cell leaves its place.

    Args:
        windows: ``(batch, channel, cell, row, column)`` with square cells.
        settings: which of the two are on.
        generator: a generator of the CPU.

    Returns:
        The same shape; each grid moved by one of the eight symmetries of the square.
    """
    batch = len(windows)
    flips = torch.randint(2, (batch,), generator=generator) * settings.flip
    turns = torch.randint(TURNS, (batch,), generator=generator) * settings.rotate
    moves = (flips * TURNS + turns).to(windows.device)
    moved = windows.clone()
    for move in moves.unique().tolist():
        chosen = moves == move
        moved[chosen] = _move(windows[chosen], flip=move >= TURNS, turns=move % TURNS)
    return moved


def _move(cells: Tensor, *, flip: bool, turns: int) -> Tensor:
    mirrored = cells.flip(-1) if flip else cells
    return torch.rot90(mirrored, turns, dims=(-2, -1))
