"""Classes, pairs, groups, optimism, decisions and costs."""

import math

import numpy as np
import pandas as pd
import pytest

from cystgrid.evaluation.checking import PredictionsError
from cystgrid.evaluation.costs import read_costs
from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.patients import groups_of
from cystgrid.evaluation.predictions import check_predictions
from cystgrid.evaluation.settings import EvaluationSettings
from cystgrid.evaluation.tables.classes import table3
from cystgrid.evaluation.tables.decisions import decision_curves
from cystgrid.evaluation.tables.groups import table5
from cystgrid.evaluation.tables.metrics import all_metrics
from cystgrid.evaluation.tables.optimism import optimism
from cystgrid.evaluation.tables.pairs import table4
from cystgrid.evaluation.uncertainty.paired import corrected_t_test, holm

CLASSES = ("normal", "low", "high")


def evaluate(frame, **choices):
    settings = EvaluationSettings(**{"resamples": 200, **choices})
    return Evaluation(check_predictions(frame, CLASSES), settings)


def test_the_classes_scores_are_the_tables_of_all_metrics(make_frame):
    found = evaluate(make_frame())
    classes = table3(found).data.set_index(["method", "class"])
    metrics = all_metrics(found).data.set_index(["method", "class", "metric"])["pooled"]
    for (method, name), row in classes.iterrows():
        for score in ("recall", "precision", "specificity", "f1", "auc", "average_precision"):
            assert row[score] == pytest.approx(metrics[method, name, score], abs=1e-12)
            assert row[f"{score}_low"] <= row[score] <= row[f"{score}_high"]


def test_the_users_costs_and_specificity_are_used(make_frame):
    frame = make_frame()
    plain, free, loose = (
        all_metrics(evaluate(frame, **choices)).data.set_index(["method", "class", "metric"])
        for choices in ({}, {"costs": ((0.0,) * 3,) * 3}, {"specificity": 0.5})
    )
    at = ("cnn", "all", "expected_cost")
    assert free["pooled"][at] == 0.0 < plain["pooled"][at]
    at = ("cnn", "high", "sensitivity_at_specificity")
    assert loose["pooled"][at] > plain["pooled"][at]


def test_pairs_turn_their_sign_with_their_order_and_are_corrected_together(make_frame):
    methods = [("a", "t1", 0.2), ("b", "t1", 2.0), ("c", "t1", 1.0)]
    data = table4(evaluate(make_frame(methods))).data
    assert list(zip(data["first"], data["second"], strict=True)) == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    renamed = [("b", "t1", 0.2), ("a", "t1", 2.0), ("c", "t1", 1.0)]
    other = table4(evaluate(make_frame(renamed))).data
    assert other["difference_auc"][0] == pytest.approx(-data["difference_auc"][0], abs=1e-12)
    assert other["p_delong"][0] == pytest.approx(data["p_delong"][0], abs=1e-12)
    assert other["p_t_auc"][0] == pytest.approx(data["p_t_auc"][0], abs=1e-12)
    for test in ("t_accuracy", "mcnemar", "delong"):
        assert np.array_equal(data[f"p_{test}_holm"], holm(data[f"p_{test}"].to_numpy()))
    assert data["p_delong"][0] < 0.001, "0.2 against 2.0 must be seen"


def test_the_caption_counts_the_comparisons_that_are_corrected_together(make_frame):
    methods = [("a", "t1", 0.2), ("b", "t1", 2.0), ("c", "t1", 1.0)]
    frame = make_frame(methods)
    told = table4(evaluate(frame)).printed
    assert "corrected by Holm over the 3 comparisons of a column;" in caption_of(told)
    other = frame["model"] == "c"  # in other folds: no t-test with it
    frame.loc[other, "outer_fold"] = frame.loc[other, "outer_fold"].to_numpy()[::-1]
    table = table4(evaluate(frame))
    assert table.data["p_t_auc_holm"].notna().sum() == 1
    assert (
        "over those of a column's 3 comparisons that have one (Accuracy t 1, Accuracy McNemar 3, "
        "Balanced accuracy t 1, AUC t 1, AUC DeLong 3);"
    ) in caption_of(table.printed)


def caption_of(printed):
    return " ".join([printed.caption, *printed.notes])


def test_the_t_test_takes_the_folds_differences_and_sizes(make_frame):
    found = evaluate(make_frame(folds=5))
    scores = found.fold_scores.pivot(index="outer_fold", columns="method", values="accuracy")
    expected = corrected_t_test((scores["cnn"] - scores["vit"]).to_numpy(), 12 / 48)
    assert table4(found).data["p_t_accuracy"][0] == pytest.approx(expected, abs=1e-12)


def test_other_folds_have_no_t_test_and_other_patients_are_left_out(make_frame):
    frame = make_frame()
    other = frame.copy()
    vit = other["model"] == "vit"
    other.loc[vit, "outer_fold"] = other.loc[vit, "outer_fold"].to_numpy()[::-1]
    data = table4(evaluate(other)).data
    assert math.isnan(data["p_t_accuracy"][0]) and not math.isnan(data["p_delong"][0])
    fewer = frame[(frame["model"] != "vit") | (frame["patient"] >= "P010")]
    assert table4(evaluate(fewer)).data["patients"].tolist() == [50]
    apart = frame[(frame["model"] == "vit") == (frame["patient"] >= "P030")]
    line = table4(evaluate(apart)).data.iloc[0]
    assert line["patients"] == 0 and math.isnan(line["difference_auc"])


def test_names_and_order_of_patients_change_no_pair(make_frame):
    frame = make_frame()
    renamed = frame.sample(frac=1.0, random_state=2).copy()
    renamed["patient"] = renamed["patient"].map(lambda name: f"X{999 - int(name[1:])}")
    pd.testing.assert_frame_equal(
        table4(evaluate(frame)).data, table4(evaluate(renamed)).data, check_exact=True
    )


