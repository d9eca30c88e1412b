import csv
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cystgrid.evaluation import rendering
from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.scores import METRICS
from cystgrid.evaluation.predictions import check_predictions, read_predictions
from cystgrid.evaluation.settings import EvaluationSettings
from cystgrid.evaluation.tables import wording
from cystgrid.evaluation.tables.overall import table1, table1_data, table2
from cystgrid.provenance import NOTICE

QUICK = EvaluationSettings(resamples=200)

CLASSES = ("normal", "low", "high")
FIRST_COLUMNS = [
    "method", "accuracy_mean", "accuracy_sd", "precision_mean", "precision_sd", "recall_mean",
    "recall_sd",
]  # fmt: skip


def evaluate(frame, classes=CLASSES):
    return Evaluation(check_predictions(frame, classes), QUICK)


@pytest.fixture
def found(make_frame):
    return evaluate(make_frame())


def write(evaluation, folder):
    return table1(evaluation).write(folder)


def test_table1_begins_with_the_contracts_columns_and_ends_with_the_pooled_ones(found):
    columns = list(table1_data(found))
    assert columns[:7] == FIRST_COLUMNS
    pooled = [
        f"pooled_{score}{end}"
        for score in ("accuracy", "balanced_accuracy", "auc")
        for end in ("", "_low", "_high")
    ]
    assert columns[-11:] == [*pooled, "patients", "folds"]


def test_figures_are_means_and_sample_deviations_over_folds(found):
    table = table1_data(found).set_index("method")
    frame = found.predictions.frame
    rows = frame[frame["model"] == "cnn"]
    right = rows["label"] == rows["predicted"]
    folds = [right[rows["outer_fold"] == fold].mean() for fold in range(5)]
    assert table.loc["cnn", "accuracy_mean"] == pytest.approx(np.mean(folds), abs=1e-12)
    assert table.loc["cnn", "accuracy_sd"] == pytest.approx(np.std(folds, ddof=1), abs=1e-12)
    recalls = [right[rows["label"] == name].mean() for name in CLASSES]
    pooled = table.loc["cnn", "pooled_balanced_accuracy"]
    assert pooled == pytest.approx(np.mean(recalls), abs=1e-12)
    low, high = table.loc["cnn", ["pooled_balanced_accuracy_low", "pooled_balanced_accuracy_high"]]
    assert low < pooled < high
    assert table.loc["cnn", "patients"] == 60 and table.loc["cnn", "folds"] == 5


def test_order_and_names_of_patients_and_folds_change_nothing(make_frame, found):
    frame = make_frame().sample(frac=1.0, random_state=3)
    frame["patient"] = frame["patient"].map(lambda name: f"X{1000 - int(name[1:])}")
    frame["outer_fold"] = frame["outer_fold"].map(lambda fold: f"fold {'cedab'[fold]}")
    other = evaluate(frame)
    pd.testing.assert_frame_equal(table1_data(other), table1_data(found), check_exact=True)


def test_undefined_folds_are_left_out_of_the_mean_and_told(make_frame):
    frame = make_frame([("vit", "early", 1.0)])
    frame.loc[frame["outer_fold"] == 0, ["label", "predicted"]] = "low"
    found = evaluate(frame)
    scores = found.fold_scores
    assert scores["kappa"].isna().tolist() == [True, False, False, False, False]
    table = table1_data(found)
    assert table["kappa_mean"][0] == pytest.approx(scores["kappa"][1:].mean(), abs=1e-12)
    assert any(
        "kappa of vit is undefined in 1 of 5 folds" in n for n in table1(found).printed.notes
    )


def test_a_figure_that_no_fold_defines_is_a_dash_and_an_empty_cell(make_frame, tmp_path):
    frame = make_frame([("vit", "early", 1.0)]).assign(label="low")
    found = evaluate(frame)
    write(found, tmp_path)
    with (tmp_path / "table1.csv").open(newline="") as stream:
        assert next(csv.DictReader(stream))["auc_mean"] == ""
    markdown, latex = ((tmp_path / f"table1.{kind}").read_text() for kind in ("md", "tex"))
    assert "| --  " in markdown and " & -- & " in latex
    for note in table1(found).printed.notes:
        assert f"- {note}" in markdown
        assert note in latex
    assert "auc of vit is undefined in 5 of 5 folds" in markdown


