"""Networks taken up from a run answer as they did in it, and never saw whom they answer for."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from cohorts_in_memory import write_cohort
from cystgrid.cohort.splits import SplitSettings
from cystgrid.errors import StoreError, UsageError
from cystgrid.preparation.store import Store
from cystgrid.sealing import write_sealed
from cystgrid.training.nested import cross_validate
from cystgrid.training.out_of_fold import held_out, read_run
from training.conftest import make_recipe

NAME = "vit_tiny"


@pytest.fixture(scope="module")
def made(prepared, tmp_path_factory):
    """A run of a network with late fusion and of a model that has no network."""
    run = tmp_path_factory.mktemp("run")
    recipe = make_recipe(
        (NAME, "majority"),
        models={"inputs": {"default": ("late",)}},
        epochs=1,
        warmup=0,
    )
    cross_validate(prepared, run, recipe, SplitSettings(folds=3, turns=1), workers=0, quiet=True)
    return run, Store.open(prepared)


def test_members_give_the_very_predictions_of_the_run(made):
    folder, store = made
    table = pd.read_csv(folder / "predictions.csv").set_index(["model", "patient"]).loc[NAME]
    run = read_run(folder, store)
    seen = []
    for outer in run.outer:
        fold = held_out(run, NAME, "late", outer)
        patients = [store.load(patient) for patient in fold.patients]
        mean = np.mean([member.probabilities(patients) for member in fold.members], axis=0)
        expected = table.loc[list(fold.patients)].filter(like="p_").to_numpy()
        np.testing.assert_allclose(mean, expected, atol=1e-9)
        seen += fold.patients
    assert sorted(seen) == sorted(store.entries)


def test_no_member_saw_the_patients_it_explains(made):
    folder, store = made
    for outer in read_run(folder, store).outer:
        tested = set(held_out(read_run(folder, store), NAME, "late", outer).patients)
        for path in (folder / "jobs").glob(f"*/outer-{outer}/inner-*/job.json"):
            record = json.loads(path.read_text())
            assert not tested & {*record["train"], *record["validation"]}


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "run")
    return tmp_path / "run", made[1]


def test_altered_weights_are_refused(copy):
    folder, store = copy
    weights = next((folder / "jobs").glob(f"{NAME}-*/outer-0/inner-0/model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(StoreError, match="sha256"):
        held_out(read_run(folder, store), NAME, "late", 0)
    assert held_out(read_run(folder, store), NAME, "late", 1)


def test_a_training_that_is_missing_or_of_other_patients_is_refused(copy):
    folder, store = copy
    path = next((folder / "jobs").glob(f"{NAME}-*/outer-0/inner-0/job.json"))
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "test": record["test"][1:]}))
    with pytest.raises(StoreError, match="altered content"):
        held_out(read_run(folder, store), NAME, "late", 0)
    del record["seal"]
    write_sealed(path, {**record, "test": record["test"][1:]})
    with pytest.raises(StoreError, match="another study"):
        held_out(read_run(folder, store), NAME, "late", 0)
    path.unlink()
    with pytest.raises(StoreError, match="no such file"):
        held_out(read_run(folder, store), NAME, "late", 0)


def test_folds_that_are_not_the_run_s_are_refused(copy):
    folder, store = copy
    splits = json.loads((folder / "splits.json").read_text())
    first, second = splits["outer"][:2]
    first["test"], second["test"] = second["test"], first["test"]
    first["inner"], second["inner"] = second["inner"], first["inner"]
    (folder / "splits.json").write_text(json.dumps(splits))
    with pytest.raises(StoreError, match=r"splits\.json: got other folds than this run has"):
        read_run(folder, store)


def test_a_training_of_another_fold_is_refused_however_sound(copy):
    """Whole, of this run and unaltered, but its networks saw the patients of this fold."""
    folder, store = copy
    other, here = (
        next((folder / "jobs").glob(f"{NAME}-*/outer-{outer}/inner-0")) for outer in (1, 0)
    )
    shutil.rmtree(here)
    shutil.copytree(other, here)
    run = read_run(folder, store)
    assert held_out(run, NAME, "late", 1)
    with pytest.raises(StoreError, match="another study"):
        held_out(run, NAME, "late", 0)


def test_the_folds_are_read_once(made, monkeypatch):
    run = read_run(*made)
    monkeypatch.setattr("cystgrid.training.out_of_fold.read_splits", None)
    assert run.held_by((NAME, "late")) == {
        patient: outer
        for outer in run.outer
        for patient in held_out(run, NAME, "late", outer).patients
    }


def test_a_model_that_is_not_in_the_run_is_refused(made):
    folder, store = made
    with pytest.raises(UsageError, match=f"expected a network of this run: {NAME}-late"):
        read_run(folder, store).named("resnet18")


def test_a_network_is_named_with_its_inputs_or_without(made):
    run = read_run(*made)
    assert run.named(NAME) == run.named(f"{NAME}-late") == ((NAME, "late"),)


def test_a_run_on_other_data_is_refused(made, tmp_path):
    folder, _ = made
    other = Store.open(write_cohort(tmp_path / "other", patients=6))
    with pytest.raises(StoreError, match="the prepared folder that the run was trained on"):
        read_run(folder, other)
    with pytest.raises(StoreError, match=r"run\.json: got no such file"):
        read_run(tmp_path, other)
