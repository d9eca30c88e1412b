import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.evaluation import predictions
from cystgrid.evaluation.checking import COLUMNS, FAULTS_SHOWN, PredictionsError

CLASSES = ("normal", "low", "high")
HEADER = "model,inputs,outer_fold,patient,center,label,predicted,p_normal,p_low,p_high"
GOOD = "vit,early,0,P1,A,low,low,0.25,0.5,0.25"


@pytest.fixture
def write(tmp_path):
    def lines(*content, encoding="utf-8"):
        path = tmp_path / "predictions.csv"
        path.write_bytes("\n".join(content).encode(encoding))
        return path

    return lines


def test_writing_and_reading_give_the_same_numbers_and_the_same_bytes(make_frame, tmp_path):
    frame = make_frame()
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    predictions.write_predictions(frame, CLASSES, first)
    found = predictions.read_predictions(first)
    assert found.classes == CLASSES
    assert found.notes == ()
    expected = frame.sort_values(["model", "inputs", "outer_fold", "patient"], ignore_index=True)
    pd.testing.assert_frame_equal(
        found.frame, expected.assign(repeat=0), check_dtype=False, check_exact=True
    )
    predictions.write_predictions(frame.sample(frac=1.0, random_state=1), CLASSES, second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().splitlines()[0].decode() == HEADER
    assert b"\r" not in first.read_bytes()


@settings(deadline=None)
@given(st.floats(0.0, 1.0), st.booleans())
def test_every_probability_reads_back_exactly(tmp_path_factory, value, single):
    value = float(np.float32(value)) if single else value
    path = tmp_path_factory.mktemp("round") / "p.csv"
    row = ["vit", "", 0, "P1", "", "low", "low", value, 1.0 - value]
    frame = pd.DataFrame([row], columns=[*COLUMNS, "p_low", "p_high"])
    predictions.write_predictions(frame, ("low", "high"), path)
    found = predictions.read_predictions(path)
    assert found.probabilities(found.frame).tolist() == [[value, 1.0 - value]]


def test_folds_sort_as_numbers(make_frame):
    frame = make_frame(folds=12)
    folds = predictions.check_predictions(frame, CLASSES).methods()[0].rows["outer_fold"]
    assert folds.is_monotonic_increasing and folds.max() == 11


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("vit,early,0,P2,A,lwo,low,0.25,0.5,0.25", "label 'lwo' is not among the classes"),
        ("vit,early,0,P2,A,,low,0.25,0.5,0.25", "label is empty"),
        ("vit,early,0,P2,A,low,none,0.25,0.5,0.25", "predicted 'none' is not among the classes"),
        ("vit,early,0,P2,A,low,low,0.25,0.5,0.35", "the probabilities sum to 1.1"),
        ("vit,early,0,P2,A,low,low,0.25,0.5,0.24999", "the probabilities sum to 0.99999"),
        ("vit,early,0,P2,A,low,low,-0.1,0.6,0.5", "p_normal is '-0.1'"),
        ("vit,early,0,P2,A,low,low,0,1.5,0", "p_low is '1.5'"),
        ("vit,early,0,P2,A,low,low,nan,0.5,0.5", "p_normal is 'nan'"),
        ("vit,early,0,P2,A,low,low,,0.5,0.5", "p_normal is ''"),
        ("vit,early,0,P2,A,low,low,0_0,0.5,0.5", "p_normal is '0_0'"),
        ("vit,early,0,P2,A,low,low,half,0.5,0.5", "p_normal is 'half'"),
        ("vit,early,0,P1,A,low,low,0.25,0.5,0.25", "stands on line 2 already"),
        ("cnn,early,0,P1,A,high,low,0.25,0.5,0.25", "patient 'P1' is 'high' here, 'low' on line 2"),
        (",early,0,P2,A,low,low,0.25,0.5,0.25", "model is empty"),
        ("vit,early,,P2,A,low,low,0.25,0.5,0.25", "outer_fold is empty"),
        ("vit,early,0,,A,low,low,0.25,0.5,0.25", "patient is empty"),
        ("=cmd(),early,0,P2,A,low,low,0.25,0.5,0.25", "model '=cmd()' begins like a formula"),
        ("vit,early,0,+2,A,low,low,0.25,0.5,0.25", "patient '+2' begins like a formula"),
        ("vit,early,0,P2,@c,low,low,0.25,0.5,0.25", "center '@c' begins like a formula"),
        ("vit,early,0,P2,A,low,low,0.25,0.5", "9 cells under 10 columns"),
        ("vit,early,0,P2,A,low,low,0.25,0.5,0.25,1", "11 cells under 10 columns"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(write, row, fault):
    path = write(HEADER, GOOD, "", row)
    with pytest.raises(PredictionsError, match=re.escape(fault)) as caught:
        predictions.read_predictions(path)
    assert "1 fault (line 4: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_come_in_one_go_up_to_a_page(write):
    bad = [f"vit,early,0,P{n},A,odd,low,0.9,0.5,0.25" for n in range(30)]
    with pytest.raises(PredictionsError) as caught:
        predictions.read_predictions(write(HEADER, *bad))
    message = str(caught.value)
    assert "60 faults" in message
    assert f"and {60 - FAULTS_SHOWN} more" in message
    assert message.index("line 2:") < message.index("line 3:")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ((), "at least two p_<class>"),
        (("patient,predicted,p_a,p_b",), "label"),
        (("patient,label,predicted,p_a",), "at least two p_<class>"),
        (("patient,label,label,predicted,p_a,p_b",), "each column once"),
        (("patient;label;predicted;p_a;p_b",), "separated by ';'"),
        (("patient,label,predicted,p_,p_b",), "printable"),
        (("patient,label,predicted,p_a|b,p_b",), 'without "|"'),
        ((HEADER,), "no rows with a label"),
        ((HEADER, 'vit,"open'), "well-formed CSV"),
    ],
)
def test_a_file_that_is_no_predictions_file_is_refused(write, content, fault):
    with pytest.raises(PredictionsError, match=re.escape(fault)):
        predictions.read_predictions(write(*content))


