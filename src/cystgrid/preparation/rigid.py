"""Six-parameter rigid registration: Mattes mutual information, maximised by SimpleITK.

Mattes et al., IEEE Trans Med Imaging 22 (2003) 120. Every point of the region's grid counts, so no
random number is drawn and there is no seed to keep: the same scans give the same bytes. (On the
phantoms, seeded regular or random samples of 30 to 100 % came no nearer to the truth, and neither
did a coarser level first, as the start is already within a millimetre or two.) ITK's world is LPS+;
it is turned from and to RAS+ here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813 (the name all its users know)
from numpy.typing import NDArray

from cystgrid.preparation.align import WorldBox
from cystgrid.preparation.misalignment import WorldGrid, affordable_step, sample
from cystgrid.preparation.threads import one_itk_thread
from cystgrid.scans.volume import Affine, Volume

LPS = np.diag([-1.0, -1.0, 1.0])
"""Takes RAS+ to LPS+ and back."""

FIRST_STEP_MM, LAST_STEP_MM, RELAXATION = 1.0, 0.005, 0.6
"""Of gradient descent: a step is this long at first, shortened by the factor at every turn of the
gradient, and below the last one the optimum is found. In mm, as parameters are scaled by how far
they move the region's points."""


@dataclass(frozen=True, eq=False)
class RigidFit:
    """Where an optimisation ended, whether or not it is good.

    Attributes:
        transform: ``(4, 4)``; reference world to moving world, mm RAS+.
        information_before: mutual information in nats as the headers place the scans.
        information_after: after ``transform``.
        iterations: steps taken.
    """

    transform: Affine
    information_before: float
    information_after: float
    iterations: int


def fit_rigid(
    reference: Volume,
    moving: Volume,
    box: WorldBox,
    start_mm: tuple[float, float, float],
    *,
    step_mm: float,
    reach_mm: float,
    iterations: int,
    bins: int,
) -> RigidFit:
    """Turn and shift until the two scans tell most of each other within a box.

    Args:
        reference: whose region it is.
        moving: the other scan.
        box: the region, in the reference scan's world; turns are about its centre.
        start_mm: shift to begin with.
        step_mm: of the grid on which the scans are compared.
        reach_mm: how far around the box the moving scan is looked at.
        iterations: at most so many steps.
        bins: of the joint histogram, along each axis.

    Raises:
        RuntimeError: of ITK, where the scans leave each other on the way.
    """
    step = affordable_step(box.grown(reach_mm), step_mm)
    grid = WorldGrid.over(box, step)
    wide = grid.grown(int(np.ceil(reach_mm / step)))
    fixed, fixed_covered = sample(reference, grid)
    mobile, mobile_covered = sample(moving, wide)
    with one_itk_thread():
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        method.SetMetricAsMattesMutualInformation(bins)
        method.SetMetricSamplingStrategy(method.NONE)
        method.SetMetricFixedMask(_image(fixed_covered, grid))
        method.SetMetricMovingMask(_image(mobile_covered, wide))
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(
            FIRST_STEP_MM, LAST_STEP_MM, iterations, relaxationFactor=RELAXATION
        )
        method.SetOptimizerScalesFromPhysicalShift()
        images = _image(fixed, grid), _image(mobile, wide)
        method.SetInitialTransform(_pose(box, (0.0, 0.0, 0.0)))
        before = -float(method.MetricEvaluate(*images))
        pose = _pose(box, start_mm)
        method.SetInitialTransform(pose, inPlace=True)
        method.Execute(*images)
        after = -float(method.MetricEvaluate(*images))
    return RigidFit(_matrix(pose), before, after, int(method.GetOptimizerIteration()))


def _image(values: NDArray[np.generic], grid: WorldGrid) -> sitk.Image:
    """An ITK image of ``(x, y, z)`` values, axes and all, in LPS+."""
    kind = np.uint8 if values.dtype == np.bool_ else np.float32
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0), dtype=kind))
    image.SetSpacing([grid.step] * 3)
    image.SetOrigin([float(edge) for edge in LPS @ grid.low])
    image.SetDirection(LPS.ravel().tolist())
    return image


def _pose(box: WorldBox, shift_mm: tuple[float, float, float]) -> sitk.Euler3DTransform:
    """A shift in RAS+ as ITK's transform, which takes a fixed point to the moving image."""
    pose = sitk.Euler3DTransform()
    pose.SetCenter([float(edge) for edge in LPS @ box.centre])
    pose.SetTranslation([float(part) for part in LPS @ shift_mm])
    return pose


def _matrix(pose: sitk.Euler3DTransform) -> Affine:
    """ITK's transform, ``y = R (x - c) + c + t`` in LPS+, as ``(4, 4)`` in RAS+."""
    turn = np.array(pose.GetMatrix()).reshape(3, 3)
    centre = np.array(pose.GetCenter())
    offset = centre + pose.GetTranslation() - turn @ centre
    out = np.eye(4)
    out[:3, :3] = LPS @ turn @ LPS
    out[:3, 3] = LPS @ offset
    return out
