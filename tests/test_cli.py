"""The verbs from end to end on a small phantom cohort: what they write, say and exit with."""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cystgrid import __version__
from cystgrid.cli import app
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.provenance import NOTICE
from cystgrid.runs import training_note
from cystgrid.study import Study

STUDY = """
[preparation]
cell = 16
[preparation.n4]
shrink_mm = 30
iterations = [2]
[splits]
folds = 3
[grid]
cells = 4
[models]
names = ["vit", "resnet18"]
vit = "tiny"
weights = "none"
[training]
epochs = 2
warmup = 0
[recipes.vit]
learning_rate = 1e-4
[deploy]
folds = 3
members = 1
"""


def cystgrid(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Phantoms, study, prepared patients and a finished run."""
    folder = tmp_path_factory.mktemp("world")
    write_phantom_cohort(folder / "phantoms", patients=9, seed=4, reduction=3.0)
    (folder / "study.toml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def prepared(world):
    done = cystgrid("prepare", world / "phantoms/cohort.csv", "-o", world / "prepared",
                    "--study", world / "study.toml", "--workers", 0)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "9 prepared, 0 unchanged, 0 refused" in done.output
    return world / "prepared"


@pytest.fixture(scope="module")
def run(world, prepared):
    done = cystgrid("crossval", prepared, "-o", world / "run", "--study", world / "study.toml",
                    "--workers", 0)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "vit" in done.output
    assert "resnet18" in done.output
    assert "Research use only" in " ".join(done.output.split())  # it may be wrapped
    assert f"tables: {world / 'run/tables'}" in done.output
    return world / "run"


@pytest.fixture(scope="module")
def model(world, prepared):
    done = cystgrid("train", prepared, "-o", world / "model", "--study", world / "study.toml",
                    "--model", "resnet18", "--workers", 0)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "training resnet18 on inputs early\n" in done.output, "one was asked for"
    return world / "model"


def test_train_says_which_of_several_models_it_takes():
    study = Study.parse({"models": {"names": ["vit", "resnet18"], "inputs": ["early", "t2"]}}, "s")
    said = training_note(study.recipe())
    assert said.startswith("training vit on inputs early, the first of the study's; not vit-t2, ")
    assert "resnet18-t2: choose with --model and --inputs" in said
    assert training_note(study.recipe(("resnet18",), ("t2",))) == "training resnet18 on inputs t2"


def test_a_run_holds_what_the_contract_says(run):
    for name in (
        "study.toml", "run.json", "splits.json", "predictions.csv", "tables/table1.csv",
        "tables/table1.md", "tables/table1.tex", "figures/confusion.png", "figures/training.png",
        "figures/grids.png",
    ):  # fmt: skip
        assert (run / name).stat().st_size > 0, name
    table = pd.read_csv(run / "predictions.csv")
    assert len(table) == 2 * 9
    assert (run / "study.toml").read_text() == STUDY
    header = (run / "tables/table1.csv").read_text().split("\n")[0]
    assert header.startswith(
        "method,accuracy_mean,accuracy_sd,precision_mean,precision_sd,recall_mean,recall_sd"
    )


def test_preparing_again_does_nothing_and_quiet_says_nothing(world, prepared):
    again = ("prepare", world / "phantoms/cohort.csv", "-o", prepared,
             "--study", world / "study.toml", "--workers", 0)  # fmt: skip
    assert "0 prepared, 9 unchanged" in cystgrid(*again).output
    assert cystgrid(*again, "--quiet").output == ""


def test_a_refused_patient_is_named_and_the_others_go_on(world, tmp_path):
    shutil.copytree(world / "phantoms", tmp_path / "phantoms")
    (tmp_path / "phantoms/scans/P002/t1.nii.gz").write_bytes(b"noise")
    done = cystgrid("prepare", tmp_path / "phantoms/cohort.csv", "-o", tmp_path / "prepared",
                    "--study", world / "study.toml", "--workers", 0)  # fmt: skip
    assert done.exit_code == 4
    assert "refused: P002: " in done.output
    assert "8 prepared" in done.output


def test_a_single_patient_refused_is_bad_input_and_nothing_is_written(model, tmp_path):
    noise = tmp_path / "noise.nii"
    noise.write_bytes(b"noise")
    done = cystgrid("predict", model, "--t1", noise, "--t2", noise,
                    "--roi", "0,1,0,1,0,1", "-o", tmp_path / "out")  # fmt: skip
    assert done.exit_code == 3
    assert done.output.startswith("refused: patient: ")
    assert not (tmp_path / "out").exists()


def test_tables_of_anyones_predictions(run, tmp_path):
    shutil.copy(run / "predictions.csv", tmp_path / "theirs.csv")
    done = cystgrid("tables", tmp_path / "theirs.csv", "-o", tmp_path / "tables")
    assert done.exit_code == 0, done.output
    ours = (run / "tables/table1.csv").read_bytes()
    assert (tmp_path / "tables/table1.csv").read_bytes() == ours


def test_predicting_a_cohort(world, model, tmp_path):
    done = cystgrid("predict", model, world / "phantoms/cohort.csv", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    assert NOTICE in done.output
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert len(table) == 9
    assert set(table["notice"]) == {NOTICE}
    assert table[["p_normal", "p_low", "p_high"]].sum(axis=1).sub(1).abs().max() < 1e-9
    assert json.loads((tmp_path / "predictions.json").read_text())["notice"] == NOTICE
    assert (tmp_path / "grids/P001.png").stat().st_size > 1000


def test_a_patient_predicted_alone_from_dicom_gets_the_answer_of_the_cohort(world, model, tmp_path):
    """The same phantom written as NIfTI and as DICOM, as a row and as options."""
    write_phantom_cohort(
        tmp_path / "dicom", patients=1, seed=4, image_format="dicom", reduction=3.0
    )
    folder = tmp_path / "dicom"
    alone = cystgrid("predict", model, "--t1", folder / "scans/P001/t1", "--t2",
                     folder / "scans/P001/t2", "--roi", folder / "truth/P001/pancreas.nii.gz",
                     "-o", tmp_path / "alone", "--patient", "someone")  # fmt: skip
    assert alone.exit_code == 0, alone.output
    cystgrid("predict", model, world / "phantoms/cohort.csv", "-o", tmp_path / "all",
             "--workers", 0)  # fmt: skip
    columns = ["p_normal", "p_low", "p_high"]
    row = pd.read_csv(tmp_path / "alone/predictions.csv").iloc[0]
    same = pd.read_csv(tmp_path / "all/predictions.csv").set_index("patient").loc["P001"]
    assert row["patient"] == "someone"
    assert (row[columns] - same[columns]).abs().max() < 0.02


def test_workers_change_no_byte_of_the_answers(world, model, tmp_path):
    """One patient in the middle is refused, wherever it is worked on."""
    rows = (world / "phantoms/cohort.csv").read_text().splitlines()
    cells = rows[2].split(",")
    cells[4] = "900,901,900,901,900,901"
    cohort = world / "phantoms/some.csv"
    cohort.write_text("\n".join([rows[0], rows[1], ",".join(f'"{c}"' for c in cells), rows[3]]))
    written = []
    for workers in (0, 1, 2):
        out = tmp_path / str(workers)
        done = cystgrid("predict", model, cohort, "-o", out, "--workers", workers)
        assert done.exit_code == 4, done.output
        assert "refused: P002: roi" in done.output
        written.append({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert written[0] == written[1] == written[2]
    assert len(written[0]) == 4, "table, record and two pictures"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["prepare", "nowhere.csv", "-o", "out"], 3, "error: nowhere.csv: got no such file"),
        (["crossval", "nowhere", "-o", "out"], 3, "nowhere: got no such folder, expected prepared"),
        (
            ["crossval", ".", "-o", "out"],
            3,
            "got a folder without prepared.json, expected prepared",
        ),
        (["train", __file__, "-o", "out"], 3, "test_cli.py: got a file, expected prepared data"),
        (["crossval", "nowhere", "-o", "out", "--study", "no.toml"], 3, "no readable file"),
        (["tables", "nowhere.csv"], 3, "nowhere.csv"),
        (["predict", "nowhere", "cohort.csv", "-o", "out"], 3, "model.json"),
        (["predict", "nowhere", "-o", "out", "--t1", "a", "--t2", "b"], 3, "t1: got nothing there"),
        (
            ["explain", "nowhere", "-o", "out", "--t1", ".", "--roi", "b"],
            3,
            "roi: got nothing there",
        ),
        (["predict", "nowhere", "-o", "out"], 2, "either a COHORT.CSV or --t1/--t2"),
        (["prepare"], 2, "Missing argument"),
        (["prepair"], 2, "No such command"),
        (["phantom", "x", "--patients", "0"], 2, "--patients"),
    ],
)
def test_what_goes_wrong_is_one_line_and_the_contracts_exit_code(
    words, code, says, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = cystgrid(*words)
    assert done.exit_code == code
    assert says in done.output
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[trainin]\n", "did you mean 'training'?"),
        ("[training]\nepoch = 3\n", "did you mean 'epochs'?"),
        ("[training]\nepochs = 0\n", "training.epochs: got 0"),
        ("[recipes.vit]\nbatchh = 3\n", "did you mean 'batch'?"),
        ("[models]\nnames = ['alexnett']\n", "Available: vit"),
        ("not toml", "line 1, column 5: got 'not toml'"),
    ],
)
def test_a_study_with_a_slip_is_refused_with_the_nearest_key(text, says, prepared, tmp_path):
    (tmp_path / "study.toml").write_text(text)
    done = cystgrid(
        "crossval", prepared, "-o", tmp_path / "run", "--study", tmp_path / "study.toml"
    )
    assert done.exit_code == 3
    assert says in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["crossval", "train"])
def test_weights_that_lie_nowhere_are_refused_before_any_work(verb, prepared, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY.replace('weights = "none"', 'weights = "phantoms"'), "utf-8")
    out = tmp_path / "out"
    result = cystgrid(verb, prepared, "-o", out, "--study", path)
    assert result.exit_code == 3
    assert "phantoms: got no such file" in result.output
    assert 'did you mean "phantom"?' in result.output
    assert not out.exists()


def test_data_prepared_otherwise_than_the_study_says_is_refused(prepared, world, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY.replace("cell = 16", "cell = 32"))
    done = cystgrid(
        "crossval", prepared, "-o", tmp_path / "run", "--study", tmp_path / "study.toml"
    )
    assert done.exit_code == 3
    assert "preparation: got cell = 16, expected cell = 32, as the study says" in done.output


def test_a_bug_exits_with_1_and_debug_shows_where(prepared, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("cystgrid.preparation.store.Store.open", broken)
    done = cystgrid("crossval", prepared, "-o", tmp_path / "run", "--debug")
    assert done.exit_code == 1
    assert "a bug in cystgrid: ZeroDivisionError" in done.output


def test_every_verb_has_help_with_an_example():
    verbs = list(commands(get_command(app)))
    assert ("crossval",) in verbs and ("pacs", "watch") in verbs
    for verb in verbs:
        done = cystgrid(*verb, "--help")
        assert done.exit_code == 0
        assert f"cystgrid {' '.join(verb)}" in " ".join(done.output.partition("Example")[2].split())


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def test_python_runs_the_package_as_the_command():
    words = [sys.executable, "-m", "cystgrid", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cystgrid {__version__}")


HEAVY = ("torch", "timm", "SimpleITK", "pandas", "sklearn", "matplotlib", "pydantic", "scipy")


@pytest.mark.parametrize("module", ["cystgrid", "cystgrid.cli"])
def test_import_and_help_load_nothing_heavy(module):
    """A law rather than a time: neither may touch the libraries that take seconds to import."""
    script = f"import sys, {module}; print(*(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "", done.stdout + done.stderr