def test_a_missing_file_and_another_encoding_are_refused(write, tmp_path):
    with pytest.raises(PredictionsError, match="no such file"):
        predictions.read_predictions(tmp_path / "none.csv")
    with pytest.raises(PredictionsError, match="not UTF-8"):
        predictions.read_predictions(write(HEADER, GOOD + "é", encoding="latin-1"))


def test_absent_columns_are_stood_in_for_and_told(write):
    path = write("﻿patient, label,predicted,extra,p_a,p_b", "1,a,a,x,0.5,0.5", "2,b,a,x,0.1,0.9")
    found = predictions.read_predictions(path)
    assert found.frame["model"].unique().tolist() == ["model"]
    assert found.frame["outer_fold"].unique().tolist() == [0]
    assert len(found.frame) == 2
    told = " ".join(found.notes)
    for name in ("model", "inputs", "outer_fold", "center"):
        assert f"No column '{name}'" in told
    assert "In 1 of 2 rows the predicted class is not the most probable" in told


def test_unlabelled_rows_can_be_written_and_are_dropped_with_a_count(make_frame, tmp_path):
    frame = make_frame([("vit", "t2", 1.0)], patients=10)
    frame.loc[:2, "label"] = None
    path = tmp_path / "p.csv"
    predictions.write_predictions(frame, CLASSES, path)
    with pytest.raises(PredictionsError, match="3 faults"):
        predictions.read_predictions(path)
    found = predictions.read_predictions(path, unlabelled="drop")
    assert len(found.frame) == 7
    assert found.notes == ("3 rows without a label were left out.",)


def test_what_could_not_be_read_back_is_not_written(make_frame, tmp_path):
    frame, path = make_frame(), tmp_path / "p.csv"
    with pytest.raises(PredictionsError, match="already"):
        predictions.write_predictions(pd.concat([frame, frame]), CLASSES, path)
    with pytest.raises(PredictionsError, match="give these columns"):
        predictions.write_predictions(frame.drop(columns="center"), CLASSES, path)
    with pytest.raises(PredictionsError, match="0 rows"):
        predictions.write_predictions(frame[:0], CLASSES, path)
    assert list(tmp_path.iterdir()) == []


def test_methods_name_their_inputs_only_where_there_are_several(make_frame):
    def names(*methods):
        frame = make_frame([(*method, 1.0) for method in methods], patients=9)
        return [m.name for m in predictions.check_predictions(frame, CLASSES).methods()]

    assert names(("vit", "early"), ("cnn", "early")) == ["cnn", "vit"]
    several = names(("vit", "early"), ("vit", "late"), ("vit", "t2"), ("vit", "t1"))
    assert several == ["vit (T1)", "vit (T2)", "vit (T1+T2 late)", "vit (T1+T2 early)"]
    assert names(("vit", "t2"), ("vit", "T2")) == ["vit (t2)", "vit (T2)"]
