import numpy as np
import pytest

from cystgrid.preparation.align import Block, WorldBox, covered_by, moved, overlap, resample_onto
from cystgrid.scans.volume import Volume


def smooth_function(world):
    """Varies over 50 mm and more, so that linear interpolation at 3 mm is good to about 1 %."""
    x, y, z = np.moveaxis(world, -1, 0)
    return np.sin(x / 11) + np.cos(y / 13 + 0.3) + np.sin((z + x / 3) / 12)


@pytest.fixture
def pair(space):
    t1_affine = space.centred((60, 50, 40), (2.5, 2.5, 3.0), (7, -5, 12))
    t2_affine = space.centred((40, 44, 14), (3.0, 3.0, 6.0), (0, 10, -3))
    t1_affine[:3, 3] += [4, -3, 5]
    t1 = Volume(smooth_function(space.grid((60, 50, 40), t1_affine)), t1_affine)
    t2 = Volume(smooth_function(space.grid((40, 44, 14), t2_affine)), t2_affine)
    return t1, t2


WHOLE = Block((0, 0, 0), (40, 44, 14))


def test_same_place_in_the_patient_gets_the_same_value(pair):
    t1, t2 = pair
    values, covered = resample_onto(t1, t2.affine, WHOLE)
    inside = covered & (
        np.abs(t2.world(np.argwhere(covered | True)).reshape(40, 44, 14, 3)) < 45
    ).all(-1)
    assert inside.sum() > 2000
    assert np.abs(values - t2.voxels)[inside].max() < 0.03


def test_stacking_by_slice_index_breaks_the_law(pair):
    """The control: the wrong way is far off where the right way is not."""
    t1, t2 = pair
    assert np.abs(t1.voxels[10:50, 3:47, 13:27] - t2.voxels).mean() > 0.5


def test_a_block_is_a_part_of_the_whole(pair):
    t1, t2 = pair
    whole, covered = resample_onto(t1, t2.affine, WHOLE)
    part, part_covered = resample_onto(t1, t2.affine, Block((5, 8, 2), (30, 31, 9)))
    np.testing.assert_allclose(part, whole[5:30, 8:31, 2:9], atol=1e-5)
    assert (part_covered == covered[5:30, 8:31, 2:9]).all()


def test_own_grid_is_the_identity(pair):
    t1, _ = pair
    values, covered = resample_onto(t1, t1.affine, Block((0, 0, 0), t1.shape))
    np.testing.assert_allclose(values, t1.voxels, atol=1e-5)
    assert covered.all()
    assert overlap(t1, t1) == 100


def test_outside_is_zero_and_uncovered():
    small = Volume(np.ones((4, 4, 4), np.float32), np.eye(4))
    affine = np.eye(4)
    affine[:3, 3] = -2
    values, covered = resample_onto(small, affine, Block((0, 0, 0), (8, 8, 8)))
    assert covered.sum() == 64
    assert (values == covered).all()


def test_overlap_is_the_share_of_the_volume():
    reference = Volume(np.zeros((12, 8, 8), np.float32), np.eye(4))
    shifted = np.eye(4)
    shifted[0, 3] = 6
    assert overlap(reference, Volume(np.zeros((12, 8, 8), np.float32), shifted)) == pytest.approx(
        50
    )
    shifted[0, 3] = 12.5
    assert overlap(reference, Volume(np.zeros((12, 8, 8), np.float32), shifted)) == 0


def test_moved_and_resampled_once_is_the_same_as_resampled_through_the_transform(pair, space):
    t1, t2 = pair
    transform = space.oblique((3, -2, 4), (1, 1, 1), (5, -4, 3))
    once, covered = resample_onto(moved(t1, transform), t2.affine, WHOLE)
    direct, directly_covered = resample_onto(t1, transform @ t2.affine, WHOLE)
    np.testing.assert_allclose(once, direct, atol=1e-4)
    assert (covered == directly_covered).all()
    assert np.shares_memory(moved(t1, transform).voxels, t1.voxels)
    unmoved, _ = resample_onto(t1, t2.affine, WHOLE)
    assert np.abs(once - unmoved).max() > 0.1


def test_moved_takes_a_point_to_where_the_transform_says(pair, space):
    t1, _ = pair
    transform = space.oblique((3, -2, 4), (1, 1, 1), (5, -4, 3))
    point = np.array([10.0, -20, 5])
    there = transform[:3, :3] @ point + transform[:3, 3]
    np.testing.assert_allclose(moved(t1, transform).index(point), t1.index(there), atol=1e-9)
    back = moved(moved(t1, transform), np.linalg.inv(transform))
    np.testing.assert_allclose(back.affine, t1.affine, atol=1e-9)


def test_covered_by_agrees_with_resampling(pair):
    t1, t2 = pair
    block = Block((3, 2, 1), (35, 40, 13))
    assert (covered_by(t1, t2.affine, block) == resample_onto(t1, t2.affine, block)[1]).all()


def test_a_box_around_a_scan_holds_all_of_it_and_no_more(pair):
    _, t2 = pair
    box = WorldBox.around(t2)
    corners = t2.world(np.array(list(np.ndindex(2, 2, 2))) * t2.shape - 0.5)
    np.testing.assert_allclose(box.low, corners.min(axis=0))
    np.testing.assert_allclose(box.high, corners.max(axis=0))
    part = WorldBox.around(t2, (1, 2, 3), (4, 5, 6))
    assert part.within(box) == part
    assert box.within(part) == part


def test_boxes_grow_evenly_and_meet_or_not():
    box = WorldBox((0, 0, 0), (10, 20, 30))
    assert box.grown(5) == WorldBox((-5, -5, -5), (15, 25, 35))
    assert box.at_least(20) == WorldBox((-5, 0, 0), (15, 20, 30))
    assert box.within(WorldBox((10, 0, 0), (20, 20, 30))) is None
    assert box.centre.tolist() == [5, 10, 15]
