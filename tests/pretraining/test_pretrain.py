"""A pretraining goes on exactly where it was stopped, and leaves a start that networks take up."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file

from cystgrid.errors import SettingsError, StoreError
from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model
from cystgrid.pretraining import pretrain as loop
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.provenance import sha256_file
from cystgrid.starts import STATE, run_pretrain
from cystgrid.training.optimise import warm_cosine

SMALL = PretrainSettings(
    cells=4, pixels=16, grids=48, batch=8, validation=16, looks=3, save_every=1, seed=7
)


class KilledError(Exception):
    pass


def make(folder, settings=SMALL):
    return run_pretrain(folder, settings, workers=0, quiet=True)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    make(folder)
    return folder


def test_a_killed_pretraining_goes_on_and_ends_with_the_same_bytes(start, tmp_path, monkeypatch):
    saved = loop.save_state
    for last in (2, 5):  # killed twice

        def kill(path, reader, optimizer, progress, key, last=last):
            saved(path, reader, optimizer, progress, key)
            if progress.step == last:
                raise KilledError

        monkeypatch.setattr(loop, "save_state", kill)
        with pytest.raises(KilledError):
            make(tmp_path)
    monkeypatch.setattr(loop, "save_state", saved)
    make(tmp_path)
    for name in ("start.safetensors", "curve.csv", "curve.png", "start.json", "README.md"):
        assert sha256_file(tmp_path / name) == sha256_file(start / name), name
    assert not (tmp_path / STATE).exists()


def test_it_learns(tmp_path):
    settings = SMALL.model_copy(update={"grids": 320, "batch": 16, "looks": 10, "warmup": 0.0})
    make(tmp_path, settings)
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    column = rows[0].split(",").index("validation_loss")
    first, last = (float(row.split(",")[column]) for row in (rows[1], rows[-1]))
    assert last < first


def test_a_finished_start_is_not_made_again_and_another_is_refused(start):
    before = sha256_file(start / "start.safetensors")
    assert make(start).startswith("already made")
    assert sha256_file(start / "start.safetensors") == before
    with pytest.raises(StoreError, match="other settings"):
        make(start, SMALL.model_copy(update={"seed": 8}))


def test_the_state_of_other_settings_is_refused(tmp_path, monkeypatch):
    def kill(*args, saved=loop.save_state):
        saved(*args)
        raise KilledError

    monkeypatch.setattr(loop, "save_state", kill)
    with pytest.raises(KilledError):
        make(tmp_path)
    with pytest.raises(StoreError, match="other settings"):
        make(tmp_path, SMALL.model_copy(update={"learning_rate": 1e-4}))


def test_what_is_written_says_what_it_is(start):
    card = json.loads((start / "start.json").read_text())
    assert card["sha256"] == sha256_file(start / "start.safetensors")
    page = (start / "README.md").read_text()
    assert "Research use only" in page and card["sha256"] in page
    again = json.loads(re.search(r"```json\n(.*?)```", page, re.S).group(1))
    assert PretrainSettings.parse(again, "card") == SMALL
    tensors = load_file(start / "start.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert not any(name.startswith("head.") for name in tensors)


def features(network, grids):
    with torch.inference_mode():
        shown = (grids - network.mean) / network.std
        return network.backbone.forward_features(shown)[:, 0]


def built(start, inputs, channels):
    shape = Shape(channels, 3, 4, 16)
    return build_model("vit_tiny", inputs, shape, str(start / "start.safetensors")).eval()


def test_a_start_serves_both_scans_and_each_alone(start):
    grids = torch.rand(2, 2, 32, 32)
    both = built(start, "early", 2)
    assert float(features(both, grids).std()) > 0
    for number, inputs in enumerate(("t1", "t2")):
        alone = features(built(start, inputs, 1), grids[:, number : number + 1])
        black = grids.clone()
        black[:, 1 - number] = 0
        torch.testing.assert_close(alone, features(both, black), rtol=1e-3, atol=1e-4)


def test_late_fusion_takes_each_scans_own_start(start):
    fused = built(start, "late", 2)
    kernels = [getattr(fused.backbone, name).patch_embed.proj.weight for name in ("t1", "t2")]
    stored = load_file(start / "start.safetensors")["patch_embed.proj.weight"].float()
    for number, kernel in enumerate(kernels):
        torch.testing.assert_close(kernel.detach(), stored[:, number : number + 1])


def test_the_rate_rises_then_falls_to_zero():
    rates = [warm_cosine(step, 10, 100) for step in range(100)]
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) <= 1 and rates[-1] < 0.01


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pixels": 40}, "multiple of 16"),
        ({"cells": 5}, "square number"),
        ({"grids": 4, "batch": 8}, "one batch"),
        ({"grid": 4}, "did you mean 'grids'"),
    ],
)
def test_impossible_settings_are_refused_by_name(values, said):
    with pytest.raises(SettingsError, match=said):
        PretrainSettings.parse(values, "pretrain.toml")
