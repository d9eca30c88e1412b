import numpy as np
import pytest

from cystgrid.errors import CohortError
from cystgrid.preparation.region import find_region
from cystgrid.scans.volume import Volume

AFFINE = np.array([[2.0, 0, 0, -50], [0, 2, 0, -40], [0, 0, 5, -30], [0, 0, 0, 1]])
SCAN = Volume(np.zeros((50, 40, 12), np.float32), AFFINE)


def mask_file(space, folder, where, affine, shape):
    voxels = np.zeros(shape, np.uint8)
    voxels[where] = 1
    return space.write_nifti(folder / "mask.nii.gz", voxels, affine)


def test_whole_scan():
    region = find_region(None, [SCAN], "p")
    assert region.low == (-0.5, -0.5, -0.5)
    assert region.high == (49.5, 39.5, 11.5)


def test_box_is_in_millimetres():
    region = find_region("-10,10,0,8,-20,5", [SCAN], "p")
    np.testing.assert_allclose(region.low, (20, 20, 2))
    np.testing.assert_allclose(region.high, (30, 24, 7))
    assert region.flags == ()


def test_mask_includes_its_voxels_halves_and_equals_its_box(space, tmp_path):
    where = (slice(20, 31), slice(20, 25), slice(2, 8))
    path = mask_file(space, tmp_path, where, AFFINE, SCAN.shape)
    region = find_region(path, [SCAN], "p")
    np.testing.assert_allclose(region.low, (19.5, 19.5, 1.5))
    np.testing.assert_allclose(region.high, (30.5, 24.5, 7.5))
    box = find_region("-11,11,-1,9,-22.5,7.5", [SCAN], "p")
    np.testing.assert_allclose([box.low, box.high], [region.low, region.high])
    assert region.flags == ()


def test_mask_on_a_third_grid_is_placed_by_its_header_and_flagged(space, tmp_path):
    fine = np.diag([1.0, 1, 2.5, 1])
    fine[:3, 3] = -50.5, -40.5, -31.25
    where = (slice(40, 62), slice(40, 50), slice(4, 16))
    region = find_region(mask_file(space, tmp_path, where, fine, (100, 80, 24)), [SCAN], "p")
    np.testing.assert_allclose(region.low, (19.5, 19.5, 1.5))
    np.testing.assert_allclose(region.high, (30.5, 24.5, 7.5))
    assert "neither scan's grid" in region.flags[0]


def test_what_lies_outside_is_cut_off_and_flagged():
    region = find_region("30,70,-10,10,-10,10", [SCAN], "p")
    assert region.high[0] == 49.5
    assert "52% of it lies outside" in region.flags[0]


@pytest.mark.parametrize(
    ("roi", "words"),
    [
        ("200,220,0,8,0,5", "outside the scan"),
        ("10,-10,0,8,0,5", "x0 < x1"),
        ("nan,10,0,8,0,5", "finite"),
        ("0,0,0,8,0,5", "x0 < x1"),
    ],
)
def test_impossible_boxes_are_refused(roi, words):
    with pytest.raises(CohortError, match=words):
        find_region(roi, [SCAN], "p")


def test_an_empty_mask_is_refused(space, tmp_path):
    path = mask_file(space, tmp_path, (slice(0, 0),) * 3, AFFINE, SCAN.shape)
    with pytest.raises(CohortError, match="empty mask"):
        find_region(path, [SCAN], "p")


def test_a_mask_outside_the_scan_is_refused(space, tmp_path):
    far = AFFINE.copy()
    far[0, 3] += 300
    path = mask_file(space, tmp_path, (slice(5, 9),) * 3, far, SCAN.shape)
    with pytest.raises(CohortError, match="outside the scan"):
        find_region(path, [SCAN], "p")
