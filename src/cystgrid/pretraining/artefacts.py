"""What scanners do to scenes: texture, coils, resolution, motion, noise and contrast, at random."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from cystgrid.pretraining.draws import Draws
from cystgrid.pretraining.shapes import Space, field

COARSEST = 3.0
"""Times fewer pixels than a cell has, at which a scan may have been acquired."""

MISPLACED = 3
"""Pixels by which T1 and T2 may lie apart."""

BLANK = 0.1
"""Of the scenes, for each scan in turn: it is not there, and shown as black."""


def acquire(intensities: Tensor, draws: Draws) -> Tensor:
    """Scans ``(scene, modality, slice, row, column)`` of 0-1, as preparation would leave them."""
    scans = intensities * _texture(intensities, draws)
    scans = _neighbours(scans, draws)
    scans = _misplace(scans, draws)
    scans = _resolution(scans, draws)
    scans = scans * _shading(scans, draws)
    scans = _ghost(scans, draws)
    scans = _noise(scans, draws)
    scans = _unit(scans) ** (0.25 * draws.normal(2, 1, 1, 1)).exp()
    return _blanked(scans, draws)


def _texture(scans: Tensor, draws: Draws) -> Tensor:
    """Tissue is not even: coarse and fine changes of some per cent."""
    _, modalities, slices, rows, columns = scans.shape
    space = Space.of(torch.ones(draws.scenes), slices, rows)
    coarse = field(space, draws, nodes=16, count=modalities) * draws.uniform(0, 0.15, 2, 1, 1, 1)
    fine = draws.normal(modalities, slices, rows, columns) * draws.uniform(0, 0.12, 2, 1, 1, 1)
    return fine.add_(coarse).add_(1.0)


def _neighbours(scans: Tensor, draws: Draws) -> Tensor:
    """A thick slice holds some of what lies between it and the next."""
    part = draws.uniform(0, 0.3, 1, 1, 1, 1)
    above, below = scans.roll(1, dims=2), scans.roll(-1, dims=2)
    above[:, :, 0], below[:, :, -1] = scans[:, :, 0], scans[:, :, -1]
    return scans * (1 - part) + 0.5 * part * (above + below)


def _misplace(scans: Tensor, draws: Draws) -> Tensor:
    """The patient breathed between T1 and T2: T1 is moved within the slices."""
    moved = scans.clone()
    rows, columns = (draws.whole(2 * MISPLACED + 1) - MISPLACED for _ in range(2))
    apart = draws.happens(0.5)
    for scene in apart.nonzero()[:, 0].tolist():
        shifts = (int(rows[scene]), int(columns[scene]))
        moved[scene, 0] = scans[scene, 0].roll(shifts, dims=(1, 2))
    return moved


def _resolution(scans: Tensor, draws: Draws) -> Tensor:
    """Fewer pixels acquired than shown: of all scenes of a batch alike."""
    pixels = scans.shape[-1]
    factors = 1 + (COARSEST - 1) * torch.rand(2, generator=draws.generator) ** 2
    rows, columns = (max(round(pixels / float(factor)), 4) for factor in factors)
    flat = scans.flatten(1, 2)
    coarse = adaptive_avg_pool2d(flat, (rows, columns))
    shown = interpolate(coarse, (pixels, pixels), mode="bilinear", align_corners=False)
    whole: Tensor = shown.unflatten(1, scans.shape[1:3])
    return whole


def _shading(scans: Tensor, draws: Draws) -> Tensor:
    """What bias correction left, and slices of unequal brightness."""
    _, modalities, slices, rows, _ = scans.shape
    space = Space.of(torch.ones(draws.scenes), slices, rows)
    smooth = field(space, draws, nodes=3, count=modalities) * draws.uniform(0, 0.2, 2, 1, 1, 1)
    unequal = draws.normal(modalities, slices, 1, 1) * draws.uniform(0, 0.06, 2, 1, 1, 1)
    return (smooth + unequal).exp()


def _ghost(scans: Tensor, draws: Draws) -> Tensor:
    """Breathing repeats the body along a row, faintly."""
    pixels = scans.shape[-1]
    shift = int(torch.randint(pixels // 8, pixels // 2, (), generator=draws.generator))
    part = draws.uniform(0, 0.12, 2, 1, 1, 1) * draws.happens(0.4, 1, 1, 1, 1)
    return scans + part * scans.roll(shift, dims=3)


def _noise(scans: Tensor, draws: Draws) -> Tensor:
    """Rician, as of a complex signal's magnitude; smoothed more or less, as preparation does."""
    level = draws.log_uniform(0.005, 0.08, 2, 1, 1, 1)
    real = scans + level * draws.normal(*scans.shape[1:])
    noisy = torch.hypot(real, level * draws.normal(*scans.shape[1:]))
    smooth = interpolate(
        adaptive_avg_pool2d(noisy.flatten(1, 2), scans.shape[-1] // 2),
        scans.shape[-2:],
        mode="bilinear",
        align_corners=False,
    ).unflatten(1, scans.shape[1:3])
    return torch.lerp(noisy, smooth, draws.uniform(0, 0.7, 1, 1, 1, 1))


def _unit(scans: Tensor) -> Tensor:
    """Each scan to 0-1."""
    low = scans.amin(dim=(2, 3, 4), keepdim=True)
    high = scans.amax(dim=(2, 3, 4), keepdim=True)
    return (scans - low) / (high - low).clamp_min(1e-6)


def _blanked(scans: Tensor, draws: Draws) -> Tensor:
    """One scan of some scenes is absent, so that a start serves T1 or T2 alone."""
    lot = draws.uniform(0, 1)
    t1, t2 = lot < BLANK, lot > 1 - BLANK
    return scans * torch.stack([~t1, ~t2], dim=1)[:, :, None, None, None]
