import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from cystgrid.outputs.curves import COLUMNS, TrainingCurve, draw_training_curves
from cystgrid.outputs.style import DOTS_PER_INCH


def curve(epochs=10, offset=0.0, selected=4):
    numbers = np.arange(1, epochs + 1)
    values = [1.0 / numbers + offset, 1.2 / numbers + offset, 1.0 - 0.5 / numbers]
    history = pd.DataFrame(dict(zip(COLUMNS, [numbers, *values], strict=True)))
    history.loc[history["epoch"] % 2 == 1, list(COLUMNS[2:])] = np.nan  # validated every second
    return TrainingCurve(history, selected)


@pytest.fixture
def figures(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "cystgrid.outputs.curves.write_figure", lambda figure, path: drawn.append(figure)
    )
    return drawn


def test_the_picture_is_a_png_of_sane_size_and_the_same_bytes_twice(tmp_path):
    curves = {name: [curve(), curve(offset=0.1)] for name in ("vit_tiny", "a", "b", "$c_d")}
    first, second = (draw_training_curves(curves, tmp_path / name) for name in ("1.png", "2.png"))
    assert first.read_bytes() == second.read_bytes()
    height, width = imread(io.BytesIO(first.read_bytes())).shape[:2]
    assert 2 * DOTS_PER_INCH < width < 10 * DOTS_PER_INCH
    assert 2 * DOTS_PER_INCH < height < 10 * DOTS_PER_INCH


def test_every_training_is_a_line_and_the_thick_one_their_mean(figures, tmp_path):
    draw_training_curves({"vit": [curve(), curve(offset=0.5)]}, tmp_path / "none.png")
    upper, lower = figures[0].axes
    train = [line for line in upper.lines if line.get_color() == upper.lines[0].get_color()]
    thin, mean = train[:-1], train[-1]
    assert len(thin) == 2
    assert mean.get_linewidth() > 2 * thin[0].get_linewidth()
    np.testing.assert_allclose(
        mean.get_ydata(), np.mean([line.get_ydata() for line in thin], axis=0), rtol=1e-12
    )
    assert lower.lines[-1].get_xdata().tolist() == [2, 4, 6, 8, 10]


def test_the_mean_goes_only_as_far_as_every_training(figures, tmp_path):
    draw_training_curves({"vit": [curve(10), curve(6)]}, tmp_path / "none.png")
    lower = figures[0].axes[1]
    assert lower.lines[-1].get_xdata().tolist() == [2, 4, 6]


def test_chosen_epochs_are_marked_the_higher_the_oftener(figures, tmp_path):
    trainings = [curve(selected=2), curve(selected=8), curve(selected=8)]
    draw_training_curves({"vit": trainings}, tmp_path / "none.png")
    ticks = figures[0].axes[1].collections[0].get_segments()
    assert [tick[0][0] for tick in ticks] == [2, 8]
    assert ticks[0][1][1] == pytest.approx(ticks[1][1][1] / 2)


def test_histories_that_do_not_hold_together_are_refused(tmp_path):
    history = curve().history
    with pytest.raises(ValueError, match="train_loss"):
        TrainingCurve(history.drop(columns="train_loss"), 4)
    with pytest.raises(ValueError, match="not in the history"):
        TrainingCurve(history, 11)
    with pytest.raises(ValueError, match="twice"):
        TrainingCurve(pd.concat([history, history]), 4)
    for curves in ({}, {"vit": []}):
        with pytest.raises(ValueError, match="one or more"):
            draw_training_curves(curves, tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []
