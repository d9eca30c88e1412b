"""A second training into one MODEL folder: the same model stays, another is refused by name."""

import numpy as np
import pytest

from cystgrid.errors import ScanError, StoreError
from cystgrid.preparation.store import Store
from cystgrid.training import deploy, site
from cystgrid.training.deploy import train_model
from cystgrid.training.deployed import load_model
from cystgrid.training.model_card import read_model_card
from cystgrid.training.settings import DeploySettings
from training.conftest import make_patient, make_recipe, write_store

TWO = DeploySettings(folds=3, members=2)


def train(prepared, folder, settings=TWO, *, said=None, **recipe):
    names = recipe.pop("names", ("resnet18",))
    return train_model(
        prepared, folder, make_recipe(names, **recipe), settings, workers=0, quiet=True,
        say=(lambda line: None) if said is None else said.append,
    )  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def model(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    train(prepared, folder)
    return folder


def test_the_same_model_is_left_as_it_is_and_said_to_be(prepared, model, monkeypatch):
    monkeypatch.setattr(deploy, "run_jobs", lambda *args, **named: pytest.fail("trained again"))
    before, said = contents(model), []
    assert train(prepared, model, said=said) == model / "model.json"
    assert contents(model) == before
    assert said == [f"model {model}: finished, and the same as is asked for; left as it is"]


def test_what_a_kill_left_beside_a_finished_model_is_taken_away(prepared, model):
    before = contents(model)
    for name in (".member-0.json", ".member-1.state.safetensors"):
        (model / name).write_text("left when the model was just written")
    train(prepared, model)
    assert contents(model) == before


@pytest.mark.parametrize(
    ("settings", "recipe", "named"),
    [
        (DeploySettings(folds=3, members=3), {}, "members = 2"),
        (DeploySettings(folds=2, members=2), {}, "folds = 3"),
        (TWO, {"epochs": 4}, r"training\.epochs = 3"),
        (TWO, {"names": ("alexnet",)}, r"another model \(model = resnet18\)"),
    ],
)
def test_another_is_refused_by_what_differs(prepared, model, settings, recipe, named):
    before = contents(model)
    with pytest.raises(StoreError, match=named):
        train(prepared, model, settings, **recipe)
    assert contents(model) == before


def test_another_version_is_refused(prepared, model, monkeypatch):
    before = contents(model)
    monkeypatch.setattr(site, "code_digest", lambda: "0" * 64)
    with pytest.raises(StoreError, match="another device or version"):
        train(prepared, model)
    assert contents(model) == before


def test_damaged_weights_are_trained_again_to_the_same_bytes(prepared, model):
    before, said = contents(model), []
    weights = model / "member-1.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    train(prepared, model, said=said)
    assert contents(model) == before
    assert len(said) == 1 and "member-1.safetensors" in said[0] and "trained again" in said[0]


def test_who_cannot_be_seen_is_neither_learned_from_nor_graded(tmp_path):
    """Of three patients with no T1 a model of T1 learns nothing, and says so of them."""
    patients = [make_patient(n) for n in range(18)]
    for lacking in (patients[0], patients[7], patients[14]):
        lacking.crop[0], lacking.percentiles[0] = np.nan, np.nan
    prepared, said = write_store(tmp_path / "prepared", patients), []
    train(prepared, tmp_path / "model", models={"inputs": ("t1",)}, said=said)
    assert said == ["inputs t1: 3 of 18 labelled patients are left out: they have no such scan"]
    card = read_model_card(tmp_path / "model").content
    assert sum(card["training_patients"].values()) == len(card["training_patients_sha256"]) == 15
    store, taken = Store.open(prepared), load_model(tmp_path / "model")
    assert taken.probabilities([store.load("p01")]).shape == (1, 3)
    with pytest.raises(ScanError, match="t1: got nothing, expected a scan, as the model"):
        taken.probabilities([store.load("p01"), store.load("p00")])
