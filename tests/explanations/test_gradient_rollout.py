"""Gradient-weighted rollout against a plain dense implementation, and what makes it of a class."""

import pytest
import torch
from explained import build, inputs_of, normalised, timm_vit

from cystgrid import explain

CLOSE = 1e-6


def dense(network, vit, images, classes):
    """Chefer's R <- R + mean of heads((gradient * A)+) R, with every matrix and gradient kept."""
    kept = []
    for block in vit.blocks:
        block.attn.fused_attn = False
    hooks = [
        block.attn.attn_drop.register_forward_hook(lambda m, i, weights: kept.append(weights))
        for block in vit.blocks
    ]
    scores = network(images)
    gradients = torch.autograd.grad(sum(s[c] for s, c in zip(scores, classes, strict=True)), kept)
    for hook in hooks:
        hook.remove()
    for block in vit.blocks:
        block.attn.fused_attn = True
    tokens = kept[0].shape[-1]
    total = torch.eye(tokens, dtype=torch.float64).repeat(len(images), 1, 1)
    for weights, gradient in zip(kept, gradients, strict=True):
        layer = (gradient.double() * weights.detach().double()).clamp(min=0).mean(dim=1)
        total = total + torch.einsum("bij,bjk->bik", layer, total)
    return total


@pytest.mark.parametrize("settings", [{}, {"reg_tokens": 3}, {"global_pool": "avg"}], ids=str)
def test_equal_to_the_dense_way(settings):
    network = timm_vit(**settings)
    images = torch.rand(3, 3, 48, 32, generator=torch.Generator().manual_seed(5))
    classes, prefix = [0, 2, 1], network.num_prefix_tokens
    expected = dense(network, network, images, classes)
    row = expected[:, prefix:].mean(1) if settings.get("global_pool") else expected[:, 0]
    found = explain.relevance(network, images, "gradient-rollout", classes=classes).values
    shown = found[:, 0, ::16, ::16].flatten(1)
    assert (shown - row[:, prefix:]).abs().max() < CLOSE * row.abs().max().clamp(min=1)
    assert shown.std() > 1e-4


def test_late_fusion_has_the_map_of_each_of_its_networks():
    network = build("vit_tiny", "late")
    images = inputs_of(network)
    found = explain.relevance(network, images, "gradient-rollout", classes=[1, 1])
    assert found.of == ("t1", "t2")
    shown = normalised(network, images)
    for number, vit in enumerate((network.backbone.t1, network.backbone.t2)):
        row = dense(network.backbone, vit, shown, [1, 1])[:, 0, 1:]
        values = found.values[:, number, ::16, ::16].flatten(1)
        assert torch.allclose(values.double(), row, atol=CLOSE)


def test_another_class_has_another_map_and_rollout_has_not():
    network, images = timm_vit(), torch.rand(1, 3, 48, 32)
    maps = {
        name: [explain.relevance(network, images, name, classes=[c]).values for c in (0, 1)]
        for name in ("gradient-rollout", "rollout")
    }
    assert not torch.allclose(*maps["gradient-rollout"], rtol=1e-2)
    assert torch.equal(*maps["rollout"])
