"""The region of interest, as an axis-aligned box on the reference scan's grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.manifest import box_edges, is_box
from cystgrid.errors import CohortError
from cystgrid.preparation.region_file import read_roi_mask
from cystgrid.scans.settings import ReadSettings
from cystgrid.scans.volume import Volume

SAME_GRID_MM = 0.5
"""A mask whose corners lie this near a scan's was drawn on that scan; half a fine pixel."""

TOUCH = 1e-6
"""In voxels: a place this near an edge lies on it."""

SMALLEST_MM = 15.0
"""In-plane, along its longer side: an atrophied pancreas, or its head alone, is larger."""

PIECE = 2**18
"""Voxels of a mask placed at a time, so that a mask that fills its grid takes little memory."""


@dataclass(frozen=True)
class Region:
    """A box in fractional voxel indices of one grid; voxel ``n`` covers ``n - 0.5`` to ``n + 0.5``.

    Attributes:
        low, high: lower and upper edge along ``(i, j, k)``.
        flags: what a reader of the results should know.
        mask: the mask that the box was laid around, 0 and 1, placed where its scan lies; None where
            the region is a box or the whole scan.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    flags: tuple[str, ...] = ()
    mask: Volume | None = None


def find_region(
    roi: str | None,
    scans: Sequence[Volume],
    *,
    reading: ReadSettings,
    labels: tuple[int, ...],
    as_read: Sequence[Volume] | None = None,
) -> Region:
    """Place a region of interest on the first scan's grid.

    Args:
        roi: path of a mask, or of a folder as TotalSegmentator writes it (``#label=3+4`` behind it
            chooses labels); ``x0,x1,y0,y1,z0,z1`` in mm RAS+; or None for the whole scan.
        scans: canonical scans of the patient; the first is the reference grid.
        reading: how masks are read.
        labels: which labels of a mask count as inside, where ``roi`` chooses none.
        as_read: the same scans as their files place them, where registration has moved some: a
            mask drawn on a scan moves with it.

    Returns:
        The part of the region inside the reference scan.

    Raises:
        CohortError: the region is empty, not a box, or outside the reference scan; or a folder
            without a mask of the pancreas.
        ScanError: the mask cannot be read, or none of its labels is chosen.
    """
    reference = scans[0]
    if roi is None:
        i, j, k = reference.shape
        return Region((-0.5, -0.5, -0.5), (i - 0.5, j - 0.5, k - 0.5))
    if is_box(roi):
        region = _box_region(roi, reference)
        return replace(region, flags=(*region.flags, *_size_flags(region, reference)))
    mask = read_roi_mask(roi, reading, labels)
    placed, flags = placed_mask(mask, scans, as_read or scans)
    region = mask_region(placed, reference)
    notes = tuple(f"roi: {note}" for note in mask.notes)
    small = _size_flags(region, reference)
    return replace(region, flags=(*notes, *flags, *region.flags, *small))


def _size_flags(region: Region, reference: Volume) -> tuple[str, ...]:
    """Of a region too small for an organ."""
    x, y = ((region.high[n] - region.low[n]) * reference.spacing[n] for n in (0, 1))
    if max(x, y) >= SMALLEST_MM:
        return ()
    return (f"roi: only {x:.1f} x {y:.1f} mm in-plane, less than any pancreas.",)


def _box_region(roi: str, reference: Volume) -> Region:
    """Bounds on the reference grid of a box's 8 corners."""
    edges = box_edges(roi)
    if edges is None:
        raise CohortError(
            "roi",
            got=roi,
            expected="x0,x1,y0,y1,z0,z1 in mm, finite, with x0 < x1, y0 < y1 and z0 < z1",
            do="correct the box",
        )
    corners = reference.index(np.array(list(product(*edges))))
    low, high = corners.min(axis=0), corners.max(axis=0)
    region = _inside(low, high, reference)
    sides = np.array(region.high) - np.array(region.low)
    kept = float(np.prod(np.clip(sides / (high - low), 0, None)))
    if kept <= 0:
        raise _outside()
    if kept < 1 - 1e-3:
        flag = f"roi: {kept:.1%} of the box lies inside the scan; the rest was cut off."
        return replace(region, flags=(flag,))
    return region


