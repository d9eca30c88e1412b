"""Pictures of grids: the window a model sees, in true proportions, the same bytes twice."""

import numpy as np
import pytest
import torch

from cystgrid.grids.tiling import untile
from cystgrid.outputs.grids import GridPicture, central_window, draw_grids
from cystgrid.preparation.patient import PreparedPatient


def patient(slices=12, lesion=None):
    rng = np.random.default_rng(0)
    return PreparedPatient(
        patient="p1", label="low", center="", group="p1",
        crop=rng.random((2, slices, 16, 16), dtype=np.float32), percentiles=np.zeros((2, 11)),
        affine=np.diag([2.0, 1.0, 5.0, 1.0]), flags=(), alignment={}, lesion=lesion,
    )  # fmt: skip


def test_the_central_window_holds_the_middle_slices_in_order():
    slices = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((12, 4, 4), np.float32)
    cells = untile(torch.from_numpy(central_window(slices, 9)), 9)
    assert cells[:, 0, 0].tolist() == list(range(1, 10))


def test_too_few_slices_repeat_the_last():
    slices = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 4, 4), np.float32)
    cells = untile(torch.from_numpy(central_window(slices, 9)), 9)
    assert cells[:, 0, 0].tolist() == [0, 1, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("known", [True, False])
def test_a_picture_is_written_the_same_twice(tmp_path, known):
    lesion = None
    if known:
        lesion = np.zeros((12, 16, 16), np.float32)
        lesion[5:7, 4:9, 4:9] = 1
    rows = [GridPicture("p1 (low)", patient(lesion=lesion), ("t1", "t2")),
            GridPicture("p2", patient(), ("t2",))]  # fmt: skip
    for name in ("a.png", "b.png"):
        draw_grids(rows, 9, tmp_path / name)
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert content.startswith(b"\x89PNG")


def test_the_outline_is_drawn_where_the_lesion_is_known(tmp_path):
    """The control: the same picture without a lesion has no yellow pixel."""
    from matplotlib.image import imread

    lesion = np.zeros((12, 16, 16), np.float32)
    lesion[5:7, 4:9, 4:9] = 1
    yellow = []
    for known in (lesion, None):
        draw_grids([GridPicture("p1", patient(lesion=known), ("t2",))], 9, tmp_path / "p.png")
        picture = imread(tmp_path / "p.png")
        yellow.append(int(((picture[..., 0] > 0.9) & (picture[..., 2] < 0.2)).sum()))
    assert yellow[0] > 50
    assert yellow[1] == 0
