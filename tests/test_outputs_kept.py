"""What a user has is never replaced by something else: every output says so, and stays as it is."""

import json
import os
import shutil

import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.errors import StoreError
from cystgrid.provenance import write_text
from studies_on_disk import HASTE, VIBE, write_series

STUDY = """
[preparation]
cell = 16
n4.enabled = false
registration.mode = "off"
[splits]
folds = 3
[grid]
cells = 4
[models]
names = ["resnet18"]
weights = "none"
[training]
epochs = 1
[deploy]
folds = 3
members = 1
"""


def cystgrid(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Phantoms, prepared, with a run, a model and answers."""
    folder = tmp_path_factory.mktemp("world")
    write_phantom_cohort(folder / "ph", patients=9, seed=4, reduction=4.0, quiet=True)
    (folder / "study.toml").write_text(STUDY)
    study = ("--study", folder / "study.toml", "--workers", 0)
    for words in (
        ("prepare", folder / "ph/cohort.csv", "-o", folder / "prepared", *study),
        ("crossval", folder / "prepared", "-o", folder / "run", *study),
        ("train", folder / "prepared", "-o", folder / "model", *study),
        ("predict", folder / "model", folder / "ph/cohort.csv", "-o", folder / "answers"),
    ):
        done = cystgrid(*words)
        assert done.exit_code == 0, done.output
    return folder


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


OWN = {"prepare": "prepared", "crossval": "run", "train": "model", "predict": "answers"}
ANOTHER_KIND = [(verb, kind) for verb in OWN for kind in OWN.values() if kind != OWN[verb]]


@pytest.mark.parametrize(("verb", "target"), ANOTHER_KIND)
def test_a_folder_of_another_kind_is_refused(world, verb, target):
    before = everything(world)
    source = {"prepare": "ph/cohort.csv", "predict": "model"}.get(verb, "prepared")
    words = [verb, world / source, "-o", world / target]
    words += [world / "ph/cohort.csv"] if verb == "predict" else ["--study", world / "study.toml"]
    done = cystgrid(*words)
    assert done.exit_code == 3, done.output
    assert "choose another folder" in done.output
    assert everything(world) == before


def test_other_answers_are_not_replaced_and_the_same_question_may_be_asked_again(world):
    before = everything(world / "answers")
    scans = world / "ph/scans/P001"
    one = ("predict", world / "model", "--t1", scans / "t1.nii.gz", "--t2", scans / "t2.nii.gz",
           "--roi", world / "ph/truth/P001/pancreas.nii.gz", "-o", world / "answers")  # fmt: skip
    done = cystgrid(*one)
    assert done.exit_code == 3
    assert "answers for other patients" in done.output
    assert everything(world / "answers") == before
    again = cystgrid("predict", world / "model", world / "ph/cohort.csv", "-o", world / "answers")
    assert again.exit_code == 0, again.output


def test_another_training_does_not_replace_a_model(world, tmp_path):
    before = everything(world / "model")
    (tmp_path / "other.toml").write_text(STUDY.replace("epochs = 1", "epochs = 2"))
    done = cystgrid(
        "train", world / "prepared", "-o", world / "model", "--study", tmp_path / "other.toml"
    )
    assert done.exit_code == 3
    assert "another recipe" in done.output
    assert everything(world / "model") == before


@pytest.mark.parametrize("name", ["cohort.csv", "README.txt"])
def test_phantoms_do_not_replace_a_cohort(tmp_path, name):
    (tmp_path / name).write_text("mine")
    done = cystgrid("phantom", tmp_path, "--patients", 1)
    assert done.exit_code == 3
    assert "another cohort" in done.output
    assert everything(tmp_path) == {tmp_path / name: b"mine"}


def test_a_quality_page_replaces_quality_pages_only(world, tmp_path):
    check = ("cohort", "check", world / "ph/cohort.csv", "--workers", 0, "-o")
    page = tmp_path / "check.html"
    assert cystgrid(*check, page).exit_code == cystgrid(*check, page).exit_code == 0
    for path in (tmp_path / "mine.html", tmp_path / "cohort.csv"):
        path.write_text("mine")
        done = cystgrid(*check, path)
        assert done.exit_code == 3
        assert "cystgrid did not write" in done.output
        assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["cohort.csv", "cohort-import.txt"])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_an_import_replaces_nothing_unless_told(tmp_path, name, dry):
    for headers, series in ((VIBE, "t1"), (HASTE, "t2")):
        write_series(tmp_path / "tree", series, headers)
    (tmp_path / name).write_text("mine")
    words = ("cohort", "import", "dicom", tmp_path / "tree", "-o", tmp_path / "cohort.csv", *dry)
    done = cystgrid(*words)
    assert done.exit_code == 3
    assert "--overwrite" in done.output
    assert "Series taken" in done.output, "what was found is shown all the same"
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2
    assert cystgrid(*words, "--overwrite").exit_code == 0
    assert ((tmp_path / name).read_text() == "mine") == bool(dry)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(StoreError, match="no file"):
            write_text(tmp_path / name, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_write_that_fails_names_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(tmp_path / "a.txt", "x")
    assert caught.value.filename == str(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("not json", "no JSON"),
        ("[]", "no list of folds"),
        ('{"outer": []}', "no list of folds"),
        ('{"outer": [{"test": ["P001"]}]}', 'without a list under "inner"'),
        (
            json.dumps({"outer": [{"test": ["a"], "inner": [{"train": "P3", "validation": []}]}]}),
            'under "train"',
        ),
    ],
)
def test_splits_that_are_none_are_refused_in_words(world, tmp_path, content, says):
    path = tmp_path / "splits.json"
    path.write_text(content)
    done = cystgrid("crossval", world / "prepared", "-o", tmp_path / "run", "--study",
                    world / "study.toml", "--splits", path)  # fmt: skip
    assert done.exit_code == 3
    assert says in done.output
    assert "Error" not in done.output
    assert not (tmp_path / "run").exists()
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("name", ["", " ", "=cmd", "a\nb"])
def test_a_name_that_no_manifest_takes_is_wrong_usage(world, tmp_path, name):
    done = cystgrid("predict", world / "model", "--t1", "x", "--t2", "y", "-o", tmp_path / "o",
                    "--patient", name)  # fmt: skip
    assert done.exit_code == 2
    assert "--patient" in done.output
