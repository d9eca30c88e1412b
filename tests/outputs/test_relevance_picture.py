"""Pictures of relevance: one scale for all, colour only above the even share, lesions outlined."""

import numpy as np
import pytest
from matplotlib.image import imread

from cystgrid.explanations.placing import Window
from cystgrid.outputs.relevance import Panel, draw_relevance
from cystgrid.preparation.patient import PreparedPatient

WINDOW = Window(1, 5)
BLUE = np.array([0x56, 0xB4, 0xE9]) / 255


def patient(lesion=None):
    crop = np.full((2, 6, 16, 16), 0.5, np.float32)
    crop[:, :, :8] = 1.0
    return PreparedPatient(
        patient="p1", label="low", center="", group="p1", crop=crop,
        percentiles=np.zeros((2, 11)), affine=np.diag([2.0, 1.0, 5.0, 1.0]), flags=(),
        alignment={}, lesion=lesion,
    )  # fmt: skip


def drawn(folder, values=None, *, lesion=None, rows=1):
    row = [Panel("p1", patient(lesion), 1, WINDOW, values)]
    draw_relevance([row] * rows, folder / "picture.png")
    return imread(folder / "picture.png")[..., :3]


def coloured(picture):
    """Pixels of the panel, left of the scale, that are no grey."""
    panel = picture[:, : int(picture.shape[1] * 0.7)]
    return panel[np.ptp(panel, axis=-1) > 0.05]


def even(**slices):
    values = np.ones((6, 16, 16), np.float32)
    for name, value in slices.items():
        values[int(name.removeprefix("s"))] = value
    return values


def test_only_more_than_the_even_share_is_coloured(tmp_path):
    assert len(coloured(drawn(tmp_path, even()))) == 0
    one = len(coloured(drawn(tmp_path, even(s2=4))))
    two = len(coloured(drawn(tmp_path, even(s2=4, s3=4))))
    assert one > 1000
    assert two == pytest.approx(2 * one, rel=0.1)


def test_a_slice_that_was_not_seen_is_not_shown(tmp_path):
    assert len(coloured(drawn(tmp_path, even(s0=8, s5=8)))) == 0


def test_the_scale_is_one_for_all(tmp_path):
    """Four times the even share has one colour, whatever else is on the map."""
    alone, beside = drawn(tmp_path, even(s1=4)), drawn(tmp_path, even(s1=4, s4=1000))
    height, width = alone.shape[:2]
    cell = np.s_[: int(height * 0.45), : int(width * 0.3)]
    assert np.array_equal(alone[cell], beside[cell])
    assert len(coloured(beside)) > len(coloured(alone))
    assert np.array_equal(drawn(tmp_path, even(s1=8)), drawn(tmp_path, even(s1=80)))


def test_lightness_rises_along_the_scale():
    """Read alike with any colour vision and in grey."""
    from cystgrid.outputs.relevance_scale import map_colours

    red, green, blue = map_colours().colors[:, :3].T
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    assert (np.diff(luminance) >= 0).all()
    assert luminance[-1] > 10 * luminance[0]


def test_the_lesion_is_outlined_where_it_is_known(tmp_path):
    lesion = np.zeros((6, 16, 16), np.float32)
    lesion[3, 4:9, 4:9] = 1
    counts = []
    for known in (lesion, None):
        picture = drawn(tmp_path, lesion=known)
        counts.append(int((np.abs(picture - BLUE).max(axis=-1) < 0.1).sum()))
    assert counts[0] > 30
    assert counts[1] == 0


def test_the_same_bytes_twice(tmp_path):
    contents = []
    for _ in range(2):
        drawn(tmp_path, even(s1=4), rows=2)
        contents.append((tmp_path / "picture.png").read_bytes())
    assert contents[0] == contents[1]


def test_a_scan_that_there_is_not_has_an_empty_panel(tmp_path):
    prepared = patient()
    prepared.percentiles[0] = np.nan
    prepared.crop[0] = np.nan
    draw_relevance([[Panel("p1", prepared, 0, WINDOW)]], tmp_path / "picture.png")
    assert imread(tmp_path / "picture.png").min() < 0.5  # it says so
