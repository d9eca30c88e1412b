import io

import matplotlib
import pandas as pd
import pytest
from matplotlib.image import imread

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.predictions import check_predictions
from cystgrid.outputs.confusion import draw_confusion_matrices
from cystgrid.outputs.style import DOTS_PER_INCH, figure_style

CLASSES = ("normal", "low", "high")


def predictions(methods, classes=CLASSES):
    rows = [
        ["vit_$x_" + str(method), "early", n % 2, f"P{n}", "", classes[n % 2], classes[n % 3]]
        + [float(code == n % 3) for code in range(3)]
        for method in range(methods)
        for n in range(12)
    ]
    columns = ["model", "inputs", "outer_fold", "patient", "center", "label", "predicted"]
    frame = pd.DataFrame(rows, columns=[*columns, *(f"p_{name}" for name in classes)])
    return Evaluation(check_predictions(frame, classes))


@pytest.mark.parametrize("methods", [1, 5])
def test_the_picture_is_a_png_of_sane_size_and_the_same_bytes_twice(tmp_path, methods):
    found = predictions(methods)
    first = draw_confusion_matrices(found, tmp_path / "figures" / "first.png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):  # a user's own style
        second = draw_confusion_matrices(found, tmp_path / "second.png")
    content = first.read_bytes()
    assert content == second.read_bytes()
    assert b"Software" not in content
    height, width = imread(io.BytesIO(content)).shape[:2]
    assert 2 * DOTS_PER_INCH < width < 10 * DOTS_PER_INCH
    assert 2 * DOTS_PER_INCH < height < 10 * DOTS_PER_INCH


def test_other_predictions_give_another_picture(tmp_path):
    first = draw_confusion_matrices(predictions(1), tmp_path / "1.png")
    other = draw_confusion_matrices(predictions(1, ("low", "high", "normal")), tmp_path / "2.png")
    assert first.read_bytes() != other.read_bytes()


def test_cells_hold_counts_and_per_cent_of_the_true_class(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "cystgrid.outputs.confusion.write_figure", lambda figure, path, note: drawn.append(figure)
    )
    draw_confusion_matrices(predictions(1), tmp_path / "none.png")
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.texts] == [
        *("2\n33 %",) * 6,
        *("0\n-",) * 3,  # nobody is of the third class
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)
    assert "12 patients" in axes.get_title()


def test_the_style_leaves_the_users_settings_as_they_were():
    before = dict(matplotlib.rcParams)
    with figure_style():
        assert matplotlib.rcParams["text.parse_math"] is False
    assert dict(matplotlib.rcParams) == before
