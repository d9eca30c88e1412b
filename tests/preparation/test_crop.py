import numpy as np
import pytest

from cystgrid.preparation.crop import apply_crop, kept_of_mask, nearest_on_crop, plan_crop
from cystgrid.preparation.region import Region, mask_region
from cystgrid.preparation.resample import linear_weights
from cystgrid.scans.volume import Volume

SHAPE, SPACING = (100, 80, 20), (2.0, 2.0, 6.0)


def plan(reference, low, high, **changes):
    chosen = {"margin_mm": 10.0, "in_plane": 256, "cell": 64, "slices": 1} | changes
    return plan_crop(reference, Region(low, high), **chosen)


def sample(reference, laid):
    box = tuple(slice(a, b) for a, b in zip(laid.block.start, laid.block.stop, strict=True))
    return apply_crop(laid, reference.voxels[box])


def sides_mm(laid):
    """The crop's extent along its columns' and its rows' direction."""
    return np.linalg.norm(laid.affine[:3, :2], axis=0) * laid.shape[:0:-1]


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
    assert sides_mm(laid) == pytest.approx((40 * 2 + 24, 20 * 2 + 24))


def test_at_the_border_the_box_is_shifted_inwards():
    reference = Volume(np.ones(SHAPE, np.float32), np.diag([*SPACING, 1]))
    crop = sample(reference, plan(reference, (-0.5, -0.5, 0), (20, 20, 4)))
    np.testing.assert_allclose(crop, 1, atol=1e-6)


def test_a_box_is_never_larger_than_the_scan():
    reference = Volume(np.ones(SHAPE, np.float32), np.diag([*SPACING, 1]))
    laid = plan(reference, (-0.5, -0.5, -0.5), (99.5, 79.5, 19.5))
    crop = sample(reference, laid)
    assert crop.shape == (20, 64, 64)
    assert sides_mm(laid) == pytest.approx((200, 160))
    assert laid.shape == crop.shape
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


@pytest.mark.parametrize("seed", range(20))
def test_a_crop_keeps_all_of_a_mask_inside_the_scan(scan, space, seed):
    """However the mask's grid is turned, whatever the margin."""
    rng = np.random.default_rng(seed)
    voxels = rng.random((5, 6, 7)) > 0.8
    affine = space.centred((5, 6, 7), rng.uniform(0.5, 6, 3), rng.uniform(-180, 180, 3))
    mask = Volume(voxels.astype(np.float32), affine)
    region = mask_region(mask, scan)
    assert region.flags == ()
    margin, slices = rng.choice([0, rng.uniform(0, 40)]), int(rng.integers(1, 30))
    laid = plan(scan, region.low, region.high, margin_mm=margin, slices=slices)
    assert kept_of_mask(mask, laid) == 1


def test_what_a_crop_does_not_hold_of_a_mask_is_counted(scan):
    mask = scan.with_voxels(np.zeros(SHAPE, np.float32))
    voxels = mask.voxels.copy()
    voxels[30:71, 30:51, 6:12] = 1
    mask = mask.with_voxels(voxels)
    whole = plan(scan, (29.5, 29.5, 5.5), (70.5, 50.5, 11.5), margin_mm=0)
    fewer = plan(scan, (29.5, 29.5, 5.5), (70.5, 50.5, 9.5), margin_mm=0)
    narrow = plan(scan, (29.5, 29.5, 5.5), (49.5, 50.5, 11.5), margin_mm=0)
    assert kept_of_mask(mask, whole) == 1
    assert kept_of_mask(mask, fewer) == pytest.approx(4 / 6)
    assert kept_of_mask(mask, narrow) == pytest.approx(20 / 41)
    with pytest.raises(ValueError, match="empty"):
        kept_of_mask(scan.with_voxels(np.zeros(SHAPE)), whole)


def test_of_a_mask_that_the_scan_cuts_the_crop_keeps_what_the_scan_holds(scan):
    half = scan.affine.copy()
    half[:3, 3] -= half[:3, :3] @ (10, 0, 0)  # 10 of its 40 columns lie beside the scan
    voxels = np.zeros(SHAPE, np.float32)
    voxels[:40, 30:50, 6:12] = 1
    mask = Volume(voxels, half)
    region = mask_region(mask, scan)
    assert "(25.0%)" in region.flags[0]
    assert kept_of_mask(mask, plan(scan, region.low, region.high)) == pytest.approx(0.75)


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