def test_one_fold_has_no_deviation(make_frame, tmp_path):
    found = evaluate(make_frame(folds=1))
    table = table1_data(found)
    assert table[[f"{name}_sd" for name in METRICS]].isna().all(axis=None)
    write(found, tmp_path)
    first = (tmp_path / "table1.csv").read_text().splitlines()[1].split(",")
    assert first[1] and first[2] == ""
    assert "one fold" in (tmp_path / "table1.md").read_text()
    assert "±" not in (tmp_path / "table1.md").read_text().split("\n\n")[0]


def test_notes_tell_when_methods_were_not_scored_alike(make_frame):
    frame = make_frame().query("model != 'vit' or patient != 'P000'")
    frame.loc[(frame["model"] == "cnn") & (frame["patient"] == "P001"), "outer_fold"] = 4
    notes = table1(evaluate(frame)).printed.notes
    assert "vit was not scored on 1 of the patients." in notes
    assert "The methods do not share their outer folds." in notes


def test_the_csv_keeps_every_digit(found, tmp_path):
    paths = write(found, tmp_path)
    assert [path.name for path in paths] == ["table1.csv", "table1.md", "table1.tex"]
    with paths[0].open(newline="") as stream:
        written = list(csv.DictReader(stream))
    for row, expected in zip(written, table1_data(found).to_dict("records"), strict=True):
        assert row.pop("method") == expected.pop("method")
        assert {name: float(cell) for name, cell in row.items()} == expected
    assert b"\r" not in paths[0].read_bytes()


def test_markdown_lines_up_bolds_the_best_and_says_what_it_shows(found, tmp_path):
    write(found, tmp_path)
    text = (tmp_path / "table1.md").read_text()
    block = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in block}) == 1
    cnn, vit = block[2:]
    assert cnn.startswith("| cnn ") and cnn.count("**") == 18 and "**" not in vit
    accuracy = table1_data(found)
    assert f"**{accuracy['accuracy_mean'][0]:.2f}** ± {accuracy['accuracy_sd'][0]:.2f}" in cnn
    for said in ("60 patients", "in bold", "5 outer folds", "Chance level", "0.33", NOTICE):
        assert said in text


