"""The receive coils' bias field: a smooth shading that multiplies the scan.

N4 (Tustison et al., IEEE Trans Med Imaging 29 (2010) 1310), as SimpleITK has it, fitted to a coarse
copy of the scan and evaluated at every voxel. N4 sees no anatomy: it takes whatever smooth change
makes the histogram sharper, so a few iterations on few control points come nearer to the true field
of an abdomen than many on many.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import SimpleITK as sitk  # noqa: N813 (the name all its users know)
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from cystgrid.errors import ScanError
from cystgrid.scans.volume import Array, Volume
from cystgrid.settings import Settings

SPLINE_ORDER = 3
MEDIAN_REACH = 1
"""Voxels to each side, in-plane, of the median that a coarse sample is: noise goes, edges stay."""

SPACING_DECIMALS = 6
"""In mm: ITK is given rounded spacings, so that turning a header's axes cannot change a bit."""

BRIGHT_PERCENTILE = 99
"""In per cent of all voxels: what counts as a scan's brightest tissue."""

AIR_LEVEL = 0.01
"""Darker than this part of the brightest tissue is air, however much of it is exactly 0."""

Box = tuple[slice, slice, slice]


class N4Settings(Settings):
    """How the bias field is estimated.

    The defaults were chosen on phantom abdomens with known fields, where more iterations, more
    levels or finer samples followed the anatomy and came no nearer to the truth. Samples 8 mm
    apart give the field of every voxel more nearly than 12 mm, for two to four times the time.

    Attributes:
        enabled: whether there is a correction at all.
        shrink_mm: spacing of the coarse copy on which the field is fitted, in mm.
        control_mm: distance of the field's control points at the first level, in mm; halved at each
            further level (ITK: a mesh of twice as many spans).
        iterations: at most so many at each level; as many levels as numbers.
        convergence: a level ends when the field's coefficient of variation changes by less.
        histogram_fwhm: width of the field's own histogram, in natural-log intensity (ITK: 0.15).
        wiener_noise: noise of the filter that sharpens the histogram (ITK: 0.01).
        histogram_bins: bins of that histogram (ITK: 200).
    """

    enabled: bool = True
    shrink_mm: float = Field(default=8.0, gt=0, allow_inf_nan=False)
    control_mm: float = Field(default=400.0, gt=0, allow_inf_nan=False)
    iterations: tuple[int, ...] = Field(default=(20, 15, 8), min_length=1, max_length=6)
    convergence: float = Field(default=1e-6, gt=0, allow_inf_nan=False)
    histogram_fwhm: float = Field(default=0.15, gt=0, allow_inf_nan=False)
    wiener_noise: float = Field(default=0.01, gt=0, allow_inf_nan=False)
    histogram_bins: int = Field(default=200, ge=10)


def bias_field(scan: Volume, settings: N4Settings) -> Array:
    """N4's field at every voxel, ``(i, j, k)``, scaled to a geometric mean of 1 over the body.

    Beyond the body's bounding box the field goes on as at the box's border.

    Raises:
        ScanError: no voxel of positive intensity to fit a field to.
    """
    if 1 in scan.shape:  # N4 wants some length along every axis
        return _of_doubled(scan, settings)
    strides = [
        _stride(size, step, settings.shrink_mm)
        for size, step in zip(scan.shape, rounded_spacing(scan), strict=True)
    ]
    coarse, body, box = _around_body(scan, strides)
    body &= coarse > 0  # the field multiplies: only what shines can show it
    if not body.any():
        raise ScanError(
            scan.source,
            got="no tissue above the background",
            expected="positive intensities",
            do="check that this is the scan that was meant",
        )
    i, j, k = (n * step for n, step in zip(strides, rounded_spacing(scan), strict=True))
    log_field = _fit(coarse, body, (i, j, k), strides, settings)
    sampled = log_field[:: strides[0], :: strides[1], :: strides[2]]
    log_field = log_field - sampled[body].mean(dtype=np.float64)
    around = [(part.start, size - part.stop) for part, size in zip(box, scan.shape, strict=True)]
    return np.asarray(np.exp(np.pad(log_field, around, mode="edge")), dtype=np.float32)


def _of_doubled(scan: Volume, settings: N4Settings) -> Array:
    """The field of a scan of one slice: that of two such slices, one upon the other."""
    voxels = scan.voxels
    for axis, size in enumerate(scan.shape):
        voxels = voxels.repeat(2, axis=axis) if size == 1 else voxels
    i, j, k = scan.shape
    return bias_field(Volume(voxels, scan.affine, scan.source), settings)[:i, :j, :k]


def body_mask(voxels: Array, slice_axis: int) -> NDArray[np.bool_]:
    """The patient: the largest connected part above a threshold, filled slice by slice.

    Otsu's threshold of the logarithm of intensity: on intensity itself, bright fat or fluid would
    make a class of its own and leave muscle with the air.

    Args:
        voxels: ``(i, j, k)``.
        slice_axis: the axis along which slices were acquired.
    """
    floor = AIR_LEVEL * float(np.percentile(voxels, BRIGHT_PERCENTILE))
    if floor <= 0:
        return np.asarray(voxels > 0, dtype=np.bool_)
    log = np.log(np.maximum(voxels, floor), dtype=np.float32)
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(_image(log, (1.0, 1.0, 1.0)))
    bright = log > otsu.GetThreshold()
    parts, count = ndimage.label(bright)
    if count == 0:
        return np.asarray(bright, dtype=np.bool_)
    body = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    slices = np.moveaxis(body, slice_axis, 0)
    filled = np.stack([ndimage.binary_fill_holes(each) for each in slices])
    return np.asarray(np.moveaxis(filled, 0, slice_axis), dtype=np.bool_)


