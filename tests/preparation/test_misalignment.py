"""The shift between two scans, by where their edges fall."""

import numpy as np
import pytest

from cystgrid.preparation.align import WorldBox, moved
from cystgrid.preparation.misalignment import (
    DISTINCT,
    MOST_POINTS,
    WorldGrid,
    affordable_step,
    measure_shift,
    sample,
    shared_part,
)
from cystgrid.scans.volume import Volume
from registration_pair import BOX, make_other_body, make_pair


@pytest.fixture(scope="module")
def pair():
    return make_pair()


@pytest.fixture(scope="module")
def other_body():
    return make_other_body()


def shifted(scan, shift):
    transform = np.eye(4)
    transform[:3, 3] = -np.asarray(shift, dtype=float)
    return moved(scan, transform)


def measured(reference, moving, box=BOX, step_mm=3.0, reach_mm=18.0):
    return measure_shift(reference, moving, box, step_mm=step_mm, reach_mm=reach_mm)


def test_a_scan_against_itself_lies_at_zero(pair):
    reference, _ = pair
    found = measured(reference, reference)
    assert found.similarity == pytest.approx(1, abs=0.01)
    assert found.length_mm < 0.05
    assert found.similarity_in_place == found.similarity


@pytest.mark.parametrize("shift", [(0, 0, 0), (7.3, -4.1, 5.2), (-3, 9.5, -8), (0.4, 0.2, -0.6)])
def test_a_known_shift_is_found_between_other_grids_and_contrasts(pair, shift):
    reference, moving = pair
    found = measured(reference, shifted(moving, shift))
    assert np.linalg.norm(np.subtract(found.shift_mm, shift)) < 1
    assert found.distinct


def test_the_other_way_round_is_the_other_sign(pair):
    reference, moving = pair
    moving = shifted(moving, (4, -3, 6))
    there, back = measured(reference, moving), measured(moving, reference)
    assert np.linalg.norm(np.add(there.shift_mm, back.shift_mm)) < 1


def test_brightness_and_contrast_do_not_matter(pair):
    reference, moving = pair
    found = measured(reference, moving)
    for voxels in (1000 - 3 * moving.voxels, 0.01 * moving.voxels):
        other = measured(reference, moving.with_voxels(voxels))
        np.testing.assert_allclose(other.shift_mm, found.shift_mm, atol=0.01)


def test_noise_and_another_body_are_not_distinct(pair, other_body):
    reference, moving = pair
    noise = np.random.default_rng(0).normal(size=moving.shape)
    for stranger in (moving.with_voxels(noise), other_body):
        found = measured(reference, stranger)
        assert found is None or found.distinctness < DISTINCT
    assert measured(reference, moving).distinctness > 2 * DISTINCT


def test_a_flat_or_distant_scan_cannot_be_measured(pair):
    reference, moving = pair
    assert measured(reference, moving.with_voxels(np.ones(moving.shape))) is None
    assert measured(reference, shifted(moving, (500, 0, 0))) is None


def test_a_shift_beyond_reach_is_never_taken_for_one_within(pair):
    reference, moving = pair
    found = measured(reference, shifted(moving, (0, 0, 30)), reach_mm=9)
    assert found is None or not found.distinct


def test_the_whole_scan_is_sampled_more_coarsely_not_for_longer():
    box = WorldBox((0, 0, 0), (400, 300, 200))
    grid = WorldGrid.over(box, affordable_step(box, 1.0))
    assert 0.9 * MOST_POINTS < np.prod(grid.shape) < 1.1 * MOST_POINTS
    assert affordable_step(BOX, 2.0) == 2.0


def test_sampling_agrees_with_the_function_sampled(space):
    affine = space.centred((60, 50, 24), (1.5, 1.5, 3.0), (5, -8, 12))
    world = space.grid((60, 50, 24), affine)
    plane = world @ [0.3, -0.7, 1.1] + 5
    grid = WorldGrid.over(WorldBox((-15, -12, -10), (15, 12, 10)), 2.5)
    values, covered = sample(Volume(plane.astype(np.float32), affine), grid)
    expected = space.grid(grid.shape, grid.affine) @ [0.3, -0.7, 1.1] + 5
    assert covered.all()
    np.testing.assert_allclose(values, expected, atol=0.01)


def test_shared_part_is_the_share_both_show(pair):
    reference, moving = pair
    assert shared_part(reference, moving, BOX) == 1
    cut = Volume(moving.voxels, moving.affine)
    half = shifted(cut, (moving.shape[0] * moving.spacing[0] / 2 + 0.01, 0, 0))
    assert shared_part(reference, half, BOX) == pytest.approx(0.5, abs=0.08)
    assert shared_part(reference, shifted(moving, (900, 0, 0)), BOX) == 0
