"""Pictures show the patient the right way round, in the right proportions."""

import numpy as np
import pytest

from cystgrid.preparation.thumbnail import SIDE, crop_thumbnail, scan_thumbnail
from cystgrid.scans.volume import Volume


def scan(shape=(60, 40, 10), spacing=(1.0, 2.0, 5.0)):
    """Bright at the patient's right front, on slice 7; centred on the world's origin."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(spacing) * (np.array(shape) - 1) / 2
    voxels = np.zeros(shape, dtype=np.float32)
    voxels[shape[0] * 3 // 4 :, shape[1] * 3 // 4 :, 7] = 100
    return Volume(voxels, affine)


def test_the_patients_right_is_on_the_left_and_the_front_at_the_top():
    volume = scan()
    pixels = scan_thumbnail("t1", volume, None, volume.world(np.array([0.0, 0, 7]))).pixels
    rows, columns = pixels.shape
    bright = pixels[: rows // 5, : columns // 5]
    assert bright.min() > 200
    assert pixels[rows // 2 :].max() == pixels[:, columns // 2 :].max() == 0


@pytest.mark.parametrize("spacing", [(1.0, 2.0, 5.0), (3.0, 1.0, 1.0), (0.5, 0.5, 4.0)])
def test_pixels_are_square_and_the_longer_side_is_as_wanted(spacing):
    volume = scan(spacing=spacing)
    made = scan_thumbnail("t1", volume, None, None)
    rows, columns = made.pixels.shape
    assert max(rows, columns) == SIDE
    assert columns * made.pixel_mm == pytest.approx(60 * spacing[0], abs=made.pixel_mm)
    assert rows * made.pixel_mm == pytest.approx(40 * spacing[1], abs=made.pixel_mm)


def test_the_region_lies_on_what_it_is_drawn_around():
    volume = scan()
    bright = volume.world(np.argwhere(volume.voxels > 0))
    half = np.array([0.5, 1, 2.5])
    low, high = bright.min(axis=0) - half, bright.max(axis=0) + half

    def inside(world):
        return ((world >= low) & (world <= high)).all(axis=-1)

    made = scan_thumbnail("t1", volume, inside, bright.mean(axis=0))
    assert made.mask.mean() == pytest.approx(1 / 16, rel=0.1)
    assert (made.mask != (made.pixels > 127)).mean() < 0.01  # a pixel on the very edge


def test_a_point_outside_the_scan_shows_its_nearest_slice():
    volume = scan()
    far = scan_thumbnail("t1", volume, None, np.array([0.0, 0, 900]))
    last = scan_thumbnail("t1", volume, None, volume.world(np.array([0.0, 0, 9])))
    assert np.array_equal(far.pixels, last.pixels)


def test_a_scan_of_one_value_is_drawn_black():
    volume = Volume(np.full((8, 8, 8), 3, dtype=np.float32), np.eye(4))
    assert scan_thumbnail("t1", volume, None, None).pixels.max() == 0


def test_a_crop_keeps_its_proportions_and_shows_the_lesions_largest_slice():
    crop = np.zeros((9, 64, 64), dtype=np.float32)
    crop[2, 16:32, 8:24] = 50
    lesion = np.zeros_like(crop)
    lesion[2, 16:32, 8:24] = 1
    lesion[3, 20, 10] = 1
    affine = np.diag([2.0, 1.0, 5.0, 1.0])  # a pixel is twice as wide as it is high
    made = crop_thumbnail("t2", crop, affine, lesion)
    assert made.pixels.shape == (SIDE // 2, SIDE)
    assert made.pixels[made.mask].min() > 100
    assert made.mask.mean() == pytest.approx(1 / 16, rel=0.1)
    assert crop_thumbnail("t2", crop, affine).pixels.max() == 0  # the middle slice is empty