def thick_axis(scan: Volume) -> int:
    """The axis along which slices were acquired: the largest spacing; the last one among equals."""
    spacing = rounded_spacing(scan)
    return max(range(3), key=lambda axis: (spacing[axis], axis))


def rounded_spacing(scan: Volume) -> tuple[float, float, float]:
    """Spacing in mm to ``SPACING_DECIMALS``."""
    i, j, k = (round(step, SPACING_DECIMALS) for step in scan.spacing)
    return i, j, k


def _stride(size: int, spacing: float, target_mm: float) -> int:
    """Every how many voxels to sample, so that an axis keeps the samples a cubic spline needs."""
    most = max((size - 1) // SPLINE_ORDER, 1)
    return int(np.clip(round(target_mm / spacing), 1, most))


def _around_body(scan: Volume, strides: list[int]) -> tuple[Array, NDArray[np.bool_], Box]:
    """Samples of the scan around the body, the body, and the voxels from first sample to last.

    Samples, not averages: a mean over 8 mm would blend fat and muscle into tissues that are not
    there, and N4 lives on the tissues' histogram.
    """
    samples = [
        np.arange((size - 1) % n // 2, size, n) for size, n in zip(scan.shape, strides, strict=True)
    ]
    coarse = _median_samples(scan, samples)
    body = body_mask(coarse, thick_axis(scan))
    kept = []
    for axis, places in enumerate(samples):
        inside = np.flatnonzero(body.any(axis=tuple(n for n in range(3) if n != axis)))
        first, last = (int(inside[0]), int(inside[-1])) if inside.size else (0, len(places) - 1)
        # one sample more at each end: the body's rim may lie between two samples
        kept.append(slice(max(first - 1, 0), min(last + 2, len(places))))
    i, j, k = (
        slice(int(places[part][0]), int(places[part][-1]) + 1)
        for places, part in zip(samples, kept, strict=True)
    )
    around = (kept[0], kept[1], kept[2])
    return np.ascontiguousarray(coarse[around]), body[around].copy(), (i, j, k)


def _median_samples(scan: Volume, samples: list[NDArray[np.intp]]) -> Array:
    """The median of each sample and its neighbours within the acquired slice."""
    thick = thick_axis(scan)
    reach = [0 if axis == thick else MEDIAN_REACH for axis in range(3)]
    neighbours = []
    for shifts in product(*(range(-n, n + 1) for n in reach)):
        places = [
            np.clip(at + shift, 0, size - 1)
            for at, shift, size in zip(samples, shifts, scan.shape, strict=True)
        ]
        neighbours.append(scan.voxels[np.ix_(*places)])
    return np.asarray(np.median(np.stack(neighbours), axis=0), dtype=np.float32)


def _fit(
    coarse: Array,
    body: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    strides: list[int],
    settings: N4Settings,
) -> Array:
    """The log of the field on every voxel from the first sample to the last.

    ITK stretches a field's control points from the first voxel centre to the last of whatever image
    it is evaluated on. The fine image begins and ends where the coarse one does, so that the field
    lies on the scan exactly where it was fitted.

    Args:
        coarse: ``(i, j, k)`` samples, at least 2 along each axis.
        body: which of them to fit to.
        spacing: of the samples, in mm.
        strides: voxels from one sample to the next.
        settings: of N4.
    """
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(list(settings.iterations))
    n4.SetConvergenceThreshold(settings.convergence)
    n4.SetBiasFieldFullWidthAtHalfMaximum(settings.histogram_fwhm)
    n4.SetWienerFilterNoise(settings.wiener_noise)
    n4.SetNumberOfHistogramBins(settings.histogram_bins)
    n4.SetSplineOrder(SPLINE_ORDER)
    lengths = [count * step for count, step in zip(coarse.shape, spacing, strict=True)]
    spans = [max(1, round(length / settings.control_mm)) for length in lengths]
    n4.SetNumberOfControlPoints([span + SPLINE_ORDER for span in spans])
    n4.Execute(_image(coarse, spacing), _image(body.astype(np.uint8), spacing))
    fine = sitk.Image(
        [(count - 1) * n + 1 for count, n in zip(coarse.shape, strides, strict=True)],
        sitk.sitkFloat32,
    )
    fine.SetSpacing([step / n for step, n in zip(spacing, strides, strict=True)])
    log_field: Array = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(fine))
    return log_field.transpose(2, 1, 0)


def _image(voxels: NDArray[np.generic], spacing: tuple[float, float, float]) -> sitk.Image:
    """An ITK image of ``(i, j, k)`` voxels; of its geometry only the spacing matters here."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    image.SetSpacing(spacing)
    return image
