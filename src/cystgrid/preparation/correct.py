"""What the scanner added, taken out again: first the bias field (``bias``), then noise.

Noise is smoothed within each acquired slice and not across edges, by the anisotropic diffusion of
Perona & Malik (IEEE Trans Pattern Anal Mach Intell 12 (1990) 629): a Gaussian smoothing that stops
at edges, as the paper has it. Its curvature form (Whitaker & Xue, ICIP 2001) is not used: it
switches between schemes by the sign of a curvature, so that a rounding error of 1e-5 upstream can
change a voxel by a per cent, and it takes out less noise in the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813 (the name all its users know)
from pydantic import Field

from cystgrid.errors import ScanError
from cystgrid.preparation.bias import N4Settings, bias_field, thick_axis
from cystgrid.preparation.threads import one_itk_thread
from cystgrid.scans.volume import Volume
from cystgrid.settings import Settings


class SmoothingSettings(Settings):
    """How noise is smoothed.

    Attributes:
        iterations: steps of diffusion; 0 leaves the scan as it is.
        conductance: edges steeper than this multiple of the scan's root mean square gradient stay.
        time_step: of one iteration, in squared pixels; stable up to 0.25 in two dimensions, and
            recommended up to 0.125 (ITK Software Guide).
    """

    iterations: int = Field(default=3, ge=0)
    conductance: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    time_step: float = Field(default=0.125, gt=0, le=0.125)


@dataclass(frozen=True)
class Correction:
    """A scan before and after, and the field between them, all on the scan's own grid.

    Attributes:
        before: the scan as it was read.
        field: the bias field, no unit, 1 in the geometric mean over the body.
        after: ``before / field``, smoothed.
    """

    before: Volume
    field: Volume
    after: Volume


def correct(scan: Volume, n4: N4Settings, smoothing: SmoothingSettings) -> Correction:
    """Take bias field and noise out of a scan.

    Args:
        scan: canonical, finite voxels.
        n4: how the field is estimated.
        smoothing: how noise is smoothed.

    Raises:
        ScanError: the scan is constant, or has no tissue to fit a field to.
    """
    if scan.voxels.max() == scan.voxels.min():
        raise ScanError(
            scan.source,
            got=f"every voxel at {float(scan.voxels.flat[0]):g}",
            expected="an image; there is nothing to standardise",
            do="check that this is the scan that was meant",
        )
    with one_itk_thread():
        field = bias_field(scan, n4) if n4.enabled else np.ones(scan.shape, dtype=np.float32)
        after = smooth(scan.with_voxels(scan.voxels / field), smoothing)
    return Correction(scan, scan.with_voxels(field), after)


def smooth(scan: Volume, settings: SmoothingSettings) -> Volume:
    """Edge-preserving smoothing within each acquired slice; slices never mix.

    MR slices of the abdomen are 3 to 16 mm thick: their neighbours show other anatomy. The slices
    are laid one below the other in one picture, so that the whole scan has one measure of what an
    edge is; between them lie as many copies of their border rows as a step could reach across.
    """
    if settings.iterations == 0:
        return scan
    thick = thick_axis(scan)
    slices = np.moveaxis(scan.voxels, thick, 0)
    gap = settings.iterations + 1
    padded = np.pad(slices, ((0, 0), (gap, gap), (0, 0)), mode="edge")
    filtering = sitk.GradientAnisotropicDiffusionImageFilter()
    filtering.SetTimeStep(settings.time_step)
    filtering.SetConductanceParameter(settings.conductance)
    filtering.SetNumberOfIterations(settings.iterations)
    picture = sitk.GetImageFromArray(padded.reshape(-1, padded.shape[2]))
    smoothed = sitk.GetArrayFromImage(filtering.Execute(picture)).reshape(padded.shape)
    return scan.with_voxels(np.moveaxis(smoothed[:, gap:-gap], 0, thick))