def test_latex_is_booktabs_and_escapes_names(make_frame, tmp_path):
    found = evaluate(make_frame([("vit_50%", "t2", 1), ("[a]", "t1", 2)]))
    write(found, tmp_path)
    text = (tmp_path / "table1.tex").read_text()
    assert r"vit\_50\% (T2) & $" in text
    assert "{[}a{]} (T1) & $" in text
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\mathbf{", r"\pm", r"\caption{"):
        assert part in text
    assert "±" not in text and NOTICE in text
    rows = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert all(row.count(" & ") == 9 for row in rows)


def test_ties_at_the_printed_digits_are_all_bold_and_a_single_method_is_not(make_frame, tmp_path):
    frame = make_frame([("vit", "early", 1.0)])
    write(evaluate(frame), tmp_path)
    assert "**" not in (tmp_path / "table1.md").read_text()
    assert "bold" not in (tmp_path / "table1.md").read_text()
    twin = frame.assign(model="twin")
    write(evaluate(pd.concat([frame, twin])), tmp_path)
    rows = (tmp_path / "table1.md").read_text().splitlines()[2:4]
    assert [row.count("**") for row in rows] == [18, 18]


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminals_table_shows_every_figure(make_frame, width):
    found = evaluate(make_frame([("vit [red]", "early", 0.3), ("cnn", "t2", 1)]))
    stream = io.StringIO()
    Console(file=stream, width=width).print(rendering.console(table1(found).printed, "Table I"))
    text = stream.getvalue()
    assert "…" not in text
    assert "[red]" in text
    table = table1_data(found)
    for column in [f"{name}_mean" for name in METRICS]:
        for value in table[column]:
            assert f"{value:.2f}" in text
    assert text.startswith("Table I\n")
    for low, high, value in zip(
        table["pooled_auc_low"], table["pooled_auc_high"], table["pooled_auc"], strict=True
    ):
        assert f"{value:.2f} [{low:.2f}, {high:.2f}]" in text
    assert max(map(len, text.splitlines())) <= width
    assert NOTICE in " ".join(text.split())


def test_a_table_that_fits_a_terminal_is_one_and_a_wide_one_is_parted_by_its_kinds():
    def shown(columns):
        stream = io.StringIO()
        table = rendering.printed({"Method": ["cnn"]}, columns, ["A caption"])
        Console(file=stream, width=80).print(rendering.console(table, "Table"))
        return [line.split() for line in stream.getvalue().splitlines() if "Method" in line]

    mean = rendering.with_deviations([0.5], [0.1])
    interval = rendering.with_limits([0.5], [0.4], [0.6])
    assert shown({"A": mean, "B": interval}) == [["Method", "A", "B"]]
    means = {f"Mean{n}": mean for n in range(6)}
    parted = shown({**means, "C": interval, "D": interval, "E": interval})
    assert parted == [["Method", *means], ["Method", "C", "D", "E"]]


def test_a_file_of_another_program_gives_a_table_with_its_assumptions(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("patient,label,predicted,p_0,p_1\n1,0,0,0.9,0.1\n2,1,0,0.6,0.4\n3,1,1,0,1\n")
    found = Evaluation(read_predictions(path), QUICK)
    table = table1_data(found)
    assert table["accuracy_mean"].tolist() == [pytest.approx(2 / 3)]
    assert table["auc_mean"].tolist() == [1.0]
    assert any("one fold" in note for note in table1(found).printed.notes)


def test_evaluation_runs_without_torch():
    code = "import sys, cystgrid.evaluation.tables.pairs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_table2_has_the_models_of_several_inputs_in_the_papers_order(make_frame, found):
    assert table2(found) is None
    names = ("early", "intermediate", "t2", "late", "t1")
    methods = [("vit", inputs, 1.0) for inputs in names] + [("cnn", "early", 1.0)]
    table = table2(evaluate(make_frame(methods, patients=30)))
    assert table.data["inputs"].tolist() == ["t1", "t2", "late", "intermediate", "early"]
    assert set(table.data["model"]) == {"vit"}
    assert list(table.data)[1:7] == FIRST_COLUMNS[1:]
    assert [row[1] for row in table.printed.rows][3] == "T1+T2 intermediate"


def test_best_is_marked_within_each_model_of_table2(make_frame):
    methods = [("a", "t1", 0.0), ("a", "t2", 3.0), ("b", "t1", 0.0), ("b", "t2", 0.5)]
    cells = table2(evaluate(make_frame(methods, patients=90))).printed.cells
    assert [row[-1].best for row in cells] == [False, True, False, True]


def test_a_method_that_says_one_class_only_is_named(make_frame):
    frame = make_frame([("vit", "early", 1.0), ("cnn", "early", 1.0)])
    frame.loc[(frame["model"] == "vit") & (frame["outer_fold"] < 3), "predicted"] = "low"
    notes = wording.method_notes(evaluate(frame))
    assert "vit answered 'low' for every patient in 3 of 5 folds." in notes
    assert not any("cnn answered" in note for note in notes)


def test_repeats_are_folds_of_their_own_and_patients_count_once(make_frame):
    frame = make_frame(folds=4)
    again = frame.assign(repeat=1, outer_fold=frame["outer_fold"] + 4)
    once = table1_data(evaluate(frame))
    twice = evaluate(pd.concat([frame.assign(repeat=0), again]))
    data = table1_data(twice)
    assert data["folds"].tolist() == [8, 8] and data["patients"].tolist() == [60, 60]
    for column in ("accuracy_mean", "pooled_auc", "pooled_auc_low", "pooled_accuracy_high"):
        assert data[column].to_numpy() == pytest.approx(once[column].to_numpy(), abs=1e-12)
    assert "8 outer folds (2 repeats)" in table1(twice).printed.caption
    assert not any("share" in note for note in table1(twice).printed.notes)


def test_a_long_table_breaks_over_pages():
    many = [str(n) for n in range(50)]
    long = rendering.printed({"Row": many}, {"A": rendering.plain([1.0] * 50)}, ["x"])
    text = rendering.latex(long, "tab:x")
    assert r"\begin{longtable}{lc}" in text and r"\endhead" in text and "table*" not in text


def test_p_values_are_bold_below_the_level_and_never_nought():
    nan = float("nan")
    cells = rendering.with_corrected([0.1, 0.02, 1e-9, nan], [0.2, 0.06, 1e-8, nan], 0.05)
    assert [cell.value for cell in cells] == ["0.100", "0.020", "<0.001", "--"]
    assert [cell.spread for cell in cells] == ["(0.200)", "(0.060)", "(<0.001)", ""]
    assert [cell.best for cell in cells] == [False, False, True, False]
    table = rendering.printed({"Row": "abcd"}, {"p": cells}, ["x"])
    assert r"$\mathbf{<0.001}$ $(<0.001)$" in rendering.latex(table, "tab:x")
    assert r"**\<0.001** (\<0.001)" in rendering.markdown(table)
