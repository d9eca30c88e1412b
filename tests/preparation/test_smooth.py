import numpy as np
import pytest

from cystgrid.preparation.correct import SmoothingSettings, smooth
from cystgrid.scans.volume import Volume


@pytest.fixture
def step():
    """Two tissues with a sharp border and noise; thick slices."""
    rng = np.random.default_rng(1)
    voxels = np.where(np.arange(64)[:, None, None] < 32, 100.0, 200.0) + rng.normal(
        0, 4, (64, 48, 6)
    )
    return Volume(voxels.astype(np.float32), np.diag([1, 1, 6, 1]))


def test_noise_goes_and_edges_stay(step):
    after = smooth(step, SmoothingSettings()).voxels
    assert after[:28].std() < 0.5 * step.voxels[:28].std()
    assert after[32].mean() - after[31].mean() > 99


def test_slices_do_not_mix(step):
    """Slices in another order give the same slices in that order: none sees its neighbours.

    They share one measure of what an edge is, which sees where slices meet; hence the tolerance.
    """
    order = [3, 0, 5, 1, 4, 2]
    mixed = smooth(step.with_voxels(step.voxels[:, :, order]), SmoothingSettings()).voxels
    np.testing.assert_allclose(
        mixed, smooth(step, SmoothingSettings()).voxels[:, :, order], atol=0.05
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_slices_are_those_of_the_acquisition(step, axis):
    """A coronal or sagittal scan is smoothed in its own planes."""
    turned = Volume(np.moveaxis(step.voxels, 2, axis), np.diag([*np.roll([1, 1, 6], axis + 1), 1]))
    expected = np.moveaxis(smooth(step, SmoothingSettings()).voxels, 2, axis)
    np.testing.assert_allclose(smooth(turned, SmoothingSettings()).voxels, expected, atol=0.05)


def test_scale_does_not_matter_and_none_is_none(step):
    scaled = smooth(step.with_voxels(step.voxels * 16), SmoothingSettings()).voxels
    np.testing.assert_allclose(scaled / 16, smooth(step, SmoothingSettings()).voxels, rtol=1e-4)
    assert smooth(step, SmoothingSettings(iterations=0)) is step
