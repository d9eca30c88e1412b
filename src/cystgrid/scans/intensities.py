"""Which voxel values a scan may hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cystgrid.errors import ScanError
from cystgrid.scans.volume import Array, Volume

MAX_MAGNITUDE = 1e18
"""Larger values are a broken scale: their squares would leave float32's range (3.4e38)."""

MAX_NOT_FINITE = 0.01
"""Share of NaN and infinite voxels up to which a scan is still accepted (and flagged)."""


def check_magnitude(values: NDArray[np.float64] | Array, where: str) -> None:
    """Refuse finite values beyond ``MAX_MAGNITUDE``; NaN and infinities are not looked at."""
    worst = np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0.0)
    if worst > MAX_MAGNITUDE:
        raise ScanError(
            where,
            got=f"voxel values up to {float(worst):.3g}",
            expected=f"at most {MAX_MAGNITUDE:g}",
            do="check the scale factor of the scan and convert it again",
        )


def fill_not_finite(volume: Volume) -> Volume:
    """Replace NaN and infinities by the lowest finite value, and note how many there were.

    Raises:
        ScanError: more than ``MAX_NOT_FINITE`` of the voxels are not finite.
    """
    broken = ~np.isfinite(volume.voxels)
    count = int(broken.sum())
    if count == 0:
        return volume
    share = count / broken.size
    if share > MAX_NOT_FINITE:
        raise ScanError(
            volume.source,
            got=f"{count} NaN or infinite voxels ({share:.1%})",
            expected=f"at most {MAX_NOT_FINITE:.0%}",
            do="make the scan again from its source images",
        )
    lowest = volume.voxels[~broken].min()
    filled = volume.with_voxels(np.where(broken, lowest, volume.voxels))
    return filled.noted(
        f"{count} NaN or infinite voxels were set to the lowest finite value, {lowest:g}."
    )
