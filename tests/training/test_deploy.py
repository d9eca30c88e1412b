"""A deployable model: trained like an inner model, put away with its card, taken up unchanged."""

import json
from collections import Counter

import numpy as np
import pytest

from cystgrid.cohort.splits import validation_splits
from cystgrid.errors import SettingsError, StoreError
from cystgrid.preparation.flow import CohortFlow
from cystgrid.preparation.store import Store
from cystgrid.provenance import NOTICE
from cystgrid.sealing import write_sealed
from cystgrid.training.deploy import train_model
from cystgrid.training.deployed import load_model
from cystgrid.training.design import labelled_members
from cystgrid.training.model_card import read_model_card
from cystgrid.training.model_page import model_page
from cystgrid.training.settings import DeploySettings
from training.conftest import make_recipe


@pytest.fixture(scope="module")
def model(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    train_model(prepared, folder, make_recipe(), DeploySettings(folds=3, members=2),
                workers=0, quiet=True)  # fmt: skip
    return folder


def test_the_folder_holds_what_the_contract_says(model):
    names = sorted(path.name for path in model.iterdir())
    assert names == ["README.md", "member-0.safetensors", "member-1.safetensors", "model.json"]
    card = json.loads((model / "model.json").read_text())
    assert card["notice"] == NOTICE
    assert card["classes"] == ["normal", "low", "high"]
    assert len(card["training_patients_sha256"]) == 18
    assert NOTICE in (model / "README.md").read_text()
    assert "p00" not in (model / "model.json").read_text() + (model / "README.md").read_text()


def test_the_page_says_whom_it_learned_from_and_names_nobody(prepared, model, tmp_path):
    page = (model / "README.md").read_text("utf-8")
    store = Store.open(prepared)
    sizes = Counter(entry.center for entry in store.entries.values())
    assert f"- {len(sizes)} centre(s), with {', '.join(map(str, sizes.values()))} patients." in page
    assert "- 6 normal, 6 low, 6 high patients." in page
    assert "Its probabilities are not calibrated." in page
    assert "phantoms" not in page
    named = {*store.entries, *(entry.center for entry in store.entries.values())}
    assert not any(name in page for name in named)
    flow = CohortFlow(25, {"adenocarcinoma": 4}, (("lost", "why"),) * 3, (), {}, "phantoms")
    card = read_model_card(model).content
    told = model_page(card, list(store.entries.values()), flow)
    assert "learned from digital phantoms" in told and "lost" not in told
    assert "Of 25 patients in the manifest 4 were left out by their label,\n  and 3 could" in told


def test_one_member_lies_under_the_plain_name(prepared, tmp_path):
    settings = DeploySettings(folds=3, members=1)
    train_model(prepared, tmp_path, make_recipe(), settings, workers=0, quiet=True)
    assert (tmp_path / "model.safetensors").is_file()
    assert len(load_model(tmp_path).members) == 1


def test_probabilities_are_the_members_mean(model, prepared):
    taken, store = load_model(model), Store.open(prepared)
    patients = [store.load(p) for p in ("p00", "p07")]
    alone = [member.probabilities(patients) for member in taken.members]
    np.testing.assert_array_equal(taken.probabilities(patients), np.mean(alone, axis=0))
    one_by_one = np.concatenate([taken.probabilities([patient]) for patient in patients])
    np.testing.assert_allclose(one_by_one, taken.probabilities(patients), atol=1e-6)


def test_an_altered_model_is_refused(model):
    path = model / "member-0.safetensors"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(StoreError, match=r"member-0\.safetensors"):
        load_model(model)
    path.write_bytes(good)
    load_model(model)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"model\.json"):
        load_model(tmp_path)
    write_sealed(tmp_path / "model.json", {"schema": 99})
    with pytest.raises(StoreError, match="schema 99"):
        load_model(tmp_path)


def test_more_members_than_folds_are_refused(prepared, tmp_path):
    with pytest.raises(SettingsError, match=r"deploy\.members"):
        train_model(prepared, tmp_path, make_recipe(), DeploySettings(folds=2, members=3))


def test_calibration_is_given_what_members_say_of_patients_they_never_trained_on(
    prepared, tmp_path
):
    given = []

    def calibrate(truth, probabilities):
        given.append((truth, probabilities))
        return {"patients": len(truth)}

    recipe = make_recipe()
    train_model(prepared, tmp_path, recipe, DeploySettings(folds=3, members=2),
                calibrate=calibrate, workers=0, quiet=True)  # fmt: skip
    model, store = load_model(tmp_path), Store.open(prepared)
    assert model.calibration == {"patients": 12}
    folds = validation_splits(labelled_members(store, recipe.cohort), 3, recipe.training.seed)
    (truth, probabilities), expected = given[0], []
    for member, fold in zip(model.members, folds, strict=False):
        expected.append(member.probabilities([store.load(name) for name in fold.validation]))
    np.testing.assert_allclose(probabilities, np.concatenate(expected), atol=1e-6)
    names = [name for fold in folds[:2] for name in fold.validation]
    assert [recipe.classes[code] for code in truth] == [store.entries[n].label for n in names]
