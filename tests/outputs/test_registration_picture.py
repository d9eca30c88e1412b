"""The picture of an alignment: what it shows, where nothing is to be shown, and its bytes."""

import matplotlib.image
import numpy as np
import pytest

from cystgrid.outputs.registration import draw_alignment
from cystgrid.preparation.align import WorldBox
from registration_pair import displaced, displacement, make_pair, scan


@pytest.fixture(scope="module")
def pair():
    return make_pair()


def drawn(path, reference, before, after, **options):
    draw_alignment(reference, before, after, path, "P1", **options)
    pixels = matplotlib.image.imread(path)[..., :3]
    red, green, blue = np.moveaxis(pixels, -1, 0)
    third = pixels.shape[1] // 3
    return {
        "yellow": [int(part.sum()) for part in thirds(red - blue > 0.3, third)],
        "blue": [int(part.sum()) for part in thirds(blue - red > 0.2, third)],
        "size": pixels.shape[:2],
        "green": green.mean(),
    }


def thirds(marked, width):
    return [marked[:, n * width : (n + 1) * width] for n in range(3)]


def test_edges_of_the_reference_lie_over_the_other_scan_only(pair, tmp_path):
    seen = drawn(tmp_path / "a.png", pair[0], pair[1], pair[1])
    assert seen["yellow"][0] == 0
    assert min(seen["yellow"][1:]) > 500
    assert seen["yellow"][1] == pytest.approx(seen["yellow"][2], rel=0.05)


def test_what_is_not_covered_is_marked_where_it_is(pair, tmp_path):
    reference, moving = pair
    aside = displaced(moving, displacement((-90, 0, 0)))
    seen = drawn(tmp_path / "a.png", reference, aside, moving, region=middle(30))
    assert seen["blue"][0] == 0
    assert seen["blue"][1] > 1000
    assert seen["blue"][2] == 0


def middle(half):
    return WorldBox((-half, -half, -half), (half, half, half))


def test_the_same_picture_twice(pair, tmp_path):
    for name in ("a.png", "b.png"):
        draw_alignment(*pair, pair[1], tmp_path / name, "P1", region=middle(50))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_acquired_slices_are_shown_whatever_their_direction(pair, tmp_path):
    """The same body in slices that were acquired along x."""
    reference, moving = pair
    sagittal = scan(1, 0, (22, 46, 56), (6.0, 3.2, 3.2))
    axial = drawn(tmp_path / "a.png", reference, moving, moving)
    other = drawn(tmp_path / "b.png", sagittal, moving, moving)
    # slices of 46 x 56 pixels where the axial ones have 56 x 46: higher than wide
    assert other["size"][0] > 1.3 * axial["size"][0]
    assert min(other["yellow"][1:]) > 500


def test_a_region_elsewhere_is_refused(pair, tmp_path):
    far = WorldBox((900, 900, 900), (950, 950, 950))
    with pytest.raises(ValueError, match="outside the reference scan"):
        draw_alignment(*pair, pair[1], tmp_path / "a.png", "P1", region=far)
    assert not (tmp_path / "a.png").exists()
