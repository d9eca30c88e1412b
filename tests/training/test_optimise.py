"""Rates by layer and their course; arithmetic by processor."""

import math

import pytest
import torch

from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model
from cystgrid.training.device import resolve_precision, take_turn, training_device
from cystgrid.training.optimise import make_optimizer, rate_course
from cystgrid.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def network():
    return build_model("vit_tiny", "early", Shape(2, 3, 4, 16), "none")


def groups_by_parameter(network, settings):
    names = {id(p): name for name, p in network.backbone.named_parameters()}
    optimizer = make_optimizer(network, settings)
    return {names[id(p)]: g for g in optimizer.param_groups for p in g["params"]}


def test_rates_fall_from_the_head_to_the_patches(network):
    groups = groups_by_parameter(network, TrainingSettings(learning_rate=1.0, layer_decay=0.5))
    assert groups["head.weight"]["lr"] == 1
    assert groups["blocks.11.mlp.fc1.weight"]["lr"] == 0.5
    assert groups["blocks.0.mlp.fc1.weight"]["lr"] == pytest.approx(0.5**12)
    assert groups["patch_embed.proj.weight"]["lr"] == pytest.approx(0.5**13)
    assert len(groups) == len(list(network.backbone.parameters())), "every parameter once"


def test_tokens_biases_and_norms_are_not_decayed(network):
    groups = groups_by_parameter(network, TrainingSettings(weight_decay=0.1))
    for name, group in groups.items():
        plain = name in ("cls_token", "pos_embed") or name.endswith("bias") or "norm" in name
        assert group["weight_decay"] == (0 if plain else 0.1), name


def course(**settings):
    return list(map(rate_course(TrainingSettings(**settings), 4), range(settings["epochs"] * 4)))


def test_warm_up_rises_then_cosine_falls_to_zero():
    rates = course(epochs=10, warmup=2, schedule="cosine")
    assert rates[:8] == sorted(rates[:8])
    assert 0 < rates[0] < rates[7] < 1 == rates[8]
    assert rates[8:] == sorted(rates[8:], reverse=True)
    assert rates[24] == pytest.approx(0.5 * (1 + math.cos(math.pi * 16 / 32)))
    assert rates[-1] < 0.01


def test_the_papers_rate_is_constant():
    assert set(course(epochs=3, warmup=0, schedule="constant")) == {1.0}


def test_precision_is_taken_at_its_word_and_auto_asks_the_processor(monkeypatch):
    cpu = torch.device("cpu")
    assert resolve_precision("float32", cpu) == "float32"
    assert resolve_precision("bfloat16", cpu) == "bfloat16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert resolve_precision("auto", cpu) == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert resolve_precision("auto", cpu) == "bfloat16"
    assert training_device().type in ("cpu", "cuda")


@pytest.mark.parametrize(("devices", "expected"), [(0, []), (1, [0, 0, 0, 0]), (3, [0, 1, 2, 0])])
def test_workers_take_turns_on_the_devices_there_are(monkeypatch, devices, expected):
    taken = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for worker in range(4):
        take_turn(worker)
    assert taken == expected
