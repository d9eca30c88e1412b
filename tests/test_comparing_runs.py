"""Two runs side by side: differences worked out by hand, and pairs that make no sense refused."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.splits import splits_digest
from cystgrid.cohort.splits.file import read_splits
from cystgrid.evaluation.uncertainty.paired import mcnemar
from cystgrid.provenance import NOTICE
from cystgrid.sealing import write_sealed
from report_pages import Page

CLASSES = ("normal", "low<b>", "high")
HOSTILE = "<img src=x onerror=alert(1)>"
PATIENTS = [HOSTILE, *(f"p{number:02}" for number in range(1, 24))]


def write_run(folder, *, models=("vit",), patients=PATIENTS, shift=0, wrong=0.3, seed=0, rate=0.1,
              classes=CLASSES, relabel=()):  # fmt: skip
    """A run's files without trainings: folds in turn, answers wrong at random."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    fold = {patient: (number + shift) % 3 for number, patient in enumerate(patients)}
    outer = [
        {
            "test": [p for p in patients if fold[p] == n],
            "inner": [{"train": [p for p in patients if fold[p] == (n + 1) % 3],
                       "validation": [p for p in patients if fold[p] == (n + 2) % 3]}],
            "repeat": 0,
        }
        for n in range(3)
    ]  # fmt: skip
    (folder / "splits.json").write_text(json.dumps({"outer": outer}))
    digest = splits_digest(read_splits(folder / "splits.json"))
    card = {"prepared": "a" * 64, "splits": digest, "source": "b" * 64, "device": "cpu",
            "models": {f"{m}-early": {"training": {"learning_rate": rate, "epochs": 3}}
                       for m in models},
            "versions": {"torch": "2.14.1"}}  # fmt: skip
    write_sealed(folder / "run.json", card)
    (folder / "study.toml").write_text(f"[training]\nlearning_rate = {rate}\n")
    with (folder / "predictions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["model", "inputs", "outer_fold", "patient", "center", "label",
                         "predicted", *(f"p_{name}" for name in classes)])  # fmt: skip
        for model in models:
            for number, patient in enumerate(patients):
                place = PATIENTS.index(patient) if patient in PATIENTS else number
                truth = (place + (patient in relabel)) % 3
                said = (truth + 1) % 3 if rng.random() < wrong else truth
                values = np.full(3, 0.2)
                values[said] = 0.6
                writer.writerow([model, "early", fold[patient], patient, "c", classes[truth],
                                 classes[said], *values])  # fmt: skip
    return folder


def report(*words):
    return CliRunner().invoke(app, ["report", *map(str, words)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    one = write_run(folder / "one", models=("vit", "old"))
    two = write_run(folder / "two", models=("vit", "new"), patients=PATIENTS[2:], shift=1,
                    wrong=0.1, seed=1, rate=0.2, relabel=("p05",))  # fmt: skip
    done = report(one, two)
    assert done.exit_code == 0, done.output
    return one, two, Page((two / "comparison.html").read_text("utf-8"))


def rows_of(run, model="vit"):
    with (run / "predictions.csv").open() as stream:
        return {row["patient"]: row for row in csv.DictReader(stream) if row["model"] == model}


def test_differences_are_those_of_the_rows(runs):
    one, two, page = runs
    before, after = rows_of(one), rows_of(two)
    shared = [p for p in PATIENTS[2:] if before[p]["label"] == after[p]["label"]]
    was, now = (np.array([rows[p]["label"] == rows[p]["predicted"] for p in shared])
                for rows in (before, after))  # fmt: skip
    (row,) = page.table("differences")
    assert row["method"] == "vit-early" and int(row["patients"]) == len(shared)
    assert float(row["difference_accuracy"]) == pytest.approx(now.mean() - was.mean(), abs=1e-12)
    assert float(row["p_mcnemar"]) == pytest.approx(mcnemar(now, was), abs=1e-12)
    (told,) = page.table("answers")
    assert [int(told[name]) for name in ("Right in both", "Wrong, then right", "Right, then wrong",
                                         "Wrong in both")] == [
        int((was & now).sum()), int((~was & now).sum()), int((was & ~now).sum()),
        int((~was & ~now).sum())]  # fmt: skip
    changed = {p for p in shared if before[p]["predicted"] != after[p]["predicted"]}
    assert {row["Patient"] for row in page.table("changed")} == changed


def test_settings_patients_and_labels_that_changed_are_named(runs):
    _, _, page = runs
    differing = {(row["Of"], row["Setting"]): row for row in page.table("settings")}
    rate = differing.pop(("vit-early", "training.learning_rate"))
    assert (rate["Run 1"], rate["Run 2"]) == ("0.1", "0.2")
    assert set(differing) == {("old-early", "the model"), ("new-early", "the model")}
    assert "-learning_rate = 0.1" in page.text and "+learning_rate = 0.2" in page.text
    assert {row["Patient"] for row in page.table("alone")} == {HOSTILE, "p01"}
    (other,) = page.table("relabelled")
    assert (other["Patient"], other["Run 1"], other["Run 2"]) == ("p05", "high", "normal")
    assert NOTICE in page.text and not page.all("b") and not page.all("img")


def test_the_same_two_runs_give_the_same_bytes(runs, tmp_path):
    one, two, page = runs
    assert report(one, two, "-o", tmp_path / "again.html").exit_code == 0
    assert (tmp_path / "again.html").read_text("utf-8") == page.html


def test_on_the_same_folds_the_t_test_is_there_and_else_it_is_not(runs, tmp_path):
    one, _, page = runs
    (row,) = page.table("differences")
    assert row["p_t_accuracy"] == ""
    same = write_run(tmp_path / "same", wrong=0.1, seed=2)
    assert report(one, same).exit_code == 0
    (row,) = Page((same / "comparison.html").read_text("utf-8")).table("differences")
    assert 0 < float(row["p_t_accuracy"]) <= 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "got the same run twice"),
        ({"classes": ("normal", "low<b>", "worst")}, "expected those of the first run"),
        ({"patients": [f"q{n}" for n in range(12)]}, "got no patient that the first run has"),
        ({"models": ("inn",)}, "expected one of the first run's at least: vit-early"),
        ({"relabel": PATIENTS}, "with the same label"),
    ],
)
def test_two_that_cannot_be_compared_are_refused_in_one_line(changed, says, tmp_path):
    one = write_run(tmp_path / "one")
    two = write_run(tmp_path / "two", **changed)
    done = report(one, two)
    assert done.exit_code == 3, done.output
    assert says in done.output and done.output.count("\n") == 1
    assert not (two / "comparison.html").exists()


def test_what_does_nothing_with_two_runs_is_refused(tmp_path):
    done = report("one", "two", "--cases", 3, "--model", "vit")
    assert done.exit_code == 2 and "--model, --cases does nothing with two runs" in done.output
