"""Fluid and solid tissue laid into a scan as the scanner would have shown them.

Fluid is as bright as the scan's own fluid (T2) or dark as its darkest soft tissue (T1), solid parts
are as bright as the tissue around; both follow the scan's shading and bear its noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cystgrid.insertion.covers import Covers
from cystgrid.preparation.bias import N4Settings, bias_field, body_mask, thick_axis
from cystgrid.preparation.threads import one_itk_thread
from cystgrid.scans.volume import Array, Volume

FLUID_PERCENTILE = {"t1": 15.0, "t2": 99.0}
"""Of the body's voxels after bias correction: what is fluid, or as good as."""

FLUID_SPREAD, SOLID_SPREAD = 0.06, 0.05
"""Deviation of a patient's cyst fluid and solid parts from the scan's, as a factor."""

NORMAL_MAD = 1.4826
"""Deviation over median absolute deviation of a normal distribution."""


@dataclass(frozen=True)
class Levels:
    """What is laid in, in the scan's units where the bias field is 1.

    Attributes:
        fluid: signal of fluid.
        solid: signal of septa and nodules.
        noise: deviation of the noise.
    """

    fluid: float
    solid: float
    noise: float


def shading(scan: Volume) -> Array:
    """A canonical scan's bias field, on its grid; seconds.

    Raises:
        ScanError: no tissue to measure.
    """
    with one_itk_thread():
        return bias_field(scan, N4Settings())


def measure(scan: Volume, field: Array, covers: Covers, modality: str) -> Levels:
    """The scan's own levels.

    Args:
        scan: canonical.
        field: its bias field.
        covers: where lesions are to lie: the tissue there is what solid parts look like.
        modality: ``t1`` or ``t2``.
    """
    even = scan.voxels / field
    body = even[body_mask(scan.voxels, thick_axis(scan))]
    here = even[covers.box]
    touched = here[covers.fluid > 0]
    tissue = float(np.median(touched if touched.size else here))
    fluid = float(np.percentile(body, FLUID_PERCENTILE[modality]))
    return Levels(fluid, tissue, _noise(even, covers, thick_axis(scan)))


def _noise(even: Array, covers: Covers, thick: int) -> float:
    """From what a median filter in the slices takes out, near where lesions are to lie."""
    size = [1 if axis == thick else 3 for axis in range(3)]
    part = even[covers.box]
    rest = part - ndimage.median_filter(part, size=size)
    return float(NORMAL_MAD * np.median(np.abs(rest)))


def blend(
    scan: Volume, covers: Covers, levels: Levels, field: Array, random: np.random.Generator
) -> Volume:
    """The scan with the lesions in it; outside of them every voxel stays what it was.

    Args:
        scan: canonical.
        covers: on its grid.
        levels: as measured.
        field: bias field on its grid.
        random: of the noise, and of this patient's fluid.
    """
    fluid = levels.fluid * (1 + FLUID_SPREAD * random.standard_normal())
    solid = levels.solid * (1 + SOLID_SPREAD * random.standard_normal())
    voxels = np.array(scan.voxels)
    part, shading = voxels[covers.box], field[covers.box]
    for share, level in ((covers.fluid, fluid), (covers.solid, solid)):
        noisy = level + levels.noise * random.standard_normal(part.shape)
        part += share * (np.maximum(noisy, 0) * shading - part)
    voxels[covers.box] = part
    return scan.with_voxels(voxels)
