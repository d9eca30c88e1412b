"""Rounded weights work, float32 masters learn: nothing is lost between the two."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model
from cystgrid.training import masters
from cystgrid.training.device import arithmetic
from cystgrid.training.optimise import make_optimizer
from cystgrid.training.rounded import working_network
from cystgrid.training.settings import TrainingSettings
from cystgrid.training.step import Step

TARGETS = torch.tensor([0, 1, 2, 1])


def build(name="resnet18"):
    torch.manual_seed(0)
    return build_model(name, "early", Shape(2, 3, 4, 16), "none").train()


def grids(seed=0):
    return torch.rand(4, 2, 32, 32, generator=torch.Generator().manual_seed(seed))


def by_hand(network, settings, seeds):
    """The same training with nothing clever: all gradients made float32, one whole step."""
    optimizer = make_optimizer(network, settings)
    for seed in seeds:
        working = working_network(network, "bfloat16").train()
        with arithmetic("bfloat16", torch.device("cpu")):
            scores = working(grids(seed))
        cross_entropy(scores.float(), TARGETS).backward()
        for master, rounded in zip(network.parameters(), working.parameters(), strict=True):
            if master is not rounded:
                gradient = torch.zeros_like(master)
                master.grad = None if rounded.grad is None else gradient.copy_(rounded.grad)
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny"])
def test_masters_take_exactly_the_optimisers_step_of_float32_gradients(
    name, optimizer, monkeypatch
):
    """However few are moved together, and however they lie in memory."""
    settings = TrainingSettings(
        optimizer=optimizer, layer_decay=0.7, learning_rate=1e-2, warmup=0, schedule="constant"
    )
    plain, network = build(name), build(name)
    by_hand(plain, settings, range(3))
    monkeypatch.setattr(masters, "TOGETHER", 50_000)
    step = Step(network, settings, "bfloat16", None, steps_an_epoch=1)
    for seed in range(3):
        step(grids(seed), TARGETS)
    started, moved, expected = build(name).state(), network.state(), plain.state()
    assert all(torch.equal(moved[tensor], expected[tensor]) for tensor in expected)
    assert not any(torch.equal(moved[n], started[n]) for n in moved if n.endswith("weight"))


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny"])
def test_what_works_is_always_the_rounded_masters(name):
    network = build(name)
    step = Step(network, TrainingSettings(learning_rate=1e-2), "bfloat16", None, 2)
    for seed in range(3):
        pairs = zip(network.parameters(), step.working.parameters(), strict=True)
        kinds = {torch.bfloat16: 0, torch.float32: 0}
        for master, working in pairs:
            assert torch.equal(master.to(working.dtype), working)
            assert (master is working) == (working.dtype == torch.float32)
            assert master.dtype == torch.float32
            kinds[working.dtype] += 1
        assert all(kinds.values()), "products are rounded, norms are shared"
        assert all(a is b for a, b in zip(network.buffers(), step.working.buffers(), strict=True))
        step(grids(seed), TARGETS)


def test_a_rate_too_small_for_a_rounded_weight_still_adds_up():
    """Bfloat16 weights alone would stand still: each step is less than their last digit."""
    network = build("vit_tiny")
    before = copy.deepcopy(network.state())
    settings = TrainingSettings(learning_rate=1e-5, warmup=0, schedule="constant", weight_decay=0)
    step = Step(network, settings, "bfloat16", None, 1)
    for seed in range(4):
        step(grids(seed), TARGETS)
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(network.state()[name], before[name])
    moved = (network.state()[name] - before[name]).abs().median()
    assert 1e-5 < moved < 4.1e-5


def test_in_float32_the_network_works_itself_and_explanations_see_it_unchanged():
    network = build("vit_tiny")
    assert working_network(network, "float32") is network
    fused = [block.attn.fused_attn for block in network.backbone.blocks]
    working_network(network, "bfloat16")
    assert [block.attn.fused_attn for block in network.backbone.blocks] == fused


def test_bfloat16_answers_differ_from_float32_by_its_own_rounding_alone():
    for name in ("resnet18", "vit_tiny"):
        network = build(name).eval()
        exact = network(grids()).softmax(1)
        with arithmetic("bfloat16", torch.device("cpu")):
            rounded = working_network(network, "bfloat16")(grids()).float().softmax(1)
        assert not torch.equal(rounded, exact)
        torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0)
