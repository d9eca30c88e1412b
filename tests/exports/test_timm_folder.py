"""Folders that timm loads as the members they came from."""

import json

import numpy as np
import pytest
import timm
import torch

from cystgrid.errors import StoreError, UsageError
from cystgrid.exports import timm_folder
from cystgrid.exports.export import export_model
from cystgrid.exports.source import Source
from cystgrid.preparation.store import Store
from cystgrid.provenance import NOTICE


@pytest.mark.parametrize(("name", "members"), [("timm:test_vit", 2), ("resnet18", 1)])
def test_a_folder_a_member(trained, tmp_path, small_cohort, name, members):
    report = export_model(trained(name, members), "timm", tmp_path / "out", quiet=True)
    assert report.check.largest < 1e-5
    source, store = Source.take_up(trained(name, members)), Store.open(small_cohort)
    patient = store.load(store.patients[0])
    for number, member in enumerate(source.members):
        place = tmp_path / "out" / timm_folder.member_name(source, number)
        model = timm.create_model(f"local-dir:{place}", pretrained=True).eval()
        config = json.loads((place / "config.json").read_text())
        mean, std = (config["pretrained_cfg"][key][0] for key in ("mean", "std"))
        image = member.crops([patient]).central(member.grid.cells)
        with torch.inference_mode():
            found = model((image - mean) / std).softmax(1).numpy()
        np.testing.assert_allclose(found, member.probabilities([patient]), atol=1e-5)
        assert config["label_names"] == ["normal", "low", "high"]
        assert config["cystgrid"]["notice"] == NOTICE
        assert config["cystgrid"]["model_sha256"] == source.model.sha256


def test_weights_of_another_member_are_refused(trained, tmp_path, monkeypatch):
    """A control: the check would see a mistake."""
    source = Source.take_up(trained("timm:test_vit", 2))
    real = timm_folder.save_weights
    first = source.members[0].network.backbone.state_dict()
    monkeypatch.setattr(timm_folder, "save_weights", lambda state, path: real(first, path))
    with pytest.raises(StoreError, match=r"member-1/model\.safetensors"):
        timm_folder.write_timm(source, tmp_path, {})


@pytest.mark.parametrize(("name", "inputs"), [("mobilenet_v2", "early"), ("resnet18", "late")])
def test_what_timm_has_not_is_refused(trained, tmp_path, name, inputs):
    model = trained(name, 1, models={"inputs": (inputs,)})
    with pytest.raises(UsageError, match=f"{name} on {inputs}"):
        export_model(model, "timm", tmp_path / "out", quiet=True)
    assert not list(tmp_path.iterdir())
