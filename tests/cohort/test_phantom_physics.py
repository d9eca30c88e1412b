"""Shapes, fields and the scanner's model, each against an independent calculation."""

import numpy as np
import pytest

from cystgrid.cohort.phantom.acquisition import BiasField, acquire
from cystgrid.cohort.phantom.fields import Waves
from cystgrid.cohort.phantom.scanner import CENTERS, IN_PLANE_MM, SLICES, Grid, draw_grid
from cystgrid.cohort.phantom.shapes import Cylinder, Ellipsoid, Tube, rotation
from cystgrid.cohort.phantom.trunk import Trunk

TURN = rotation((20, -35, 50))
AXES = tuple(
    np.linspace(-30, 30, n, dtype=np.float32).reshape([-1 if m == axis else 1 for m in range(3)])
    for axis, n in enumerate((13, 15, 11))
)
POINTS = np.stack(np.broadcast_arrays(*AXES), axis=-1).astype(np.float64)
SHAPES = {
    "ellipsoid": Ellipsoid(np.array([3.0, -2, 4]), np.array([8.0, 12, 20]), TURN),
    "tube": Tube(np.array([[-15.0, 0, 3], [0, 8, -3], [12, -6, 9]]), np.array([4.0, 7, 5]), 100.0),
    "cylinder": Cylinder(np.array([2.0, 1, 0]), np.array([9.0, 14]), 12.0, TURN),
    "trunk": Trunk(np.zeros(3), 22.0, (15.0, 12.0), (0.2, 0.5), 0.0, 3.0, np.eye(3)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_moving_a_shape_is_moving_its_points(name):
    """The distance of moved points to the moved shape is that of the points to the shape."""
    shape, shift = SHAPES[name], np.array([4.0, -3, 2])
    turn = rotation((0, 0, 0)) if name == "trunk" else rotation((5, 8, -12))
    moved = shape.moved(turn, shift)
    for point in POINTS[::4, ::5, ::4].reshape(-1, 3):
        there = turn @ point + shift
        here = shape.distance(tuple(np.full((1, 1, 1), c, np.float32) for c in point))
        gone = moved.distance(tuple(np.full((1, 1, 1), c, np.float32) for c in there))
        np.testing.assert_allclose(gone, here, atol=2e-3)


def test_an_ellipsoid_agrees_with_its_equation():
    shape = SHAPES["ellipsoid"]
    form = (((POINTS - shape.centre) @ TURN / shape.semi) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(shape.distance(AXES) < 0, form < 1)
    np.testing.assert_allclose(
        shape.clearance(POINTS.reshape(-1, 3)), shape.distance(AXES).ravel(), atol=1e-3
    )


def test_a_tube_agrees_with_many_balls_along_it():
    tube = SHAPES["tube"]
    along = np.linspace(0, 2, 401)
    balls = np.column_stack([np.interp(along, range(3), tube.points[:, m]) for m in range(3)])
    radii = np.interp(along, range(3), tube.radii)
    apart = (np.linalg.norm(POINTS.reshape(-1, 1, 3) - balls, axis=2) - radii).min(axis=1)
    near = apart < 6
    # A round cone's side leans, so its distance is exact only to second order of the lean.
    np.testing.assert_allclose(tube.distance(AXES).ravel()[near], apart[near], atol=0.3)


def test_waves_are_the_same_field_on_any_grid():
    waves = Waves.draw(np.random.default_rng(0), 6, 20, 32)
    field = waves.on(AXES)
    direct = np.sqrt(2 / 32) * np.cos(POINTS @ waves.vectors.T + waves.phases).sum(axis=-1)
    np.testing.assert_allclose(field, direct, atol=2e-4)
    shift = np.array([3.0, 5, -7])
    moved = waves.moved(TURN, shift)
    point = np.array([[4.0, -9, 2]])
    there = (TURN @ point[0] + shift).reshape(3, 1)
    value = moved.on(tuple(np.full((1, 1, 1), c, np.float32) for c in there.ravel()))
    expected = np.sqrt(2 / 32) * np.cos(point @ waves.vectors.T + waves.phases).sum()
    assert value[0, 0, 0] == pytest.approx(expected, abs=1e-4)


def test_flipping_a_coil_field_is_flipping_its_voxels():
    field = BiasField.draw(np.random.default_rng(1), 0.2)
    shape = (9, 7, 5)
    for axes in ((0,), (0, 1), (1, 2)):
        np.testing.assert_allclose(
            field.flipped(axes).on(shape), np.flip(field.on(shape), axes), rtol=1e-5
        )


def test_a_coil_field_has_the_deviation_asked_for():
    for seed in range(5):
        field = BiasField.draw(np.random.default_rng(seed), 0.15).on((60, 60, 60))
        assert np.log(field).std() == pytest.approx(0.15, rel=0.06)


def grid(shape):
    return Grid(shape, np.array([1.2, 1.2, 5]), np.zeros(3), np.eye(3), 4.5)


def test_noise_is_rician():
    """Mean square of a Rician magnitude is signal^2 + 2 sigma^2, with or without signal."""
    protocol = CENTERS[0].t2
    flat = BiasField(np.zeros((4, 4, 4)))
    for signal in (0.0, 0.05, 1.0):
        image = acquire(
            np.random.default_rng(2),
            np.full((64, 64, 20), signal, np.float32),
            grid((64, 64, 20)),
            protocol,
            bias=flat,
            level=1000.0,
            noise=0.02,
        )
        expected = (1000 * signal) ** 2 + 2 * 20.0**2
        assert (image.astype(np.float64) ** 2).mean() == pytest.approx(expected, rel=0.02)


def test_without_noise_the_image_is_signal_times_field_times_level():
    bias = BiasField.draw(np.random.default_rng(3), 0.2)
    image = acquire(
        np.random.default_rng(4),
        np.full((16, 16, 6), 0.5, np.float32),
        grid((16, 16, 6)),
        CENTERS[0].t2,
        bias=bias,
        level=800.0,
        noise=0.0,
    )
    np.testing.assert_allclose(image, 400 * bias.on((16, 16, 6)), rtol=1e-4)


@pytest.mark.parametrize("center", CENTERS, ids=lambda center: center.name)
def test_grids_keep_to_the_ranges_of_real_scans_and_cover_the_body(center):
    for seed in range(20):
        drawn = draw_grid(np.random.default_rng(seed), center.t2, 330.0, 230.0, 15.0, 1.0)
        assert IN_PLANE_MM[0] <= drawn.spacing[0] <= IN_PLANE_MM[1]
        assert 3 <= drawn.spacing[2] <= 8
        assert SLICES[0] <= drawn.shape[2] <= SLICES[1]
        extent = drawn.spacing * drawn.shape
        assert extent[0] > 330
        assert extent[1] > 230
        assert extent[2] > 160
        middle = drawn.affine @ [*(np.array(drawn.shape) - 1) / 2, 1]
        assert np.abs(middle[:3] - (0, 15, 5)).max() < 20
