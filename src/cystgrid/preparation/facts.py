"""What a quality check writes down of a scan and of a region: numbers, no names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.manifest import is_box
from cystgrid.preparation.region import TOUCH, Region, mask_centres
from cystgrid.preparation.thumbnail import Inside
from cystgrid.scans.volume import Volume

INTENSITY_PERCENTILES = (1.0, 50.0, 99.0)
PLANES = ("sagittal", "coronal", "axial")
"""Slices along the R, A and S axis of a canonical scan."""

THICK_SLICES = 1.5
"""Voxels this much longer along one axis than along the next were acquired as slices across it."""

BOX_SAMPLES = 24
"""Points along each axis of a box when its share inside a scan is measured."""


@dataclass(frozen=True)
class ScanFacts:
    """The geometry and the intensities of one canonical scan.

    Attributes:
        modality: ``t1`` or ``t2``.
        shape: voxels along R, A, S.
        spacing: mm along R, A, S.
        plane: in which slices it was acquired: ``axial``, ``coronal``, ``sagittal``, or ``3D``
            where no axis is coarser than the others.
        tilt_degrees: between the slices' normal and the nearest axis of the body.
        percentiles: intensities at ``INTENSITY_PERCENTILES`` of all voxels.
        highest: intensity.
    """

    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    plane: str
    tilt_degrees: float
    percentiles: tuple[float, float, float]
    highest: float

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Field of view along R, A, S."""
        x, y, z = (n * step for n, step in zip(self.shape, self.spacing, strict=True))
        return x, y, z

    @property
    def slice_axis(self) -> int:
        """The axis that counts slices."""
        return 2 if self.plane == "3D" else PLANES.index(self.plane)


@dataclass(frozen=True)
class RoiFacts:
    """The region of interest.

    Attributes:
        kind: ``mask``, ``box`` or ``whole``.
        volume_ml: of the mask's voxels, or of the box.
        extent_mm: of its box on the reference scan, along R, A, S.
        inside_percent: share of it inside each scan, by modality.
    """

    kind: Literal["mask", "box", "whole"]
    volume_ml: float
    extent_mm: tuple[float, float, float]
    inside_percent: dict[str, float]


def scan_facts(modality: str, scan: Volume) -> ScanFacts:
    """Measure a canonical scan."""
    spacing = np.array(scan.spacing)
    order = np.argsort(spacing)
    thick = spacing[order[2]] >= THICK_SLICES * spacing[order[1]]
    axis = int(order[2]) if thick else 2
    normal = scan.affine[:3, axis] / spacing[axis]
    low, middle, high = np.percentile(scan.voxels, INTENSITY_PERCENTILES)
    return ScanFacts(
        modality,
        scan.shape,
        scan.spacing,
        PLANES[axis] if thick else "3D",
        float(np.degrees(np.arccos(np.clip(np.abs(normal).max(), 0, 1)))),
        (float(low), float(middle), float(high)),
        float(scan.voxels.max()),
    )


def roi_facts(
    roi: str | None, region: Region, scans: dict[str, Volume], reference: str
) -> RoiFacts:
    """Measure a region.

    Args:
        roi: as in the manifest.
        region: as ``find_region`` placed it on the reference scan.
        scans: canonical scans, by modality.
        reference: modality of the reference scan.
    """
    x, y, z = (
        (high - low) * step
        for low, high, step in zip(region.low, region.high, scans[reference].spacing, strict=True)
    )
    points = _points(roi, region, scans[reference])
    inside = {name: _share_inside(points, scan) for name, scan in scans.items()}
    if region.mask is not None:
        voxel = float(abs(np.linalg.det(region.mask.affine[:3, :3])))
        volume = voxel * float(np.count_nonzero(region.mask.voxels))
        return RoiFacts("mask", volume / 1000, (x, y, z), inside)
    if roi is not None:
        sides = np.diff(_box(roi), axis=1)
        return RoiFacts("box", float(sides.prod()) / 1000, (x, y, z), inside)
    return RoiFacts("whole", x * y * z / 1000, (x, y, z), inside)


def _box(roi: str) -> NDArray[np.float64]:
    """``(3, 2)``: lower and upper edge along R, A, S in mm."""
    return np.array([float(part) for part in roi.split(",")]).reshape(3, 2)


def _points(roi: str | None, region: Region, reference: Volume) -> Sequence[NDArray[np.float64]]:
    """World positions all over the region, in pieces."""
    if region.mask is not None:
        return list(mask_centres(region.mask))
    part = (np.arange(BOX_SAMPLES) + 0.5) / BOX_SAMPLES
    steps = np.stack(np.meshgrid(part, part, part, indexing="ij"), axis=-1).reshape(-1, 3)
    if roi is not None and is_box(roi):
        edges = _box(roi)
        return [edges[:, 0] + steps * (edges[:, 1] - edges[:, 0])]
    low, high = np.array(region.low), np.array(region.high)
    return [reference.world(low + steps * (high - low))]


def _share_inside(points: Sequence[NDArray[np.float64]], scan: Volume) -> float:
    """In per cent."""
    last = np.array(scan.shape) - 0.5 + TOUCH
    count = kept = 0
    for piece in points:
        index = scan.index(piece)
        count += len(index)
        kept += int(((index >= -0.5 - TOUCH) & (index <= last)).all(axis=1).sum())
    return 100.0 * kept / count if count else 0.0


def region_shown(
    roi: str | None, region: Region
) -> tuple[Inside | None, NDArray[np.float64] | None]:
    """What a picture needs of a region: which positions lie in it, and a point in its middle.

    Of a mask, the point lies on the slice that halves it, in the middle of what the slice holds.
    """
    if region.mask is not None:
        mask = region.mask
        per_slice = np.cumsum((mask.voxels > 0).sum(axis=(0, 1)))
        k = int(np.searchsorted(per_slice, per_slice[-1] / 2))
        i, j = (place.mean() for place in np.nonzero(mask.voxels[:, :, k]))
        return (lambda world: _in_mask(world, mask)), mask.world(np.array([i, j, float(k)]))
    if roi is None:
        return None, None
    edges = _box(roi)

    def in_box(world: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(((world >= edges[:, 0]) & (world <= edges[:, 1])).all(axis=-1))

    return in_box, edges.mean(axis=1)


def _in_mask(world: NDArray[np.float64], mask: Volume) -> NDArray[np.bool_]:
    nearest = np.rint(mask.index(world)).astype(int)
    inside = ((nearest >= 0) & (nearest < mask.shape)).all(axis=-1)
    found = np.zeros(inside.shape, dtype=bool)
    i, j, k = nearest[inside].T
    found[inside] = mask.voxels[i, j, k] > 0
    return found
