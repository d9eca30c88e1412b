"""How far two scans of one patient lie from each other, by what they show.

The measure is where edges fall, not how bright tissue is: T1 and T2 share the outlines of organs
and hardly anything else. Each scan becomes a field of normalised gradients (Haber & Modersitzki,
Methods Inf Med 46 (2007) 292), of which only the direction without its sign counts, so that neither
an inverted contrast nor the coils' shading matters. The two fields are correlated for every shift
at once by Fourier transform: there is no starting point and no local optimum to be caught in, the
cost is a fraction of a second, and it owes nothing to the mutual information that ``rigid``
maximises, so that it can judge that one's result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from cystgrid.preparation.align import Block, WorldBox, covered_by, resample_onto
from cystgrid.scans.volume import Affine, Array, Volume

MOST_POINTS = 600_000
"""Of a sampling grid: a region's own grid stays below; a whole abdomen is sampled more coarsely."""

COVERAGE_STEP_MM = 4.0
"""Between the points at which coverage is looked at: exact to a few per cent of a region."""

LOW_PASS = 0.6
"""Deviation of the Gaussian before sampling, in sampling steps: what the grid cannot hold goes."""

EDGE_LEVEL = 0.5
"""Gradients this part of the mean gradient count half: below is noise, above all edges are alike.
From 0.3 to 0.5 the phantoms' shifts are found equally well; the higher, the more strong edges alone
count, and those of the spine, which breathing does not move, win."""

RIVAL_MM = 10.0
"""A shift this far from the best is another answer, not the flank of the same peak."""

LEAST_SHARE = 0.5
"""Of the region that both scans must cover at a shift for it to be considered."""

DISTINCT = 0.1
"""Similarity that the best shift must have ahead of its best rival. The scans of one body have
0.22-0.42 (phantoms), 0.11-0.22 (phantoms in heavy noise) and 0.12-0.53 (real pairs of pelvis, knee
and brain); those of two bodies have at most 0.07 (phantoms), 0.01 (real abdomens) and 0.08 (real
brains, the most alike of all organs); noise has 0.01."""


@dataclass(frozen=True)
class WorldGrid:
    """Points at equal distances along the patient's axes.

    Attributes:
        low: ``(x, y, z)`` of the first point, mm RAS+.
        shape: points along x, y, z.
        step: mm between neighbours.
    """

    low: tuple[float, float, float]
    shape: tuple[int, int, int]
    step: float

    @classmethod
    def over(cls, box: WorldBox, step: float) -> WorldGrid:
        """The grid that begins at a box's lower corner and covers it."""
        lengths = np.array(box.high) - np.array(box.low)
        x, y, z = (int(count) for count in np.ceil(lengths / step) + 1)
        return cls(box.low, (x, y, z), step)

    def grown(self, points: int) -> WorldGrid:
        """The grid with so many further points on every side."""
        i, j, k = (float(edge - points * self.step) for edge in self.low)
        x, y, z = (count + 2 * points for count in self.shape)
        return WorldGrid((i, j, k), (x, y, z), self.step)

    @property
    def affine(self) -> Affine:
        """``(4, 4)`` from a point's index to mm, RAS+."""
        out = np.diag([self.step, self.step, self.step, 1.0])
        out[:3, 3] = self.low
        return out

    @property
    def box(self) -> WorldBox:
        """From the first point to the last."""
        last = [edge + (n - 1) * self.step for edge, n in zip(self.low, self.shape, strict=True)]
        return WorldBox(self.low, (last[0], last[1], last[2]))


@dataclass(frozen=True)
class Misalignment:
    """The shift between two scans of one region.

    Attributes:
        shift_mm: ``(x, y, z)``, RAS+: where the moving scan shows the anatomy less where the
            reference scan shows it.
        similarity: of the edges at that shift; 1 for the same scan, 0 for no relation.
        similarity_in_place: of the edges as the scans lie, or None where the moving scan covers too
            little of the region.
        distinctness: by how much ``similarity`` exceeds that of every shift ``RIVAL_MM`` away.
        at_limit: whether the shift lies at the end of the search, so that it may be longer.
    """

    shift_mm: tuple[float, float, float]
    similarity: float
    similarity_in_place: float | None
    distinctness: float
    at_limit: bool

    @property
    def length_mm(self) -> float:
        """Of the shift."""
        return float(np.linalg.norm(self.shift_mm))

    @property
    def distinct(self) -> bool:
        """Whether the scans say clearly that it is this shift and no other."""
        return self.distinctness >= DISTINCT and not self.at_limit


