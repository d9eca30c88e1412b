"""Batches of grids: random windows and augmentation, on the training device."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from cystgrid.grids.crops import Crops
from cystgrid.grids.forms import GRID, Form
from cystgrid.grids.tiling import GridSettings, last_start, tile

TURNS = 4
"""Quarter turns that bring a cell back onto itself."""


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
        count = form.count(settings.cells)
        windows = crops.windows(patients, _random_starts(crops, patients, count, generator), count)
    moved = augment(change_contrast(windows, settings, generator), settings, generator)
    return tile(moved) if form.kind == "grid" else moved


def _random_starts(
    crops: Crops, patients: Tensor, slices: int, generator: torch.Generator
) -> Tensor:
    last = [last_start(depth, slices) for depth in crops.depths[patients].tolist()]
    draws = torch.rand(len(last), generator=generator, dtype=torch.float64)
    return (draws * (torch.tensor(last) + 1)).long().to(crops.device)


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
    moved = _symmetries(windows.shape[-1])[flips * TURNS + turns].to(windows.device)
    places = moved[:, None, None].expand(*windows.shape[:3], -1)
    return windows.flatten(-2).gather(-1, places).view_as(windows)


@cache
def _symmetries(side: int) -> Tensor:
    """From which pixel of a square each pixel comes: ``(symmetry, pixel)``."""
    pixels = torch.arange(side * side).view(side, side)
    moves = [(flip, turns) for flip in (False, True) for turns in range(TURNS)]
    return torch.stack([_move(pixels, flip=flip, turns=turns) for flip, turns in moves]).flatten(1)


def _move(cells: Tensor, *, flip: bool, turns: int) -> Tensor:
    mirrored = cells.flip(-1) if flip else cells
    return torch.rot90(mirrored, turns, dims=(-2, -1))