def test_a_single_method_has_no_pair(make_frame):
    assert table4(evaluate(make_frame([("vit", "early", 1.0)]))) is None


@pytest.fixture
def patients(make_frame, tmp_path):
    path = tmp_path / "patients.csv"
    lines = ["patient,center,sex,age,modalities"]
    lines += [
        f"P{n:03d},{'AB'[n >= 55]},{'FM'[n % 2]},{'' if n == 0 else 40 + n},t1+t2"
        for n in range(60)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_groups_have_their_own_figures_and_small_ones_say_so(make_frame, patients):
    found = evaluate(make_frame())
    table = table5(found, groups_of(found.predictions, patients))
    data = table.data.set_index(["grouping", "group", "method"])
    assert data.loc[("center", "B", "cnn"), "patients"] == 5
    assert math.isnan(data.loc[("center", "B", "cnn"), "accuracy"])
    assert any(cell.value == "too few" for row in table.printed.cells for cell in row)
    women = found.predictions.frame.query("model == 'cnn'")
    women = women[women["patient"].str[-1].isin(list("02468"))]
    share = (women["label"] == women["predicted"]).mean()
    assert data.loc[("sex", "F", "cnn"), "accuracy"] == pytest.approx(share, abs=1e-12)
    ages = list(data.loc["age"].index.get_level_values(0).unique())
    assert ages == ["< 60", "60 to < 80", ">= 80", "unknown"]


def test_age_bands_are_the_users(make_frame, patients):
    found = evaluate(make_frame())
    groups = groups_of(found.predictions, patients, (50.0, 90.0))
    assert groups.frame["age"].value_counts().to_dict() == {
        "50 to < 90": 40, ">= 90": 10, "< 50": 9, "unknown": 1,
    }  # fmt: skip


def test_a_cohort_whose_ages_nobody_knows_is_not_divided_by_age(make_frame, patients):
    rows = pd.read_csv(patients).assign(age="")
    rows.to_csv(patients, index=False)
    found = evaluate(make_frame())
    for begins in ((), (50.0,)):
        groups = groups_of(found.predictions, patients, begins)
        assert list(groups.frame) == ["center", "sex", "modalities"]


def test_without_a_file_the_predictions_centres_count_and_without_them_nothing(make_frame):
    found = evaluate(make_frame())
    assert set(table5(found, groups_of(found.predictions, None)).data["grouping"]) == {"center"}
    blank = evaluate(make_frame().assign(center=""))
    assert table5(blank, groups_of(blank.predictions, None)) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("id,sex\n1,F", "expected patient and some of"),
        ("patient,age\nP1,old", "age is 'old', not a number of years"),
        ("patient,age\nP1,-3", "age is '-3'"),
        ("patient,sex\nP1,F\nP1,M", "patient 'P1' stands on line 2 already"),
    ],
)
def test_a_table_of_patients_that_is_wrong_is_refused(make_frame, tmp_path, text, fault):
    path = tmp_path / "patients.csv"
    path.write_text(text + "\n")
    with pytest.raises(PredictionsError, match=fault):
        groups_of(evaluate(make_frame()).predictions, path)


def test_optimism_is_the_difference_of_the_protocols(make_frame):
    frame = make_frame()
    better = frame.assign(predicted=frame["label"])
    table = optimism(evaluate(frame), check_predictions(better, CLASSES))
    assert table.data["accuracy_peer"].tolist() == [1.0, 1.0]
    expected = 1.0 - table.data["accuracy_honest"]
    assert table.data["accuracy_optimism"].to_numpy() == pytest.approx(expected.to_numpy())
    assert (table.data["auc_optimism"] == 0.0).all()
    for words in ("epoch, and settings where several compete", "one training on all other"):
        assert words in caption_of(table.printed)
    others = check_predictions(frame.assign(model="other", inputs=frame["model"]), CLASSES)
    assert optimism(evaluate(frame), others) is None


def test_decision_curves_start_at_everybody(make_frame):
    data = decision_curves(evaluate(make_frame(patients=200)))
    first = data[data["threshold"] == 0.01]
    assert (first["net_benefit"] - first["everybody"]).abs().max() < 0.02
    assert set(data.loc[data["kind"] == "at_least", "class"]) == {"low", "high"}
    shares = data[
        (data["kind"] == "class") & (data["threshold"] == 0.5) & (data["method"] == "cnn")
    ]
    assert (shares["net_benefit"] > shares["everybody"]).all(), "a model that sees gains"


def test_costs_are_read_in_any_order_of_rows_and_columns(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text("label,high,low,normal\nlow,5,0,4\nhigh,0,7,8\nnormal,2,1,0\n")
    assert read_costs(path, CLASSES) == ((0, 1, 2), (4, 0, 5), (8, 7, 0))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("label,a,b\na,0,1\nb,1,0", "expected the columns label, normal, low, high"),
        ("label,normal,low,high\nnormal,0,1,2\nlow,1,0,1\nlow,2,1,0", "a row for each class"),
        ("label,normal,low,high\nnormal,0,1,2\nlow,1,0,x\nhigh,2,1,0", "line 3: a cost is not"),
        ("label,normal,low,high\nnormal,0,1,2\nlow,1,0,inf\nhigh,2,1,0", "line 3: a cost is not"),
    ],
)
def test_costs_that_are_wrong_are_refused(tmp_path, text, fault):
    path = tmp_path / "costs.csv"
    path.write_text(text + "\n")
    with pytest.raises(PredictionsError, match=fault):
        read_costs(path, CLASSES)
