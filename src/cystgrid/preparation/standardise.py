"""Nyul landmarks: one intensity scale for scans of different scanners, learned without leakage.

A scan brings its own percentiles (``foreground_percentiles``, stored beside its crop). A fold's
standard is fitted on its training patients alone (``fit_standard``) and applied to any scan as a
piecewise-linear map (``standardise``). Nyul & Udupa, Magn Reson Med 42 (1999) 1072; Nyul, Udupa &
Zhang, IEEE Trans Med Imaging 19 (2000) 143.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cystgrid.errors import CohortError, ScanError
from cystgrid.scans.volume import Array

PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
"""In per cent: the deciles and the outer landmarks that Nyul, Udupa & Zhang (2000) settle on."""

STANDARD_RANGE = (0.0, 100.0)
"""Where a scan's first and last landmark are put before scans are averaged (no unit)."""


def foreground_percentiles(voxels: Array) -> NDArray[np.float64]:
    """A scan's landmarks: percentiles of the voxels above the scan's mean.

    The mean lies between air and tissue, so that the share of air in the field of view does not
    move the landmarks (Nyul & Udupa 1999).

    Args:
        voxels: ``(i, j, k)``, the whole corrected scan, finite.

    Returns:
        ``(P,)`` values at ``PERCENTILES``, ascending.

    Raises:
        ScanError: the landmarks coincide: there is no scale to put in order.
    """
    foreground = voxels[voxels > voxels.mean(dtype=np.float64)]
    if foreground.size:
        landmarks = np.percentile(foreground.astype(np.float64), PERCENTILES)
        if landmarks[-1] > landmarks[0]:
            return np.asarray(landmarks, dtype=np.float64)
    raise ScanError(
        "voxels",
        got=f"{foreground.size} voxels above the mean, all of one value",
        expected="tissue of several intensities; there is nothing to standardise",
        do="check that this is the scan that was meant",
    )


def fit_standard(percentiles: ArrayLike) -> NDArray[np.float64]:
    """The mean of the training scans' landmarks, each first mapped onto ``STANDARD_RANGE``.

    Args:
        percentiles: ``(patients, P)`` landmarks of the training patients, one modality; a row of
            NaN is a patient without such a scan, and plays no part.

    Returns:
        ``(P,)`` the standard, ascending from 0 to 100.

    Raises:
        CohortError: no training patient has such a scan.
        ValueError: no patient, or a scan whose landmarks do not ascend.
    """
    landmarks = np.asarray(percentiles, dtype=np.float64)
    if landmarks.ndim != 2 or landmarks.shape[0] == 0 or landmarks.shape[1] < 2:
        raise ValueError(f"percentiles of shape {landmarks.shape}, expected (patients, P)")
    absent = np.isnan(landmarks).all(axis=1)
    if absent.all():
        raise CohortError(
            "landmarks",
            got=f"{len(landmarks)} training patients, none with a scan of this modality",
            expected="one at least, to learn the intensity scale from",
            do="add patients with both scans, or take inputs that all patients have",
        )
    landmarks = landmarks[~absent]
    first, last = landmarks[:, :1], landmarks[:, -1:]
    if not (np.isfinite(landmarks).all() and (last > first).all()):
        raise ValueError("landmarks that are not finite, or whose last is not above the first")
    low, high = STANDARD_RANGE
    return np.asarray(((landmarks - first) / (last - first) * (high - low) + low).mean(axis=0))


def standardise(voxels: Array, percentiles: ArrayLike, standard: ArrayLike) -> Array:
    """Map a scan so that its landmarks fall on the standard's: piecewise linear, never falling.

    Beyond the first and last landmark the outer segments are extended. Landmarks that coincide
    (a scan with few grey values) are one landmark, at the mean of their standards.

    Args:
        voxels: any shape, one modality of one patient.
        percentiles: ``(P,)`` landmarks of the same scan; all NaN for a scan that there is not,
            whose voxels come back as NaN.
        standard: ``(P,)`` from ``fit_standard``.

    Returns:
        float32, the shape of ``voxels``, in the units of ``STANDARD_RANGE``.

    Raises:
        ValueError: shapes differ, or fewer than two distinct landmarks.
    """
    source = np.asarray(percentiles, dtype=np.float64)
    target = np.asarray(standard, dtype=np.float64)
    if source.shape != target.shape or source.ndim != 1:
        raise ValueError(f"landmarks of shape {source.shape} and {target.shape}, expected (P,)")
    if np.isnan(source).all():
        return np.full(np.shape(voxels), np.nan, dtype=np.float32)
    knots, position, times = np.unique(source, return_inverse=True, return_counts=True)
    if knots.size < 2:
        raise ValueError("fewer than two distinct landmarks: nothing to standardise")
    values = np.bincount(position, weights=target) / times
    slopes = np.diff(values) / np.diff(knots)
    exact = np.asarray(voxels, dtype=np.float64)
    segment = np.zeros(exact.shape, dtype=np.intp)
    for knot in knots[1:-1]:  # ten comparisons of whole arrays: half the time of a search
        segment += exact >= knot
    mapped = values.take(segment) + slopes.take(segment) * (exact - knots.take(segment))
    return np.asarray(mapped, dtype=np.float32)


def unit_range(voxels: Array, limits: tuple[float, float] | None = None) -> Array:
    """Scale one scan's crop to 0-1 by its own minimum and maximum, as in the paper (section IV.B).

    A crop of one value (a scan that does not reach the region) becomes 0 throughout; one of NaN, a
    scan that there is not, stays NaN.

    Args:
        voxels: any shape, one modality of one patient.
        limits: minimum and maximum of the whole crop, where ``voxels`` are a part of it.
    """
    low, high = limits or (float(voxels.min()), float(voxels.max()))
    if high == low:
        return np.zeros_like(voxels, dtype=np.float32)
    return np.asarray((voxels - low) / (high - low), dtype=np.float32)