def measure_shift(
    reference: Volume, moving: Volume, box: WorldBox, *, step_mm: float, reach_mm: float
) -> Misalignment | None:
    """Find the shift at which two scans' edges fall on each other within a box.

    A translation only: turns of a few degrees blur the peak and do not move it much (see
    ``benchmarks/registration.py`` for figures).

    Args:
        reference: whose region it is.
        moving: the other scan; its voxels and affine stay as they are.
        box: the region, in the reference scan's world.
        step_mm: of the sampling grid; the shift itself is found between its points.
        reach_mm: along each axis, how far to search to both sides.

    Returns:
        The shift, or None where there is nothing to compare: no edges, or no shift in reach at
        which the moving scan covers half of what the reference scan shows of the box.
    """
    step = affordable_step(box.grown(reach_mm), step_mm)
    reach = int(np.ceil(reach_mm / step))
    grid = WorldGrid.over(box, step)
    fixed, fixed_covered = _edges(*sample(reference, grid))
    mobile, mobile_covered = _edges(*sample(moving, grid.grown(reach)))
    if not fixed.any() or not mobile.any():
        return None
    similarity = _similarity(fixed, fixed_covered, mobile, mobile_covered)
    return _best(similarity, reach, step)


def shared_part(reference: Volume, moving: Volume, box: WorldBox) -> float:
    """Of what the reference scan shows of a box, the share that the moving scan shows too, 0-1."""
    grid = WorldGrid.over(box, affordable_step(box, COVERAGE_STEP_MM))
    whole = Block((0, 0, 0), grid.shape)
    fixed, mobile = (covered_by(scan, grid.affine, whole) for scan in (reference, moving))
    return float((fixed & mobile).sum() / max(int(fixed.sum()), 1))


def affordable_step(box: WorldBox, step_mm: float) -> float:
    """The step asked for, or the next larger that keeps a box's grid to ``MOST_POINTS``."""
    volume = float(np.prod(np.array(box.high) - np.array(box.low)))
    return max(step_mm, float(np.cbrt(volume / MOST_POINTS)))


def sample(scan: Volume, grid: WorldGrid) -> tuple[Array, NDArray[np.bool_]]:
    """A scan's values at a grid's points, smoothed to what the grid can hold.

    Returns:
        Values ``(x, y, z)`` float32, 0 where the scan has no voxel; and where it has one.
    """
    sigma = [
        LOW_PASS * grid.step / spacing if spacing < grid.step else 0.0 for spacing in scan.spacing
    ]
    near = _cut(scan, grid.box, [int(np.ceil(3 * each)) + 2 for each in sigma])
    smooth = ndimage.gaussian_filter(near.voxels, sigma, truncate=3.0, mode="nearest")
    return resample_onto(near.with_voxels(smooth), grid.affine, Block((0, 0, 0), grid.shape))


def _cut(scan: Volume, box: WorldBox, margin: list[int]) -> Volume:
    """The part of a scan that a box touches, with further voxels around it."""
    inverse = np.linalg.inv(scan.affine[:3, :3])
    half = np.abs(inverse) @ ((np.array(box.high) - np.array(box.low)) / 2)
    centre = scan.index(box.centre)
    shape = np.array(scan.shape)
    low = np.clip(np.floor(centre - half).astype(int) - margin, 0, shape - 1)
    high = np.clip(np.ceil(centre + half).astype(int) + margin + 1, low + 1, shape)
    affine = scan.affine.copy()
    affine[:3, 3] = scan.world(low)
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return Volume(scan.voxels[part], affine, scan.source, scan.notes)


