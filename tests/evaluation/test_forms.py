"""Files that cystgrid did not make: other names, one row a class, one column of two classes."""

import re

import numpy as np
import pytest

from cystgrid.errors import UsageError
from cystgrid.evaluation.checking import PredictionsError
from cystgrid.evaluation.forms import Form
from cystgrid.evaluation.predictions import read_predictions, write_predictions

CLASSES = ("normal", "low", "high")


@pytest.fixture
def own(make_frame, tmp_path):
    """Predictions in our own form, to be told in others."""
    path = tmp_path / "own.csv"
    write_predictions(make_frame(patients=12), CLASSES, path)
    return read_predictions(path)


def same(found, own):
    assert found.classes == own.classes
    assert found.frame.equals(own.frame)


def test_other_names_of_columns(own, tmp_path):
    renamed = own.frame.rename(
        columns={
            "patient": "id", "label": "truth", "predicted": "call", "model": "net",
            "outer_fold": "part", "p_normal": "a", "p_low": "b", "p_high": "c",
        }
    ).assign(label="decoy", p_other=0.5)  # fmt: skip
    renamed.to_csv(tmp_path / "theirs.csv", index=False)
    form = Form("id", "truth", "call", "net", "part", tuple(zip(CLASSES, "abc", strict=True)))
    same(read_predictions(tmp_path / "theirs.csv", form), own)


def test_one_row_a_class_in_any_order(own, tmp_path):
    kept = ["model", "inputs", "outer_fold", "patient", "center", "label", "predicted"]
    long = own.frame.melt(kept, [f"p_{name}" for name in CLASSES], "grade", "value")
    long["grade"] = long["grade"].str.removeprefix("p_")
    long.sample(frac=1.0, random_state=0).to_csv(tmp_path / "long.csv", index=False)
    form = Form(long=True, class_column="grade", probability="value", classes=CLASSES)
    same(read_predictions(tmp_path / "long.csv", form), own)
    unordered = Form(long=True, class_column="grade", probability="value")
    notes = read_predictions(tmp_path / "long.csv", unordered).notes
    assert any("order in which they first occur" in note for note in notes)


def test_two_classes_in_one_column_without_answers(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text("patient,label,score\n1,benign,0.25\n2,malignant,0.75\n3,benign,0.5\n")
    found = read_predictions(path, Form(positive="malignant", probability="score"))
    assert found.classes == ("benign", "malignant")
    assert found.frame["p_malignant"].tolist() == [0.25, 0.75, 0.5]
    assert found.frame["predicted"].tolist() == ["benign", "malignant", "benign"]
    assert any("the most probable class is the answer" in note for note in found.notes)


def test_the_order_of_classes_is_the_users(own, tmp_path):
    path = tmp_path / "own.csv"
    other = read_predictions(path, Form(classes=("high", "low", "normal")))
    assert other.classes == ("high", "low", "normal")
    assert np.array_equal(other.probabilities(other.frame)[:, ::-1], own.probabilities(own.frame))


def test_rounded_probabilities_are_divided_by_their_sum_only_if_told(tmp_path):
    path = tmp_path / "rounded.csv"
    path.write_text("patient,label,p_a,p_b,p_c\n1,a,0.33,0.33,0.33\n2,b,0.2,0.5,0.3\n")
    with pytest.raises(PredictionsError, match="sum to"):
        read_predictions(path)
    found = read_predictions(path, Form(normalise=True))
    assert found.probabilities(found.frame).sum(axis=1) == pytest.approx(1.0)
    assert any("1 of 2 rows the probabilities summed to 0.99" in note for note in found.notes)
    path.write_text("patient,label,p_a,p_b\n1,a,0.3,0.3\n2,b,0.5,0.5\n")
    with pytest.raises(PredictionsError, match="sum to"):
        read_predictions(path, Form(normalise=True))


@pytest.mark.parametrize(
    ("text", "form", "fault"),
    [
        ("patient,label,p_a,p_b\n1,a,1,0", Form(patient="id"), "--patient-column: got no column"),
        ("patient,label,x\n1,a,1", Form(positive="a", probability="y"), "--probability-column"),
        ("patient,label,x\n1,a,1", Form(positive="a", probability="x"), "the other labels none"),
        ("patient,label,x\n1,a,1\n2,b,0\n3,c,0", Form(positive="a", probability="x"), "b, c"),
        ("patient,label,p_a,p_b\n1,a,1,0", Form(classes=("a", "c")), "--classes: got a, c"),
        (
            "patient,label,class,probability\n1,a,a,1\n1,a,b,0\n2,a,a,1",
            Form(long=True),
            "line 4: patient '2' has no row of class 'b'",
        ),
        (
            "patient,label,class,probability\n1,a,a,1\n1,a,b,0\n1,a,b,0",
            Form(long=True),
            "line 4: class 'b' of patient '1' stands here a second time",
        ),
        (
            "patient,label,class,probability\n1,a,a,1\n1,b,b,0",
            Form(long=True),
            "line 3: label differs from line 2 of the same patient",
        ),
        (
            "patient,label,class,probability\n1,a,a,many\n1,a,b,0",
            Form(long=True),
            "line 2: p_a is 'many'",
        ),
    ],
)
def test_what_does_not_fit_is_named(text, form, fault, tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text(text + "\n")
    with pytest.raises(PredictionsError, match=re.escape(fault)):
        read_predictions(path, form)


def test_two_forms_at_once_are_refused():
    with pytest.raises(UsageError, match="--long and --positive"):
        Form(long=True, positive="a")


def test_repeats_are_written_last_and_read_back(make_frame, tmp_path):
    frame = make_frame(patients=9, folds=3)
    again = frame.assign(repeat=1, outer_fold=frame["outer_fold"] + 3)
    both = [frame.assign(repeat=0), again]
    import pandas as pd

    path = tmp_path / "repeated.csv"
    write_predictions(pd.concat(both), CLASSES, path)
    assert path.read_text().splitlines()[0].endswith("p_high,repeat")
    found = read_predictions(path)
    assert sorted(found.frame["repeat"].unique()) == [0, 1]
    again["outer_fold"] = frame["outer_fold"]
    with pytest.raises(PredictionsError, match="outer_fold 0 is of repeat 1 here"):
        write_predictions(pd.concat(both), CLASSES, path)
    path.write_text("patient,label,p_a,p_b,repeat\n1,a,1,0,first\n")
    with pytest.raises(PredictionsError, match="repeat is 'first', not a whole number"):
        read_predictions(path)
