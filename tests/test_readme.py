"""The README's commands run in their order, on a small cohort and a small study without N4."""

import re
import shlex
import shutil
from pathlib import Path

from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.study import Study
from studies_on_disk import HASTE, VIBE, write_series

README = Path(__file__).parents[1] / "README.md"
ENDLESS = frozenset(("serve",))
"""Verbs that end by Ctrl-C alone; they are run in tests of their own."""

SMALL_STUDY = """
[preparation.n4]
enabled = false
[splits]
folds = 3
[grid]
cells = 4
pixels = 16
[models]
names = ["resnet18"]
weights = "none"
[training]
epochs = 1
[deploy]
folds = 3
members = 1
"""


def commands():
    """Every cystgrid command of the README, without the prompt's folder and the remarks."""
    lines = re.findall(r"^ {4}\.venv/bin/cystgrid (.*)$", README.read_text("utf-8"), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_every_verb_is_shown():
    verbs = {words[0] for words in commands()}
    assert {"cohort", "prepare", "crossval", "tables", "train", "predict", "explain"} <= verbs


def test_the_commands_run_one_after_the_other(tmp_path, monkeypatch, no_workers):
    write_phantom_cohort(tmp_path, patients=9, seed=8, reduction=4.0)
    write_phantom_cohort(tmp_path / "new", patients=1, seed=9, reduction=4.0, image_format="dicom")
    for name in ("T1", "T2"):
        shutil.copytree(tmp_path / f"new/scans/P001/{name.lower()}", tmp_path / f"{name}-DICOM")
    for name, headers in (("t1", VIBE), ("t2", HASTE)):
        write_series(tmp_path / "export", name, headers)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/paper.toml").write_text(SMALL_STUDY)
    monkeypatch.chdir(tmp_path)
    for words in commands():
        if words[0] in ENDLESS:
            words = [*words, "--help"]
        if words[0] == "prepare":
            words = [*words, "--study", "studies/paper.toml"]  # a minute less of N4
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (words, done.output)


def test_the_shipped_studies_are_valid_and_the_paper_is_to_the_letter():
    folder = Path(__file__).parents[1] / "studies"
    PretrainSettings.read_toml(folder / "pretrain.toml", "a pretraining study")
    studies = {
        path.stem: Study.read(path) for path in folder.glob("*.toml") if path.stem != "pretrain"
    }
    assert {"all-systems", "demo", "paper", "sweep"} <= set(studies)
    paper = studies["paper"]
    training = paper.recipe().training_of("vit")
    assert (training.optimizer, training.learning_rate) == ("adam", 0.003)
    assert (training.batch, training.epochs, paper.splits.folds) == (8, 3000, 10)
    assert paper.models.architecture("vit") == "vit_base"
    assert (paper.grid.cells, paper.preparation.cell, paper.preparation.in_plane) == (9, 64, 256)
    cnns = ("alexnet", "densenet121", "resnet18", "mobilenet_v2", "efficientnet_b5")
    assert set(paper.models.pairs()) == {
        *(("vit", inputs) for inputs in ("t1", "t2", "late", "early")),
        *((name, "early") for name in cnns),
    }
    for name in cnns:  # "the same training and evaluation procedure"
        assert paper.recipe().training_of(name) == training