def mask_region(mask: Volume, reference: Volume) -> Region:
    """The region of a mask's voxels that lie inside the reference scan, their extents included.

    Args:
        mask: 0 and 1, on any grid.
        reference: canonical scan.

    Raises:
        CohortError: the mask is empty or lies outside the scan.
    """
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    count = kept = 0
    edge = np.array(reference.shape) - 0.5 + TOUCH
    for centres in mask_centres(mask):
        index = reference.index(centres)
        inside = index[((index >= -0.5 - TOUCH) & (index <= edge)).all(axis=1)]
        count, kept = count + len(index), kept + len(inside)
        low = np.minimum(low, inside.min(axis=0, initial=np.inf))
        high = np.maximum(high, inside.max(axis=0, initial=-np.inf))
    if count == 0:
        raise CohortError(
            "roi",
            got="an empty mask",
            expected="at least one voxel set",
            do='draw the region, or set roi = "whole" in the study',
        )
    if kept == 0:
        raise _outside()
    # a voxel reaches half its extent to each side of its centre, along both grids' axes
    step = np.linalg.inv(reference.affine[:3, :3]) @ mask.affine[:3, :3]
    half = np.abs(step).sum(axis=1) / 2
    region = replace(_inside(low - half, high + half, reference), mask=mask)
    if kept == count:
        return region
    share = f"{count - kept} of the mask's {count} voxels ({1 - kept / count:.1%})"
    return replace(region, flags=(f"roi: {share} lie outside the scan and were cut off.",))


def mask_centres(mask: Volume) -> Iterator[NDArray[np.float64]]:
    """World positions ``(n, 3)`` in mm, RAS+, of a mask's voxels that are set, in pieces."""
    flat = mask.voxels.reshape(-1)
    for first in range(0, flat.size, PIECE):
        found = np.flatnonzero(flat[first : first + PIECE]) + first
        if found.size:
            yield mask.world(np.stack(np.unravel_index(found, mask.shape), axis=-1))


def placed_mask(
    mask: Volume, scans: Sequence[Volume], as_read: Sequence[Volume]
) -> tuple[Volume, tuple[str, ...]]:
    """A mask where the scan that it was drawn on now lies.

    Args:
        mask: as its file places it.
        scans: the patient's scans where they now lie.
        as_read: the same scans as their files place them.

    Returns:
        The mask, and what a reader should know of it, one sentence each.
    """
    for scan, before in zip(scans, as_read, strict=True):
        if not _same_grid(mask, before):
            continue
        if np.array_equal(scan.affine, before.affine):
            return mask, ()
        affine = scan.affine @ np.linalg.inv(before.affine) @ mask.affine
        moved = Volume(mask.voxels, affine, mask.source, mask.notes)
        return moved, ("roi: the mask was moved together with the scan that it was drawn on.",)
    return mask, ("roi: the mask lies on neither scan's grid; it was placed by its own header.",)


def _same_grid(one: Volume, other: Volume) -> bool:
    if one.shape != other.shape:
        return False
    corners = np.array(list(product(*[(0, count - 1) for count in one.shape])))
    apart = np.linalg.norm(one.world(corners) - other.world(corners), axis=1)
    return bool(apart.max() < SAME_GRID_MM)


def _inside(low: NDArray[np.float64], high: NDArray[np.float64], reference: Volume) -> Region:
    """The box cut to the reference scan."""
    low = np.maximum(low, -0.5)
    high = np.minimum(high, np.array(reference.shape) - 0.5)
    i, j, k = zip(low.tolist(), high.tolist(), strict=True)
    return Region((i[0], j[0], k[0]), (i[1], j[1], k[1]))


def _outside() -> CohortError:
    return CohortError(
        "roi",
        got="a region outside the scan",
        expected="a region that the scan covers",
        do="check that roi and scan are of one patient, and in mm RAS+",
    )
