"""The start in the package: whole, what its card says, and fitting every input it is meant for."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from cystgrid.errors import WeightsError
from cystgrid.models import shipped
from cystgrid.models.network import Shape
from cystgrid.models.registry import ModelSettings, build_model
from cystgrid.models.shipped import shipped_architectures, shipped_start
from cystgrid.outputs import start as written
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.provenance import sha256_file
from cystgrid.sealing import write_sealed
from cystgrid.study import shipped_study

LARGEST = 12_000_000
"""Bytes of a start in the package."""

SHAPE = Shape(2, 3, 9, 32)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A copy of the package's starts that may be harmed."""
    shutil.copytree(shipped.STARTS, tmp_path / "starts")
    monkeypatch.setattr(shipped, "STARTS", tmp_path / "starts")
    return tmp_path / "starts"


def test_it_is_what_its_card_says():
    assert shipped_architectures() == ("vit_tiny",)
    path = shipped_start("vit_tiny")
    card = json.loads((path.parent / "start.json").read_text("utf-8"))
    assert path.stat().st_size == card["bytes"] <= LARGEST
    assert sha256_file(path) == card["sha256"]
    tensors = load_file(path)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert card["sha256"] in (path.parent / "README.md").read_text("utf-8")


def test_it_was_made_by_the_study_in_the_package():
    card = json.loads((shipped.STARTS / "vit_tiny" / "start.json").read_text("utf-8"))
    study = PretrainSettings.read_toml(shipped_study("pretrain"), "a pretraining study")
    assert card["settings"] == study.model_dump(mode="json")
    kept = PretrainSettings.read_toml(shipped.STARTS / "vit_tiny" / "pretrain.toml", "a study")
    assert kept == study


def test_a_starts_folder_is_named_as_it_is_written():
    assert (shipped.WEIGHTS, shipped.CARD) == (written.WEIGHTS, written.CARD)


@pytest.mark.parametrize("inputs", ["early", "t1", "t2", "late"])
def test_every_input_starts_from_it(inputs):
    channels = 1 if inputs in ("t1", "t2") else 2
    shape = Shape(channels, 3, 9, 32)
    torch.manual_seed(0)
    network = build_model("vit_tiny", inputs, shape, "phantom").eval()
    grids = torch.rand(2, 2, 96, 96)
    seen = {"t1": grids[:, :1], "t2": grids[:, 1:]}.get(inputs, grids)
    with torch.no_grad():
        assert network(seen).isfinite().all()
    state, own = load_file(shipped_start("vit_tiny")), network.backbone.state_dict()
    found = [tensor for name, tensor in own.items() if name.endswith("blocks.0.attn.qkv.weight")]
    assert found
    assert all(torch.equal(t, state["blocks.0.attn.qkv.weight"].float()) for t in found)


def test_one_scan_answers_as_both_do_with_the_other_black():
    alone = build_model("vit_tiny", "t2", Shape(1, 3, 9, 64), "phantom").eval()
    both = build_model("vit_tiny", "early", Shape(2, 3, 9, 64), "phantom").eval()
    grid = torch.rand(1, 1, 192, 192)
    with torch.no_grad():
        mine = alone.backbone.forward_features((grid - alone.mean) / alone.std)
        pair = torch.cat([torch.zeros_like(grid), grid], dim=1)
        theirs = both.backbone.forward_features((pair - both.mean) / both.std)
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("vit_base", "cystgrid pretrain"), ("resnet18", '"none"'), ("dense-inn", '"none"'),
     ("densenet121-3d", '"none"'), ("timm:deit_tiny_patch16_224", '"none"')],
)  # fmt: skip
def test_a_network_without_one_is_refused_with_what_else_there_is(name, advice):
    with pytest.raises(WeightsError, match="vit_tiny") as refused:
        build_model(name, "early", Shape(2, 3, 1, 64, cube=32), "phantom")
    assert advice in str(refused.value)


def test_a_flipped_bit_and_a_missing_file_are_seen(elsewhere):
    path = elsewhere / "vit_tiny" / "start.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        build_model("vit_tiny", "early", SHAPE, "phantom")
    path.unlink()
    with pytest.raises(WeightsError, match="no such file"):
        build_model("vit_tiny", "early", SHAPE, "phantom")


def test_a_damaged_card_is_named(elsewhere):
    (elsewhere / "vit_tiny" / "start.json").write_text("{", "utf-8")
    with pytest.raises(WeightsError, match=r"start\.json"):
        build_model("vit_tiny", "early", SHAPE, "phantom")


def test_another_start_is_another_recipe(elsewhere):
    models = ModelSettings(names=("vit",), vit="tiny", weights="phantom")
    before = models.identity("vit")
    assert before["weights"] == sha256_file(elsewhere / "vit_tiny" / "start.safetensors")
    card = elsewhere / "vit_tiny" / "start.json"
    facts = json.loads(card.read_text("utf-8"))
    del facts["seal"]
    write_sealed(card, {**facts, "sha256": "0" * 64})
    assert models.identity("vit") != before
