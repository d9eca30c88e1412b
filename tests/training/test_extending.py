"""A run that is extended with other models keeps its decision fusions, or says why it has not."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from cystgrid.runs import run_crossval, unfused_notes
from cystgrid.sealing import read_sealed, write_sealed
from cystgrid.study import Study
from cystgrid.training.design import Design
from training.conftest import make_recipe

SITE, COUNT, THIRD = "site-only", "majority", "resnet18"
FUSED = f"{SITE}+{COUNT}"


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """Predictions and notes are looked at alone: tables and figures take most of the time."""
    nothing = SimpleNamespace(removal_notes=[], written=[], table1=None)
    monkeypatch.setattr("cystgrid.runs.write_results", lambda *args, **kwargs: nothing)


STUDY = Study.parse({
    "splits": {"folds": 3, "turns": 1},
    "grid": {"cells": 4},
    "models": {"names": [SITE, COUNT, THIRD], "fusions": [[SITE, COUNT]], "weights": "none"},
    "training": {"epochs": 1, "warmup": 0},
}, "a study")  # fmt: skip


def crossval(prepared, folder, *models, study=STUDY):
    """Models in the run's predictions, and the notes."""
    _, notes = run_crossval(prepared, folder, study, models=models, workers=0, quiet=True)
    return set(pd.read_csv(folder / "predictions.csv")["model"]), notes


def test_a_run_that_gains_a_model_keeps_its_fusion(prepared, tmp_path):
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    assert crossval(prepared, grown, SITE, COUNT) == ({SITE, COUNT, FUSED}, [])
    assert crossval(prepared, grown, THIRD)[0] == {SITE, COUNT, THIRD, FUSED}
    crossval(prepared, whole)
    for name in ("predictions.csv", "validation.csv", "decision.json"):
        assert (grown / name).read_bytes() == (whole / name).read_bytes(), name
    card = json.loads((grown / "run.json").read_text())
    assert card["fusions"] == [[f"{SITE}-none", f"{COUNT}-none"]]


def test_models_that_come_one_by_one_are_fused_when_both_are_there(prepared, tmp_path):
    absent = f"{FUSED}: a fusion of the study that is not made: {COUNT} is not in this folder yet"
    assert crossval(prepared, tmp_path, SITE) == ({SITE}, [absent])
    assert crossval(prepared, tmp_path, COUNT) == ({SITE, COUNT, FUSED}, [])


def test_a_fusion_of_a_model_that_is_not_whole_is_named_and_made_later(prepared, tmp_path):
    crossval(prepared, tmp_path, SITE, COUNT)
    (tmp_path / f"jobs/{COUNT}-none/outer-1/inner-0/job.json").unlink()
    there, notes = crossval(prepared, tmp_path, SITE)
    assert there == {SITE}
    assert [note.split(":")[0] for note in notes] == [f"{COUNT}-none", f"{FUSED}-none"]
    assert f"for want of {COUNT}-none;" in notes[1]
    assert not (tmp_path / "decision.json").exists(), "of a fusion that is in no table"
    assert crossval(prepared, tmp_path, COUNT) == ({SITE, COUNT, FUSED}, [])


def test_a_fusion_that_the_study_no_longer_names_stays_like_a_model(prepared, tmp_path):
    crossval(prepared, tmp_path, SITE, COUNT)
    without = STUDY.model_copy(update={"models": STUDY.models.model_copy(update={"fusions": ()})})
    assert crossval(prepared, tmp_path, SITE, study=without) == ({SITE, COUNT, FUSED}, [])


def test_a_model_on_two_inputs_is_the_one_asked_for_or_has_to_be_named(tmp_path):
    pairs = ("resnet18-t1", "resnet18-t2", "site-only-none")
    write_sealed(tmp_path / "run.json", {"models": {pair: {} for pair in pairs}, "fusions": []})
    words = ("resnet18", SITE)
    (note,) = unfused_notes(tmp_path, [words])
    assert note.endswith("not made: which of resnet18-t1, resnet18-t2? Name it")
    now = (("resnet18", "t2"),)
    recipe = make_recipe(models={"inputs": ("t2",)})
    asked = Design(tmp_path, None, recipe, None, now, "nested", (words,))
    assert asked.fusions() == [(("resnet18", "t2"), (SITE, "none"))]
    assert replace(asked, pairs=(("majority", "none"),)).fusions() == []


def test_a_run_card_without_fusions_is_gone_on_with(prepared, tmp_path):
    crossval(prepared, tmp_path, SITE, COUNT)
    card = read_sealed(tmp_path / "run.json", expected="a card", do="look")
    write_sealed(tmp_path / "run.json", {k: v for k, v in card.items() if k != "fusions"})
    assert crossval(prepared, tmp_path, SITE) == ({SITE, COUNT, FUSED}, [])
