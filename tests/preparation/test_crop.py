import numpy as np
import pytest

from cystgrid.preparation.crop import apply_crop, nearest_on_crop, plan_crop
from cystgrid.preparation.region import Region
from cystgrid.preparation.resample import linear_weights
from cystgrid.scans.volume import Volume

SHAPE, SPACING = (100, 80, 20), (2.0, 2.0, 6.0)


def plan(reference, low, high, **changes):
    settings = {"margin_mm": 10.0, "in_plane": 256, "cell": 64, "slices": 1} | changes
    return plan_crop(reference, Region(low, high), **settings)


def sample(reference, laid):
    box = tuple(slice(a, b) for a, b in zip(laid.block.start, laid.block.stop, strict=True))
    return apply_crop(laid, reference.voxels[box])


def pixel_world(laid, crop):
    slices, rows, columns = np.indices(crop.shape)
    index = np.stack([columns, rows, slices, np.ones_like(rows)], axis=-1)
    return (index @ laid.affine.T)[..., :3]


@pytest.fixture
def scan(space):
    """Voxels that are a linear function of world position: any exact geometry reproduces it."""
    affine = space.centred(SHAPE, SPACING, (6, -8, 15))
    world = space.grid(SHAPE, affine)
    return Volume(world @ [1.0, -2.0, 0.5] + 300, affine)


@pytest.mark.parametrize("in_plane", [256, 100, 80])
def test_every_pixel_lies_where_the_affine_says(scan, in_plane):
    laid = plan(scan, (30.2, 25.7, 6.0), (70.9, 50.1, 11.0), in_plane=in_plane)
    crop = sample(scan, laid)
    expected = pixel_world(laid, crop) @ [1.0, -2.0, 0.5] + 300
    # a voxel's step is up to 4: a tenth of a voxel, where a shift by half a pixel would be 1.3
    assert np.abs(crop - expected).max() < 0.3


def test_radiological_view(scan):
    laid = plan(scan, (30, 25, 6), (70, 50, 11))
    column, row, slice_ = (laid.affine[:3, n] for n in range(3))
    axes = scan.affine[:3, :3]
    assert column @ axes[:, 0] < 0  # columns run to the patient's left
    assert row @ axes[:, 1] < 0  # rows run to the back
    assert slice_ @ axes[:, 2] > 0  # slices run to the head
    assert np.linalg.norm(slice_) == pytest.approx(6)


def test_the_box_holds_the_region_and_its_margin(scan):
    laid = plan(scan, (30, 30, 6), (70, 50, 11), margin_mm=12)
    assert laid.sides_mm == pytest.approx((40 * 2 + 24, 20 * 2 + 24))
    assert np.linalg.norm(laid.affine[:3, 0]) * 64 == pytest.approx(laid.sides_mm[0])
    assert np.linalg.norm(laid.affine[:3, 1]) * 64 == pytest.approx(laid.sides_mm[1])


def test_at_the_border_the_box_is_shifted_inwards():
    reference = Volume(np.ones(SHAPE, np.float32), np.diag([*SPACING, 1]))
    crop = sample(reference, plan(reference, (-0.5, -0.5, 0), (20, 20, 4)))
    np.testing.assert_allclose(crop, 1, atol=1e-6)


def test_a_box_is_never_larger_than_the_scan():
    reference = Volume(np.ones(SHAPE, np.float32), np.diag([*SPACING, 1]))
    laid = plan(reference, (-0.5, -0.5, -0.5), (99.5, 79.5, 19.5))
    crop = sample(reference, laid)
    assert crop.shape == (20, 64, 64)
    assert laid.sides_mm == pytest.approx((200, 160))
    np.testing.assert_allclose(crop, 1, atol=1e-6)


def test_a_mask_on_any_grid_lies_on_the_crop_where_it_lies_in_the_patient(scan, space):
    laid = plan(scan, (30, 25, 6), (70, 50, 11))
    shape = sample(scan, laid).shape
    affine = space.centred((200, 180, 50), (1.0, 1.0, 2.5), (20, 5, -10))
    centre = scan.world(np.array([50, 38, 8]))
    ball = np.linalg.norm(space.grid((200, 180, 50), affine) - centre, axis=-1) < 15
    found = nearest_on_crop(Volume(ball.astype(np.float32), affine), laid.affine, shape)
    positions = pixel_world(laid, np.empty(shape))
    expected = np.linalg.norm(positions - centre, axis=-1) < 15
    assert found.sum() > 100
    assert (found != expected).mean() < 0.02


def test_detail_too_fine_for_the_crop_does_not_fold_into_stripes():
    """One voxel on, one off at 4 voxels a pixel; the control without the low-pass shows stripes."""
    stripes = np.zeros((256, 256, 2), np.float32)
    stripes[::2] = 1
    reference = Volume(stripes, np.eye(4))
    whole = (-0.5, -0.5, -0.5), (254.7, 254.7, 1.5)
    crop = sample(reference, plan(reference, *whole, margin_mm=0))[:, 4:-4, 4:-4]
    assert np.abs(crop - 0.5).max() < 0.05
    assert stripes[np.linspace(0, 254.7, 64).round().astype(int), 9, 0].std() > 0.3


@pytest.mark.parametrize(
    ("low", "high", "margin", "wanted", "expected"),
    [
        (4.5, 9.5, 0, 1, range(5, 10)),  # the slices of a mask, no more
        (4.5, 9.5, 6, 1, range(5, 10)),  # the margin is one of the plane
        (7.1, 7.2, 0, 1, [7]),  # thinner than a slice
        (6.5, 8.5, 0, 5, range(5, 10)),  # grown to 5, evenly
        (-0.5, 1.5, 0, 5, range(0, 5)),  # grown where there is room
        (0, 19, 100, 99, range(0, 20)),  # never more than there are
    ],
)
def test_slices(low, high, margin, wanted, expected):
    reference = Volume(np.ones(SHAPE, np.float32), np.diag([*SPACING, 1]))
    laid = plan(reference, (30, 30, low), (70, 50, high), margin_mm=margin, slices=wanted)
    assert list(range(laid.block.start[2], laid.block.stop[2])) == list(expected)


def test_weights_sum_to_one_and_keep_linear_functions():
    for step in (0.4, 1.0, 2.0, 3.0):
        positions = np.arange(10, 30, step)
        weights = linear_weights(40, positions, step)
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        np.testing.assert_allclose(weights @ np.arange(40.0), positions, atol=0.05)
