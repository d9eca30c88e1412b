import csv
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cystgrid.evaluation import metrics, tables
from cystgrid.evaluation.predictions import check_predictions, read_predictions
from cystgrid.provenance import NOTICE

CLASSES = ("normal", "low", "high")
FIRST_COLUMNS = [
    "method", "accuracy_mean", "accuracy_sd", "precision_mean", "precision_sd", "recall_mean",
    "recall_sd",
]  # fmt: skip


@pytest.fixture
def found(make_frame):
    return check_predictions(make_frame(), CLASSES)


def test_table1_begins_with_the_contracts_columns_and_ends_with_the_pooled_ones(found):
    columns = list(tables.table1(found))
    assert columns[:7] == FIRST_COLUMNS
    assert columns[-5:] == [
        "pooled_balanced_accuracy", "pooled_balanced_accuracy_low",
        "pooled_balanced_accuracy_high", "patients", "folds",
    ]  # fmt: skip


def test_figures_are_means_and_sample_deviations_over_folds(found):
    table = tables.table1(found).set_index("method")
    rows = found.frame[found.frame["model"] == "cnn"]
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
    other = check_predictions(frame, CLASSES)
    pd.testing.assert_frame_equal(tables.table1(other), tables.table1(found), check_exact=True)


def test_undefined_folds_are_left_out_of_the_mean_and_told(make_frame):
    frame = make_frame([("vit", "early", 1.0)])
    frame.loc[frame["outer_fold"] == 0, ["label", "predicted"]] = "low"
    found = check_predictions(frame, CLASSES)
    scores = tables.fold_scores(found)
    assert scores["kappa"].isna().tolist() == [True, False, False, False, False]
    table = tables.table1(found)
    assert table["kappa_mean"][0] == pytest.approx(scores["kappa"][1:].mean(), abs=1e-12)
    assert any("kappa of vit is undefined in 1 of 5 folds" in n for n in tables.table1_notes(found))


def test_a_figure_that_no_fold_defines_is_a_dash_and_an_empty_cell(make_frame, tmp_path):
    frame = make_frame([("vit", "early", 1.0)]).assign(label="low")
    found = check_predictions(frame, CLASSES)
    tables.write_tables(found, tmp_path)
    with (tmp_path / "table1.csv").open(newline="") as stream:
        assert next(csv.DictReader(stream))["auc_mean"] == ""
    markdown, latex = ((tmp_path / f"table1.{kind}").read_text() for kind in ("md", "tex"))
    assert "| --  " in markdown and " & -- & " in latex
    for note in tables.table1_notes(found):
        assert f"- {note}" in markdown
        assert note in latex
    assert "auc of vit is undefined in 5 of 5 folds" in markdown


def test_one_fold_has_no_deviation(make_frame, tmp_path):
    found = check_predictions(make_frame(folds=1), CLASSES)
    table = tables.table1(found)
    assert table[[f"{name}_sd" for name in metrics.METRICS]].isna().all(axis=None)
    tables.write_tables(found, tmp_path)
    first = (tmp_path / "table1.csv").read_text().splitlines()[1].split(",")
    assert first[1] and first[2] == ""
    assert "one fold" in (tmp_path / "table1.md").read_text()
    assert "±" not in (tmp_path / "table1.md").read_text().split("\n\n")[0]


def test_notes_tell_when_methods_were_not_scored_alike(make_frame):
    frame = make_frame().query("model != 'vit' or patient != 'P000'")
    frame.loc[(frame["model"] == "cnn") & (frame["patient"] == "P001"), "outer_fold"] = 4
    notes = tables.table1_notes(check_predictions(frame, CLASSES))
    assert "vit was not scored on 1 of the patients." in notes
    assert "The methods do not share their outer folds." in notes


def test_the_csv_keeps_every_digit(found, tmp_path):
    paths = tables.write_tables(found, tmp_path)
    assert [path.name for path in paths] == ["table1.csv", "table1.md", "table1.tex"]
    with paths[0].open(newline="") as stream:
        written = list(csv.DictReader(stream))
    for row, expected in zip(written, tables.table1(found).to_dict("records"), strict=True):
        assert row.pop("method") == expected.pop("method")
        assert {name: float(cell) for name, cell in row.items()} == expected
    assert b"\r" not in paths[0].read_bytes()


def test_markdown_lines_up_bolds_the_best_and_says_what_it_shows(found, tmp_path):
    tables.write_tables(found, tmp_path)
    text = (tmp_path / "table1.md").read_text()
    block = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in block}) == 1
    cnn, vit = block[2:]
    assert cnn.startswith("| cnn ") and cnn.count("**") == 14 and "**" not in vit
    accuracy = tables.table1(found)
    assert f"**{accuracy['accuracy_mean'][0]:.2f}** ± {accuracy['accuracy_sd'][0]:.2f}" in cnn
    for said in ("60 patients", "in bold", "5 outer folds", "Chance level", "0.33", NOTICE):
        assert said in text


def test_latex_is_booktabs_and_escapes_names(make_frame, tmp_path):
    found = check_predictions(make_frame([("vit_50%", "t2", 1), ("[a]", "t1", 2)]), CLASSES)
    tables.write_tables(found, tmp_path)
    text = (tmp_path / "table1.tex").read_text()
    assert r"vit\_50\% (T2) & $" in text
    assert "{[}a{]} (T1) & $" in text
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\mathbf{", r"\pm", r"\caption{"):
        assert part in text
    assert "±" not in text and NOTICE in text
    rows = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert all(row.count(" & ") == 7 for row in rows)


def test_ties_at_the_printed_digits_are_all_bold_and_a_single_method_is_not(make_frame, tmp_path):
    frame = make_frame([("vit", "early", 1.0)])
    tables.write_tables(check_predictions(frame, CLASSES), tmp_path)
    assert "**" not in (tmp_path / "table1.md").read_text()
    assert "bold" not in (tmp_path / "table1.md").read_text()
    twin = frame.assign(model="twin")
    tables.write_tables(check_predictions(pd.concat([frame, twin]), CLASSES), tmp_path)
    rows = (tmp_path / "table1.md").read_text().splitlines()[2:4]
    assert [row.count("**") for row in rows] == [14, 14]


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminals_table_shows_every_figure(make_frame, width):
    found = check_predictions(make_frame([("vit [red]", "early", 0.3), ("cnn", "t2", 1)]), CLASSES)
    stream = io.StringIO()
    Console(file=stream, width=width).print(tables.console_table(found))
    text = stream.getvalue()
    assert "…" not in text
    assert "[red]" in text
    table = tables.table1(found)
    for column in [f"{name}_mean" for name in metrics.METRICS]:
        for value in table[column]:
            assert f"{value:.2f}" in text
    assert NOTICE in " ".join(text.split())


def test_a_file_of_another_program_gives_a_table_with_its_assumptions(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("patient,label,predicted,p_0,p_1\n1,0,0,0.9,0.1\n2,1,0,0.6,0.4\n3,1,1,0,1\n")
    found = read_predictions(path)
    table = tables.table1(found)
    assert table["accuracy_mean"].tolist() == [pytest.approx(2 / 3)]
    assert table["auc_mean"].tolist() == [1.0]
    assert any("one fold" in note for note in tables.table1_notes(found))


def test_evaluation_runs_without_torch():
    code = "import sys, cystgrid.evaluation.tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
