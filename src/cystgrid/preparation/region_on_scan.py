"""The region of interest, voxel by voxel, on the grid of a scan as its file stores it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.manifest import box_edges, is_box
from cystgrid.preparation.region_file import read_roi_mask
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.scans.volume import Volume


def region_on_scan(roi: str | None, scan: Volume, settings: PreparationSettings) -> Volume | None:
    """Lay a patient's region on a scan.

    A mask is laid where its file places it; where registration moved the scan that it was drawn on,
    the crop lies by as much elsewhere.

    Args:
        roi: a box in mm RAS+, or a mask, as in ``cohort.csv``.
        scan: on any grid.
        settings: how masks are read.

    Returns:
        0 and 1, each voxel as the region is at its centre; None where the whole scan is meant.

    Raises:
        ScanError: the mask cannot be read.
    """
    if roi is None:
        return None
    edges = box_edges(roi) if is_box(roi) else None
    if edges is not None:
        inside = _in_box(edges, scan)
    else:
        inside = _in_mask(read_roi_mask(roi, settings.reading, settings.roi_labels), scan)
    return scan.with_voxels(inside.astype(np.float32))


def _centres(scan: Volume, k: int) -> NDArray[np.float64]:
    """``(i * j, 3)`` mm of the voxel centres of one slice."""
    i, j, _ = scan.shape
    index = np.stack(np.meshgrid(np.arange(i), np.arange(j), [k], indexing="ij"), axis=-1)
    return scan.world(index.reshape(-1, 3))


def _in_box(edges: tuple[tuple[float, float], ...], scan: Volume) -> NDArray[np.bool_]:
    low, high = np.array(edges).T
    inside = np.empty(scan.shape, dtype=bool)
    for k in range(scan.shape[2]):
        centres = _centres(scan, k)
        inside[:, :, k] = ((centres >= low) & (centres <= high)).all(axis=1).reshape(scan.shape[:2])
    return inside


def _in_mask(mask: Volume, scan: Volume) -> NDArray[np.bool_]:
    inside = np.empty(scan.shape, dtype=bool)
    for k in range(scan.shape[2]):
        index = np.floor(mask.index(_centres(scan, k)) + 0.5).astype(np.int64)
        there = ((index >= 0) & (index < mask.shape)).all(axis=1)
        found = np.zeros(len(index), dtype=bool)
        found[there] = mask.voxels[tuple(index[there].T)] > 0
        inside[:, :, k] = found.reshape(scan.shape[:2])
    return inside
