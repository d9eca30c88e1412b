"""A pickle that would run code, given in every way in which a file can be given: it never runs."""

import io
import json
import os
import pickle
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from cohorts_in_memory import unsynced, write_cohort
from cystgrid.cohort.manifest import read_manifest
from cystgrid.cohort.splits.file import read_splits
from cystgrid.errors import CystgridError, StoreError
from cystgrid.models.network import Shape
from cystgrid.models.persistence import load_sklearn
from cystgrid.models.registry import MODELS, build_model
from cystgrid.preparation.store import Store, patient_folder
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.provenance import digest, sha256_bytes, write_json
from cystgrid.sealing import write_sealed
from cystgrid.starts import run_pretrain
from cystgrid.study import Study
from cystgrid.training.deploy import train_model
from cystgrid.training.deployed import load_model
from cystgrid.training.settings import DeploySettings
from cystgrid.verifying.verify import verify
from training.conftest import make_recipe

VIT = "timm:test_vit"
SUFFIXES = (".pth", ".pt", ".bin", ".npz", ".safetensors", ".pkl", "")
FORMS = ("plain", "torch", "torch-old", "numpy", "npz")


class Canary:
    """Whoever unpickles it writes a file."""

    def __init__(self, sung: Path) -> None:
        self.sung = sung

    def __reduce__(self):
        return os.system, (f"touch '{self.sung}'",)


@pytest.fixture
def sung(tmp_path):
    """The file that a canary writes; at a test's end it must not be there."""
    path = tmp_path / "sung"
    yield path
    assert not path.exists(), "a pickle was run"


def canary(form: str, sung: Path) -> bytes:
    """A file's content that runs code when it is taken for what it looks like."""
    content, bird = io.BytesIO(), Canary(sung)
    if form == "plain":
        return pickle.dumps({"state_dict": bird})
    if form.startswith("torch"):
        new = form == "torch"
        torch.save({"state_dict": bird}, content, _use_new_zipfile_serialization=new)
    elif form == "numpy":
        np.save(content, np.array([bird], dtype=object), allow_pickle=True)
    else:
        np.savez(content, **{"head/kernel": np.array([bird], dtype=object)})
    return content.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_the_canary_sings_when_it_is_unpickled(form, tmp_path):
    """The control: every form of it runs code in whoever lets it."""
    sung, path = tmp_path / "control", tmp_path / "file"
    path.write_bytes(canary(form, sung))
    with suppress(Exception):
        if form in ("numpy", "npz"):
            found = np.load(path, allow_pickle=True)
            list(found.values()) if form == "npz" else None
        elif form == "plain":
            pickle.loads(path.read_bytes())
        else:
            torch.load(path, weights_only=False)
    assert sung.exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [VIT, "vit_tiny", "resnet18", "densenet121-3d"])
def test_as_weights_by_any_name(name, form, sung, tmp_path):
    shape = Shape(2, 3, 4, 32, cube=32) if name in MODELS else Shape(2, 3, 4, 16)
    for suffix in SUFFIXES:
        path = tmp_path / f"weights{suffix}"
        path.write_bytes(canary(form, sung))
        with pytest.raises(CystgridError, match="weights"):
            build_model(name, "early", shape, str(path))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pickles")
    write_cohort(folder / "prepared", 9)
    with unsynced():
        for name in (VIT, "majority", "cnn-svm"):
            recipe = make_recipe((name,), models={"extractor": "resnet18"}, epochs=1, warmup=0)
            train_model(
                folder / "prepared", folder / name.replace(":", "-"), recipe,
                DeploySettings(folds=3, members=1), workers=0, quiet=True,
            )  # fmt: skip
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["timm-test_vit", "majority", "cnn-svm"])
def test_in_a_model_whose_card_vouches_for_it(made, name, form, sung, tmp_path):
    model = shutil.copytree(made / name, tmp_path / "model")
    card = json.loads((model / "model.json").read_text())
    del card["seal"]
    content = canary(form, sung)
    (model / card["members"][0]["weights"]).write_bytes(content)
    card["members"][0]["sha256"] = sha256_bytes(content)
    write_sealed(model / "model.json", card)
    assert not verify(model, quiet=True).lost
    with pytest.raises(Exception):  # noqa: B017 - any refusal; the canary is what counts
        load_model(model)


@pytest.mark.parametrize("module, name", [("posix", "system"), ("builtins", "eval")])
def test_in_an_archive_of_skops(module, name, sung):
    """skops' own description of a call that it would have to trust."""
    node = {
        "__class__": name, "__module__": module, "__loader__": "ReduceNode", "__id__": 1,
        "reduce": {"constructor": {"__class__": name, "__module__": module, "__loader__":
        "TypeNode", "__id__": 2}, "args": {"__class__": "str", "__module__": "builtins",
        "__loader__": "JsonNode", "content": json.dumps(f"touch '{sung}'"), "__id__": 3}},
        "content": {}, "protocol": 2, "_skops_version": "0.11.0",
    }  # fmt: skip
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("schema.json", json.dumps(node))
    with pytest.raises(StoreError):
        load_sklearn(content.getvalue())


@pytest.mark.parametrize("form", ["plain", "numpy", "npz"])
@pytest.mark.parametrize("array", ["crop", "lesion"])
def test_as_voxels_whose_card_vouches_for_them(made, array, form, sung, tmp_path):
    prepared = shutil.copytree(made / "prepared", tmp_path / "prepared")
    place = patient_folder(prepared, "p000")
    card = json.loads((place / "patient.json").read_text())
    content = canary(form, sung)
    (place / f"{array}.npy").write_bytes(content)
    del card["sha256"]
    card[f"{array}_sha256"] = sha256_bytes(content)
    write_json(place / "patient.json", {**card, "sha256": digest(card)})
    index = json.loads((prepared / "prepared.json").read_text())
    del index["sha256"]
    index["patients"]["p000"] = sha256_bytes((place / "patient.json").read_bytes())
    write_json(prepared / "prepared.json", {**index, "sha256": digest(index)})
    with pytest.raises(StoreError, match=f"{array}.npy"):
        Store.open(prepared).load("p000")


@pytest.mark.parametrize("form", FORMS)
def test_as_any_file_that_is_no_weights(form, sung, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(canary(form, sung))
    for read in (Study.read, read_splits, read_manifest):
        with pytest.raises(CystgridError):
            read(path)


@pytest.mark.parametrize("form", FORMS)
def test_as_the_state_of_a_pretraining(form, sung, tmp_path):
    (tmp_path / "state.safetensors").write_bytes(canary(form, sung))
    settings = PretrainSettings(
        cells=4, pixels=16, grids=24, batch=8, validation=16, looks=1, weights="none"
    )
    with pytest.raises(StoreError, match="state"):
        run_pretrain(tmp_path, settings, workers=0, quiet=True)
