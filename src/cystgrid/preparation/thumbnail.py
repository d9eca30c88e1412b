"""A small picture of one slice and of the region on it, before anybody draws or encodes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cystgrid.preparation.resample import linear_weights
from cystgrid.scans.volume import Affine, Array, Volume

SIDE = 120
"""Pixels along the longer side: about 3 cm on a screen, where an organ can still be told."""

DISPLAY_PERCENTILES = (1.0, 99.5)
"""Grey levels shown, over the whole scan: one bright voxel must not darken the picture."""

Inside = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
"""Which of the world positions ``(..., 3)`` in mm, RAS+, lie in a region."""


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One slice in square pixels, the patient's right on the left, the front at the top.

    Attributes:
        name: what it shows, such as ``t1``.
        pixels: ``(row, column)`` uint8.
        mask: ``(row, column)`` bool, the region; nowhere where there is none.
        pixel_mm: side of a pixel.
        absent: whether there is no such scan, and the picture is empty.
    """

    name: str
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    pixel_mm: float
    absent: bool = False


def scan_thumbnail(
    name: str, scan: Volume, inside: Inside | None, focus: NDArray[np.float64] | None
) -> Thumbnail:
    """The axial slice of a canonical scan that comes nearest to a point.

    Args:
        name: what it shows.
        scan: canonical.
        inside: the region; None for none.
        focus: ``(3,)`` in mm, RAS+; None takes the scan's middle.
    """
    middle = (np.array(scan.shape) - 1) / 2
    at = middle if focus is None else scan.index(focus)
    k = int(np.clip(np.rint(at[2]), 0, scan.shape[2] - 1))
    spacing = scan.spacing
    sides = [scan.shape[n] * spacing[n] for n in (0, 1)]
    pixel = max(sides) / SIDE
    places = [_centres(scan.shape[n], spacing[n], pixel)[::-1] for n in (0, 1)]
    weights = [
        linear_weights(scan.shape[n], place, pixel / spacing[n]) for n, place in enumerate(places)
    ]
    flat = scan.voxels[:, :, k].astype(np.float64)
    values = np.asarray((weights[0] @ (weights[1] @ flat.T).T).T)
    mask = np.zeros(values.shape, dtype=bool)
    if inside is not None:
        index = np.empty((*values.shape, 3))
        index[..., 0], index[..., 1], index[..., 2] = places[0][None, :], places[1][:, None], k
        mask = inside(scan.world(index))
    return Thumbnail(name, _grey(values, scan.voxels), mask, pixel)


def crop_thumbnail(
    name: str, crop: Array, affine: Affine, lesion: Array | None = None
) -> Thumbnail:
    """The middle slice of one channel of a prepared crop; of a known lesion, its largest slice.

    Args:
        name: what it shows.
        crop: ``(slice, row, column)``; rows from the front, columns from the patient's right; NaN
            throughout for a scan that there is not.
        affine: ``(4, 4)``; ``(column, row, slice, 1)`` of a pixel centre to mm RAS+.
        lesion: ``(slice, row, column)`` 0/1, drawn as the region.
    """
    k = crop.shape[0] // 2
    if lesion is not None and lesion.any():
        k = int((lesion > 0).sum(axis=(1, 2)).argmax())
    across, down = (float(np.linalg.norm(affine[:3, n])) for n in (0, 1))
    rows, columns = crop.shape[1:]
    pixel = max(rows * down, columns * across) / SIDE
    places = _centres(rows, down, pixel), _centres(columns, across, pixel)
    first = linear_weights(rows, places[0], pixel / down)
    second = linear_weights(columns, places[1], pixel / across)
    if np.isnan(crop).all():
        empty = np.zeros((len(places[0]), len(places[1])), dtype=np.uint8)
        return Thumbnail(name, empty, empty > 0, pixel, absent=True)
    values = np.asarray((second @ (first @ crop[k].astype(np.float64)).T).T)
    mask = np.zeros(values.shape, dtype=bool)
    if lesion is not None:
        nearest = [np.rint(place).astype(int).clip(0, n - 1)
                   for place, n in zip(places, (rows, columns), strict=True)]  # fmt: skip
        mask = lesion[k][np.ix_(nearest[0], nearest[1])] > 0
    return Thumbnail(name, _grey(values, crop), mask, pixel)


def _centres(count: int, spacing: float, pixel: float) -> NDArray[np.float64]:
    """Centres of square pixels over an axis, in voxel indices, ascending."""
    wanted = max(round(count * spacing / pixel), 1)
    step = pixel / spacing
    return (count - 1) / 2 + (np.arange(wanted, dtype=np.float64) - (wanted - 1) / 2) * step


def _grey(values: NDArray[np.float64], whole: Array) -> NDArray[np.uint8]:
    low, high = np.percentile(whole[::2, ::2], DISPLAY_PERCENTILES)
    if not high > low:
        high = low + 1
    return np.asarray(np.rint(np.clip((values - low) / (high - low), 0, 1) * 255), dtype=np.uint8)
