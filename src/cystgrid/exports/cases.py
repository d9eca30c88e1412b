"""Made-up prepared patients that an export is tried on: ordinary ones, and those at the edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.standardise import foreground_percentiles
from cystgrid.scans.volume import Array

TISSUE = 300.0
"""Mean grey value of the made-up scans, in no unit, as scanners give them."""


@dataclass(frozen=True, eq=False)
class Case:
    """One patient and what is particular about it."""

    about: str
    prepared: PreparedPatient


def cases_for(modalities: int, count: int, pixels: int, seed: int = 0) -> list[Case]:
    """Patients whose crops try every branch of the way from a crop to a grid.

    Args:
        modalities: scans of a patient.
        count: slices in a window.
        pixels: along a prepared cell's side.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)

    def scans(slices: int) -> Array:
        noise = rng.gamma(4.0, TISSUE / 4.0, size=(modalities, slices, pixels, pixels))
        return noise.astype(np.float32)

    few: Array = (np.round(scans(count) / TISSUE) * TISSUE).astype(np.float32)
    flat, far = scans(count), scans(count + 3)
    flat[0] = TISSUE
    far = far * 50 - 10 * TISSUE
    cases = [
        _case("as many slices as the window", scans(count)),
        _case("an even rest beside the window", scans(count + 4)),
        _case("an odd rest beside the window", scans(2 * count + 1)),
        _case("fewer slices than the window", scans(max(count - 2, 1))),
        _case("one slice", scans(1)),
        _case("few grey values: landmarks coincide", few),
        _case("a scan of one value", flat, landmarks=scans(count)),
        _case("intensities far outside the landmarks", far, landmarks=scans(count)),
    ]
    if modalities > 1:
        cases += [_without(modality, scans(count + 1)) for modality in range(modalities)]
    return cases


def _case(about: str, crop: Array, *, landmarks: Array | None = None) -> Case:
    scans = crop if landmarks is None else landmarks
    return _named(about, crop, np.stack([foreground_percentiles(scan) for scan in scans]))


def _without(modality: int, crop: Array) -> Case:
    percentiles = np.stack([foreground_percentiles(scan) for scan in crop])
    crop[modality] = np.nan
    percentiles[modality] = np.nan
    return _named(f"without scan {modality + 1}", crop, percentiles)


def _named(about: str, crop: Array, percentiles: NDArray[np.float64]) -> Case:
    prepared = PreparedPatient(
        about, None, "", about, crop, percentiles, np.eye(4), flags=(), alignment={}
    )
    return Case(about, prepared)
