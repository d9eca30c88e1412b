"""All that is told of predictions, through the command line: ours, theirs, and wrong ones."""

import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cystgrid.checksums import read_sums, record_sums
from cystgrid.cli import app
from cystgrid.evaluation.calibration import scaled
from cystgrid.evaluation.earlier import earlier_files
from cystgrid.evaluation.predictions import check_predictions, read_predictions
from cystgrid.evaluation.settings import EvaluationSettings
from cystgrid.results import Companions, write_evaluation

CLASSES = ("normal", "low", "high")
COLUMNS = [f"p_{name}" for name in CLASSES]
TABLES = [
    "table1", "table2", "table3", "table4", "table5", "all_metrics", "optimism", "calibration",
    "conformal_coverage",
]  # fmt: skip
FIGURES = [
    "confusion", "roc", "precision-recall", "reliability", "forest", "folds", "decisions",
    "decisions-at-least",
]  # fmt: skip


def cystgrid(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def predictions(patients=45, folds=3, seed=0):
    generator = np.random.default_rng(seed)
    truth = np.arange(patients) % 3
    parts = []
    for model, inputs, signal in (("vit", "t1", 0.5), ("vit", "early", 1.5), ("a+b", "t1", 1.0)):
        scores = generator.normal(size=(patients, 3)) + signal * np.eye(3)[truth]
        values = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        part = pd.DataFrame(
            {
                "model": model,
                "inputs": inputs,
                "outer_fold": np.arange(patients) // 3 % folds,
                "patient": [f"P{n:03d}" for n in range(patients)],
                "center": np.where(np.arange(patients) % 2, "A", "B"),
                "label": np.array(CLASSES)[truth],
                "predicted": np.array(CLASSES)[values.argmax(axis=1)],
            }
        )
        part[COLUMNS] = values
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with all that others write there."""
    folder = tmp_path_factory.mktemp("run")
    frame = predictions()
    frame.to_csv(folder / "predictions.csv", index=False)
    frame.assign(predicted=frame["label"]).to_csv(folder / "predictions-peer.csv", index=False)
    rows = []
    known = frame[frame["model"] != "a+b"]
    for (model, inputs, fold), _ in known.groupby(["model", "inputs", "outer_fold"]):
        same = (known["model"] == model) & (known["inputs"] == inputs)
        others = known[same & (known["outer_fold"] != fold)].copy()
        others[COLUMNS] = scaled(others[COLUMNS].to_numpy(), 0.5)
        rows.append(others.assign(outer_fold=fold, inner_fold=0))
    columns = ["model", "inputs", "outer_fold", "inner_fold", "patient", "label", *COLUMNS]
    pd.concat(rows)[columns].to_csv(folder / "validation.csv", index=False)
    names = frame["patient"].unique()
    pd.DataFrame(
        {"patient": names, "center": "A", "sex": "F", "age": range(40, 85), "modalities": "t1+t2"}
    ).to_csv(folder / "patients.csv", index=False)
    done = cystgrid("tables", folder)
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_a_run_gives_every_table_and_figure(run):
    folder, output = run
    written = [folder / f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "md", "tex")]
    written += [folder / f"figures/{name}.png" for name in FIGURES]
    names = ("calibrated", "conformal", "decision_curves", "temperatures")
    written += [folder / f"tables/{name}.csv" for name in names]
    for path in written:
        assert path.stat().st_size > 0, path
        assert str(path) in output
    assert "Research use only" in " ".join(output.split())
    assert "a+b has no validation predictions" in output.replace("(T1) ", "")
    assert (folder / "tables/notes.txt").read_text().startswith("a+b")


def test_calibrated_predictions_are_predictions(run):
    folder, _ = run
    found = read_predictions(folder / "tables/calibrated.csv")
    own = read_predictions(folder / "predictions.csv")
    assert len(found.frame) == len(own.frame) * 2 // 3
    header = (folder / "tables/calibrated.csv").read_text().splitlines()[0]
    assert header == (folder / "predictions.csv").read_text().splitlines()[0]


def test_the_same_files_give_the_same_bytes(run, tmp_path):
    folder, _ = run
    assert cystgrid("tables", folder, "-o", tmp_path).exit_code == 0
    for first in (folder / "tables").iterdir():
        assert first.read_bytes() == (tmp_path / first.name).read_bytes(), first.name
    for first in (folder / "figures").iterdir():
        assert first.read_bytes() == (tmp_path / "figures" / first.name).read_bytes(), first.name


@pytest.fixture
def without_figures(monkeypatch):
    """Figures and decision curves, which take longest, are not made."""
    monkeypatch.setattr("cystgrid.results._figures", lambda *_: None)


@pytest.mark.usefixtures("without_figures")
def test_what_an_earlier_evaluation_had_more_of_is_gone_and_what_is_not_its_own_stays(
    run, tmp_path
):
    again = shutil.copytree(run[0], tmp_path / "again")
    for name in ("mine.csv", "table6.md", "checks.csv"):
        (again / "tables" / name).write_text("somebody's")
    (again / "run.json").write_text("{}")
    frame = predictions()
    frame[frame["model"] == "a+b"].to_csv(again / "predictions.csv", index=False)
    for name in ("validation.csv", "predictions-peer.csv", "patients.csv"):
        (again / name).unlink()
    record_sums(again, [path for path in again.rglob("*") if path.is_file()])
    done = cystgrid("tables", again)
    assert done.exit_code == 0, done.output
    left = {path.name for path in (again / "tables").iterdir()}
    made = {f"{name}.{kind}" for name in ("table1", "table3", "table5", "all_metrics")
            for kind in ("csv", "md", "tex")}  # fmt: skip
    assert left == {*made, "notes.txt", "mine.csv", "table6.md", "checks.csv"}
    assert "note: removed from" in done.output and "table4.md" in done.output
    recorded = {name for name in read_sums(again) if name.startswith("tables/")}
    assert recorded == {f"tables/{name}" for name in left}


@pytest.mark.usefixtures("without_figures")
def test_in_a_folder_without_an_earlier_evaluation_nothing_is_removed(tmp_path):
    (tmp_path / "table4.csv").write_text("mine")
    (tmp_path / "table1.md").write_text("mine too")
    predictions()[lambda rows: rows["model"] == "a+b"].to_csv(tmp_path / "p.csv", index=False)
    assert cystgrid("tables", tmp_path / "p.csv", "-o", tmp_path).exit_code == 0
    assert (tmp_path / "table4.csv").read_text() == "mine"


def test_every_table_is_known_as_one_of_an_evaluation(run):
    folder = run[0] / "tables"
    assert earlier_files(folder) and set(earlier_files(folder)) == set(folder.iterdir())


def test_without_companions_a_note_says_what_is_missing(run, tmp_path):
    frame = predictions()
    frame[frame["model"] == "a+b"].assign(center="").to_csv(tmp_path / "mine.csv", index=False)
    done = cystgrid("tables", tmp_path / "mine.csv", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    for told in ("No Table II", "No Table IV", "No Table V", "No calibration", "No table of opt"):
        assert f"note: {told}" in done.output
    names = {path.stem for path in (tmp_path / "out").glob("*.md")}
    assert names == {"table1", "table3", "all_metrics"}


def test_files_beside_anyones_predictions_are_not_taken_for_a_runs(run, tmp_path):
    predictions().to_csv(tmp_path / "theirs.csv", index=False)
    (tmp_path / "patients.csv").write_text("another,file\n1,2\n")
    done = cystgrid("tables", tmp_path / "theirs.csv", "-o", tmp_path / "out", "--quiet")
    assert done.exit_code == 0, done.output
    assert done.output == ""


def test_a_file_of_another_program_with_two_classes(tmp_path):
    """Other names, no answers, no models, no folds, one column of probabilities, costs, sexes."""
    generator = np.random.default_rng(3)
    truth = np.arange(80) % 2
    score = 1 / (1 + np.exp(-generator.normal(1.5 * truth - 0.7)))
    pd.DataFrame(
        {"id": range(80), "truth": np.array(["benign", "cancer"])[truth], "score": score}
    ).to_csv(tmp_path / "theirs.csv", index=False)
    (tmp_path / "who.csv").write_text(
        "patient,sex\n" + "\n".join(f"{n},{'FM'[n % 4 > 1]}" for n in range(80))
    )
    (tmp_path / "costs.csv").write_text("label,benign,cancer\nbenign,0,1\ncancer,10,0\n")
    done = cystgrid(
        "tables", tmp_path / "theirs.csv", "-o", tmp_path / "out", "--patient-column", "id",
        "--label-column", "truth", "--positive", "cancer", "--probability-column", "score",
        "--patients", tmp_path / "who.csv", "--costs", tmp_path / "costs.csv",
        "--specificity", 0.8,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "the most probable class is the answer" in " ".join(done.output.split())
    table = pd.read_csv(tmp_path / "out/table1.csv")
    said = np.where(score > 0.5, 1, 0)
    assert table["pooled_accuracy"][0] == pytest.approx((said == truth).mean(), abs=1e-12)
    positive, negative = score[truth == 1], score[truth == 0]
    area = (positive[:, None] > negative).mean()
    assert table["pooled_auc"][0] == pytest.approx(area, abs=1e-12)
    metrics = pd.read_csv(tmp_path / "out/all_metrics.csv").set_index(["class", "metric"])["pooled"]
    cost = (10 * ((truth == 1) & (said == 0)) + ((truth == 0) & (said == 1))).mean()
    assert metrics["all", "expected_cost"] == pytest.approx(cost, abs=1e-12)
    sexes = pd.read_csv(tmp_path / "out/table5.csv").query("grouping == 'sex'")
    assert sexes["patients"].tolist() == [40, 40]


def test_the_table_fits_a_hundred_columns(run, monkeypatch):
    import io

    from rich.console import Console

    folder, _ = run
    found = read_predictions(folder / "predictions.csv")
    results = write_evaluation(
        found, folder / "again", folder / "again", settings=EvaluationSettings(resamples=100)
    )
    stream = io.StringIO()
    Console(file=stream, width=100).print(results.table1)
    assert max(map(len, stream.getvalue().splitlines())) <= 100
    assert "…" not in stream.getvalue()


BAD = "patient,label,p_a,p_b\n1,a,0.5,0.5\n2,b,0.5,0.5\n"


@pytest.mark.parametrize(
    ("text", "words", "code", "says"),
    [
        (BAD, ["--patient-column", "id"], 3, "--patient-column: got no column 'id'"),
        (BAD, ["--classes", "a,c"], 3, "--classes: got a, c"),
        (BAD, ["--error-rate", "1.5"], 2, "--error-rate"),
        (BAD, ["--specificity", "0"], 2, "--specificity"),
        (BAD, ["--age-bands", "60,50"], 2, "--age-bands"),
        (BAD, ["--age-bands", "old"], 2, "expected numbers of years"),
        (BAD, ["--probability-columns", "a"], 2, "expected CLASS=COLUMN"),
        (BAD, ["--long", "--positive", "a"], 2, "--long and --positive"),
        (BAD, ["--costs", "none.csv"], 3, "expected a table of costs"),
        (BAD, ["--patients", "none.csv"], 3, "expected a table of patients"),
        (BAD, ["--validation", "none.csv"], 3, "expected inner validation predictions"),
        (BAD, ["--peer", "none.csv"], 3, "expected a predictions file"),
        (BAD.replace("0.5,0.5\n2", "0.5,0.6\n2"), [], 3, "line 2: the probabilities sum to 1.1"),
        ("a;b\n1;2\n", [], 3, "separated by ';'"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    text, words, code, says, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.csv").write_text(text)
    done = cystgrid("tables", "theirs.csv", "-o", "out", *words)
    assert done.exit_code == code, done.output
    assert says in done.output
    if code == 3:
        assert done.output.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.csv"]


def test_companions_that_are_given_are_taken_before_those_found(run, tmp_path):
    folder, _ = run
    path, found = Companions.found(folder, Companions(patients=tmp_path / "mine.csv"))
    assert path == folder / "predictions.csv"
    assert found.patients == tmp_path / "mine.csv"
    assert found.validation == folder / "validation.csv"
    assert Companions.found(tmp_path / "theirs.csv", Companions())[1] == Companions()


def odd(patients, classes, models=("x", "y"), folds=3, truth=None, same=False):
    generator = np.random.default_rng(0)
    truth = generator.integers(0, len(classes), patients) if truth is None else truth
    parts = []
    for model in models:
        values = generator.dirichlet(np.ones(len(classes)), patients)
        values = np.full_like(values, 1 / len(classes)) if same else values
        part = pd.DataFrame(
            {
                "model": model,
                "inputs": "t2",
                "outer_fold": np.arange(patients) % folds,
                "patient": [f"P{n}" for n in range(patients)],
                "center": "",
                "label": np.array(classes)[truth],
                "predicted": np.array(classes)[values.argmax(axis=1)],
            }
        )
        parts.append(part.assign(**{f"p_{c}": values[:, n] for n, c in enumerate(classes)}))
    return check_predictions(pd.concat(parts), classes)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "found",
    [
        odd(1, ("a", "b"), models=("x",)),
        odd(9, ("a", "b", "c"), truth=np.zeros(9, int)),
        odd(40, tuple("abcdefgh")),
        odd(12, ("a", "b"), folds=12),
        odd(20, ("a", "b", "c"), same=True),
        odd(20, ("a", "b"), models=("x" * 70, "spaces_and $%&|<b>")),
    ],
    ids=["one patient", "one class", "eight classes", "folds of one", "all alike", "odd names"],
)
def test_odd_predictions_are_told_without_a_warning(found, tmp_path):
    results = write_evaluation(
        found, tmp_path, tmp_path, settings=EvaluationSettings(resamples=100)
    )
    assert all(path.stat().st_size > 0 for path in results.written)
