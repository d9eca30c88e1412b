"""Diffusion: ITK's, to rounding; edges stay, noise goes, nothing is lost."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from cystgrid.preparation.diffusion import BLOCK_ROWS, diffuse

ROUNDING = 4 * np.finfo(np.float32).eps
"""Relative to the largest value: ITK rounds to float32 after each step, as we do."""


def picture(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random((rows, columns)), 2) * 3000
    smooth[rows // 3 : rows // 2, columns // 4 :] += 500
    return (smooth + rng.normal(0, 20, smooth.shape)).astype(np.float32)


def itk(image, iterations, conductance, time_step):
    diffusion = sitk.GradientAnisotropicDiffusionImageFilter()
    diffusion.SetTimeStep(time_step)
    diffusion.SetConductanceParameter(conductance)
    diffusion.SetNumberOfIterations(iterations)
    return sitk.GetArrayFromImage(diffusion.Execute(sitk.GetImageFromArray(image)))


@pytest.mark.parametrize("rows", [2, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 150])
@pytest.mark.parametrize(
    ("iterations", "conductance", "time_step"),
    [(1, 1.0, 0.125), (3, 1.0, 0.125), (5, 0.5, 0.1), (3, 3.0, 0.05)],
)
def test_it_is_itk_s_to_rounding(rows, iterations, conductance, time_step):
    image = picture(rows, 37)
    ours = diffuse(image, iterations=iterations, conductance=conductance, time_step=time_step)
    theirs = itk(image, iterations, conductance, time_step)
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() <= ROUNDING * np.abs(theirs).max()
    assert np.abs(ours - image).max() > 1, "something was smoothed"


@given(st.integers(0, 2**32 - 1), st.integers(2, 140), st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_what_flows_out_here_flows_in_there(seed, rows, columns):
    image = picture(rows, columns, seed)
    after = diffuse(image, iterations=3, conductance=1.0, time_step=0.125)
    np.testing.assert_allclose(after.mean(dtype=float), image.mean(dtype=float), rtol=1e-6)
    assert image.min() - 1e-2 <= after.min()
    assert after.max() <= image.max() + 1e-2


def test_turned_and_mirrored_pictures_give_turned_and_mirrored_results():
    image = picture(90, 70)
    after = diffuse(image, iterations=3, conductance=1.0, time_step=0.125)
    for move in (np.transpose, np.flipud, np.fliplr):
        moved = np.ascontiguousarray(move(image))
        again = diffuse(moved, iterations=3, conductance=1.0, time_step=0.125)
        np.testing.assert_allclose(again, move(after), atol=1e-3)


def test_one_grey_stays():
    flat = np.full((70, 5), 7, dtype=np.float32)
    assert (diffuse(flat, iterations=3, conductance=1.0, time_step=0.125) == flat).all()
