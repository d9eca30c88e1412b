import numpy as np
import pytest

from cystgrid.scans.volume import Volume


def test_world_and_index_are_inverse(oblique):
    index = np.argwhere(oblique.voxels >= 0)
    assert np.allclose(oblique.index(oblique.world(index)), index, atol=1e-9)


def test_canonical_moves_no_voxel_in_space(oblique):
    turned = Volume(
        oblique.voxels[::-1].transpose(2, 0, 1),
        oblique.affine
        @ [[0, -1, 0, oblique.shape[0] - 1], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
    )
    again = turned.canonical()
    assert (turned.axes, again.axes) == ("SLA", "RAS")
    assert np.array_equal(again.voxels, oblique.voxels)
    assert np.allclose(again.affine, oblique.affine)


def test_voxels_and_affine_cannot_be_changed(oblique):
    with pytest.raises(ValueError, match="read-only"):
        oblique.voxels[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        oblique.affine[0, 0] = 1


def test_wrong_shapes_are_refused(oblique):
    with pytest.raises(ValueError, match="expected"):
        Volume(np.zeros((2, 2)), np.eye(4))
    with pytest.raises(ValueError, match="expected"):
        oblique.with_voxels(np.zeros((1, 1, 1)))


def test_notes_are_added_and_kept(oblique):
    noted = oblique.noted("one").noted("two")
    assert noted.canonical().with_voxels(noted.voxels * 2).notes == ("one", "two")
    assert oblique.notes == ()
