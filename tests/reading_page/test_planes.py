"""Planes through a scan: every pixel is a place in mm, in radiological order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.page.planes import ACROSS_DOWN, AXES, NORMAL, Frame, plane
from cystgrid.page.proposal import proposed_box
from cystgrid.scans.volume import Volume

SHAPE = (9, 8, 5)


def scan(voxels, angle=0.0, spacing=(2.0, 2.0, 4.0), origin=(-11.0, 3.0, 40.0)):
    """Turned about x by an angle, as an oblique axial scan is."""
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)],
                     [0, np.sin(angle), np.cos(angle)]])  # fmt: skip
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = origin
    return Volume(voxels, affine)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(AXES), st.integers(0, 8), st.integers(0, 7), st.integers(0, 4))
def test_a_voxel_is_shown_where_it_lies(axis, i, j, k):
    voxels = np.zeros(SHAPE, np.float32)
    voxels[i, j, k] = 1
    made = scan(voxels)
    frame = Frame.around(made)
    place = made.world(np.array([i, j, k]))
    low, step = np.array(frame.low), np.array(frame.step)
    number = int((place - low)[NORMAL[axis]] // step[NORMAL[axis]])
    found = plane(made, frame, axis, number, nearest=True)
    across, down = ACROSS_DOWN[axis]
    row = int((np.array(frame.high) - place)[down] // step[down])
    column = int((np.array(frame.high) - place)[across] // step[across])
    assert found[row, column] == 1
    assert found.sum() == 1


def test_an_oblique_scan_lies_within_its_frame_and_is_nothing_outside():
    made = scan(np.ones(SHAPE, np.float32), angle=0.4)
    frame = Frame.around(made)
    corners = made.world(np.array([[0, 0, 0], [8, 7, 4], [0, 7, 4], [8, 0, 0]]))
    assert (corners > frame.low).all()
    assert (corners < frame.high).all()
    values = np.stack([plane(made, frame, "sagittal", n, nearest=False) for n in range(9)])
    assert set(np.unique(values)) == {0, 1}
    assert 0.3 < values.mean() < 0.9  # the corners of the frame are outside


def test_the_box_that_is_proposed_is_inside():
    frame = Frame.around(scan(np.ones((100, 90, 30), np.float32)))
    edges = np.array(proposed_box(frame).split(","), float).reshape(3, 2)
    assert (edges[:, 0] >= np.array(frame.low) - 0.05).all()
    assert (edges[:, 1] <= np.array(frame.high) + 0.05).all()
    assert edges[:, 1] - edges[:, 0] == pytest.approx([150, 80, 70], abs=0.11)