def _edges(values: Array, covered: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """The outer product of each point's normalised gradient with itself, less its mean.

    Returns:
        ``(6, x, y, z)``: xx, yy, zz and the mixed parts times root 2, so that the sum of products
        of two points' six numbers is the square of the scalar product of their gradients; and the
        points that have neighbours on all sides, the only ones that are not 0.
    """
    if 1 in values.shape:
        return np.zeros((6, *values.shape), dtype=np.float32), np.zeros_like(covered)
    inner = ndimage.binary_erosion(covered)
    gradient: Array = np.stack([np.gradient(values, axis=axis) for axis in range(3)])
    length = np.sqrt((gradient**2).sum(axis=0))
    level = EDGE_LEVEL * float(length[inner].mean()) if inner.any() else 0.0
    if level == 0:
        return np.zeros((6, *values.shape), dtype=np.float32), inner
    gradient *= inner / np.sqrt(length**2 + level**2)
    x, y, z = gradient
    root = np.float32(np.sqrt(2))
    products: Array = np.stack([x * x, y * y, z * z, root * x * y, root * x * z, root * y * z])
    products -= products[:, inner].mean(axis=1)[:, None, None, None]
    products *= inner
    return products, inner


def _similarity(
    fixed: Array, fixed_covered: NDArray[np.bool_], mobile: Array, covered: NDArray[np.bool_]
) -> Array:
    """Normalised correlation of two fields of edges where both are known, for every shift.

    Args:
        fixed: ``(6, x, y, z)`` of the reference scan.
        fixed_covered: ``(x, y, z)``.
        mobile: of the moving scan, ``reach`` points larger on every side.
        covered: as large as ``mobile``.

    Returns:
        ``(2 reach + 1, ...)`` along x, y, z; -1 where they share less than ``LEAST_SHARE`` of the
        points that ``fixed`` covers.
    """
    size = [fft.next_fast_len(count, real=True) for count in covered.shape]
    valid = tuple(
        slice(0, large - small + 1)
        for large, small in zip(covered.shape, fixed_covered.shape, strict=True)
    )

    def transformed(field: NDArray[np.generic]) -> NDArray[np.complex64]:
        out: NDArray[np.complex64] = fft.rfftn(np.asarray(field, np.float32), size)
        return out

    def back(product: NDArray[np.complex64]) -> Array:
        out: Array = fft.irfftn(product, size)[valid]
        return out

    mask, mobile_mask = transformed(fixed_covered).conj(), transformed(covered)
    shared = back(mask * mobile_mask)
    both = sum(transformed(b) * transformed(a).conj() for a, b in zip(fixed, mobile, strict=True))
    strength = back(transformed((fixed**2).sum(axis=0)).conj() * mobile_mask)
    mobile_strength = back(mask * transformed((mobile**2).sum(axis=0)))
    # what is 0 but for rounding must not be divided by
    least = 1e-6 * float((fixed**2).sum() * (mobile**2).sum())
    product = np.clip(strength, 0, None) * np.clip(mobile_strength, 0, None)
    out = back(np.asarray(both)) / np.sqrt(np.maximum(product, least))
    out[(shared < LEAST_SHARE * fixed_covered.sum()) | (product < least)] = -1
    return np.asarray(out, dtype=np.float32)


def _best(similarity: Array, reach: int, step: float) -> Misalignment | None:
    """The highest point of the similarity, found between the grid's points by parabolas."""
    peak = np.array(np.unravel_index(int(similarity.argmax()), similarity.shape))
    height = float(similarity[tuple(peak)])
    if height <= 0:
        return None
    considered = similarity > -1
    i, j, k = np.ogrid[tuple(slice(0, size) for size in similarity.shape)]
    apart = step * np.sqrt((i - peak[0]) ** 2 + (j - peak[1]) ** 2 + (k - peak[2]) ** 2)
    rivals = similarity[considered & (apart >= RIVAL_MM)]
    shift = [(_vertex(similarity, peak, axis) - reach) * step for axis in range(3)]
    in_place = float(similarity[reach, reach, reach])
    return Misalignment(
        (shift[0], shift[1], shift[2]),
        height,
        None if in_place == -1 else in_place,
        height - max(float(rivals.max(initial=0.0)), 0.0),
        bool(((peak == 0) | (peak == 2 * reach)).any()),
    )


def _vertex(similarity: Array, peak: NDArray[np.intp], axis: int) -> float:
    """Where along an axis the parabola through the peak and its two neighbours is highest."""
    at = float(peak[axis])
    if not 0 < peak[axis] < similarity.shape[axis] - 1:
        return at
    step = np.eye(3, dtype=int)[axis]
    below, here, above = (
        float(similarity[tuple(place)]) for place in (peak - step, peak, peak + step)
    )
    bend = below - 2 * here + above
    return at if bend == 0 or min(below, above) == -1 else at + 0.5 * (below - above) / bend
