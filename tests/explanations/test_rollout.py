"""Rollout: by hand on a toy, against a plain dense implementation, and its laws."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from explained import attention_by_hand, build, inputs_of, normalised, timm_vit
from torch import nn

from cystgrid import explain
from cystgrid.errors import UsageError
from cystgrid.explanations.attention import Transformer, attention_shown
from cystgrid.explanations.options import Options
from cystgrid.explanations.rollout import without_weakest

CLOSE = 1e-6
CHOICES = [
    Options(),
    Options(identity=False),
    Options(head_fusion="max"),
    Options(head_fusion="min", discard=0.3),
    Options(discard=0.9, identity=False),
    Options(head_fusion="max", discard=0.5, constant_memory=True),
]


def dense(layers, prefix, options):
    """All layers' matrices kept and multiplied out in full, image by image, weight by weight."""
    maps = []
    for image in range(len(layers[0])):
        product = None
        for layer in layers:
            fused = getattr(np, options.head_fusion)(layer[image].double().numpy(), axis=0)
            places = [(i, j) for i in range(len(fused)) for j in range(prefix, len(fused))]
            places.sort(key=lambda place: fused[place])
            for place in places[: int(options.discard * len(places))]:
                fused[place] = 0
            if options.identity:
                fused = fused + np.eye(len(fused))
            fused = fused / fused.sum(axis=1, keepdims=True)
            product = fused if product is None else fused @ product
        maps.append(product)
    return np.stack(maps)


def patches(found, size=16):
    """One value a patch, of maps in which a patch's pixels are all alike."""
    values = found.values
    corners = values[..., ::size, ::size]
    even = corners.repeat_interleave(size, -1).repeat_interleave(size, -2)
    assert torch.equal(values, even)
    return corners


class Attention(nn.Module):
    """Says the weights it is told to, and changes nothing."""

    def __init__(self, weights):
        super().__init__()
        self.fused_attn, self.attn_drop, self.weights = True, nn.Identity(), weights

    def forward(self, tokens):
        if not self.fused_attn:
            self.attn_drop(self.weights.expand(len(tokens), -1, -1, -1))
        return tokens


class Toy(nn.Module):
    """A class token and two patches of one pixel, two layers of two heads."""

    def __init__(self, layers):
        super().__init__()
        self.num_prefix_tokens, self.global_pool = 1, "token"
        self.patch_embed = nn.Conv2d(1, 2, 1)
        self.patch_embed.patch_size = (1, 1)
        self.blocks = nn.Sequential(*(nn.Sequential() for _ in layers))
        for block, weights in zip(self.blocks, layers, strict=True):
            block.attn = Attention(torch.tensor(weights))

    def forward(self, images):
        return self.blocks(self.patch_embed(images)).flatten(1)[:, :2]


FIRST = [
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]],
]
SECOND = [
    [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
]


def test_two_layers_worked_out_by_hand():
    """Means of the heads: rows (1/2, 1/2, 0), (0, 1/2, 1/2), (0, 0, 1) in the first layer, and in
    the second (0, 1/2, 1/2) for the class token, while patches look at themselves.

    With the identity, halved: second's class row (1/2, 1/4, 1/4); first's rows
    (3/4, 1/4, 0), (0, 3/4, 1/4), (0, 0, 1). Their product: 1/2 (3/4, 1/4, 0) + 1/4 (0, 3/4, 1/4)
    + 1/4 (0, 0, 1) = (3/8, 5/16, 5/16). Without it: 1/2 (0, 1/2, 1/2) + 1/2 (0, 0, 1) =
    (0, 1/4, 3/4).
    """
    images = torch.zeros(1, 1, 1, 2)
    found = explain.relevance(Toy([FIRST, SECOND]), images, "rollout")
    assert found.values.flatten().tolist() == [5 / 16, 5 / 16]
    bare = explain.Options(identity=False)
    found = explain.relevance(Toy([FIRST, SECOND]), images, "rollout", options=bare)
    assert found.values.flatten().tolist() == [1 / 4, 3 / 4]


def test_the_order_of_layers_matters():
    """The control, by hand too: 3/4 (1/2, 1/4, 1/4) + 1/4 (0, 1, 0) with the layers exchanged."""
    images = torch.zeros(1, 1, 1, 2)
    found = explain.relevance(Toy([SECOND, FIRST]), images, "rollout")
    assert found.values.flatten().tolist() == [7 / 16, 3 / 16]


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_equal_to_the_dense_way(options):
    network = timm_vit()
    images = torch.rand(3, 3, 48, 32, generator=torch.Generator().manual_seed(5))
    expected = dense(attention_by_hand(network, images), 1, options)
    found = patches(explain.relevance(network, images, "rollout", options=options))
    assert np.abs(found[:, 0].numpy() - expected[:, 0, 1:].reshape(3, 3, 2)).max() < CLOSE
    assert found.std() > 1e-3, "an even map would be equal to anything"


@pytest.mark.parametrize(
    ("tag", "settings"),
    [
        ("vit_tiny_patch16_224", {"reg_tokens": 4, "qk_norm": True}),
        ("deit_tiny_distilled_patch16_224", {}),
        ("vit_tiny_patch16_224", {"class_token": False, "global_pool": "avg"}),
        ("vit_tiny_patch16_224", {"global_pool": "avg"}),
        ("vit_tiny_patch16_224", {"depth": 1, "img_size": 16}),
    ],
    ids=["registers", "distilled", "no class token", "pooled", "one layer, one patch"],
)
@pytest.mark.parametrize("constant", [False, True])
def test_other_transformers(tag, settings, constant):
    """Registers take their part and are not shown; pooled patches share the start."""
    network = timm_vit(tag, **settings)
    size = settings.get("img_size", (48, 32))
    height, width = size if isinstance(size, tuple) else (size, size)
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(5))
    prefix = network.num_prefix_tokens
    options = Options(discard=0.2, constant_memory=constant)
    product = dense(attention_by_hand(network, images), prefix, options)
    if network.global_pool == "avg":
        row = product[:, prefix:].mean(axis=1)
    else:
        row = product[:, : 2 if "distilled" in tag else 1].mean(axis=1)
    found = patches(explain.relevance(network, images, "rollout", options=options))
    assert np.abs(found.numpy().reshape(2, -1) - row[:, prefix:]).max() < CLOSE


def test_late_fusion_has_the_map_of_each_of_its_networks():
    network = build("vit_tiny", "late")
    images = inputs_of(network)
    shown = normalised(network, images)
    found = explain.relevance(network, images, "rollout")
    assert found.of == ("t1", "t2")
    for number, branch in enumerate((network.backbone.t1, network.backbone.t2)):
        layers = attention_by_hand(branch, shown[:, number : number + 1])
        expected = dense(layers, 1, Options())[:, 0, 1:].reshape(2, 2, 2)
        assert np.abs(patches(found)[:, number].numpy() - expected).max() < CLOSE
    changed = images.clone()
    changed[:, 1] = 1 - changed[:, 1]
    other = explain.relevance(network, changed, "rollout").values
    assert torch.equal(other[:, 0], found.values[:, 0])
    assert not torch.equal(other[:, 1], found.values[:, 1])


def test_shares_sum_to_one_with_what_is_not_shown():
    network = timm_vit(reg_tokens=2)
    images = torch.rand(2, 3, 48, 32)
    shares = patches(explain.relevance(network, images, "rollout")).sum(dim=(1, 2, 3))
    product = dense(attention_by_hand(network, images), 3, Options())
    assert np.allclose(shares.numpy() + product[:, 0, :3].sum(axis=1), 1, atol=1e-5)
    assert (shares < 1).all() and (shares > 0).all()


def test_a_hot_token_is_hot_on_its_pixels():
    """Every layer looks at one patch alone: all of the map lies on that patch's pixels."""
    network = timm_vit()
    hot = 4  # of 3 x 2 patches: row 2, column 0

    class Stare(nn.Module):
        def forward(self, weights):
            stared = torch.zeros_like(weights)
            stared[..., 1 + hot] = 1
            return stared

    for block in network.blocks:
        block.attn.attn_drop = Stare()
    options = Options(identity=False)
    values = explain.relevance(network, torch.rand(1, 3, 48, 32), "rollout", options=options).values
    expected = torch.zeros(48, 32)
    expected[32:, :16] = 1
    assert torch.equal(values[0, 0], expected)


def test_discarded_are_the_smallest_weights_on_patches_alone():
    fused = torch.tensor([[[0.01, 0.5, 0.49], [0.02, 0.08, 0.9], [0.03, 0.27, 0.7]]])
    left = without_weakest(fused, 0.5, prefix=1)
    assert (
        left.tolist() == torch.tensor([[[0.01, 0.5, 0], [0.02, 0, 0.9], [0.03, 0, 0.7]]]).tolist()
    )
    equal = without_weakest(torch.full((1, 2, 2), 0.5), 0.5, prefix=1)
    assert equal.tolist() == [[[0.5, 0.0], [0.5, 0.5]]], "of equals the first goes first"


@pytest.mark.parametrize("name", ["rollout", "gradient-rollout"])
def test_attention_is_seen_and_then_fused_again(name):
    network = timm_vit()
    assert all(block.attn.fused_attn for block in network.blocks)
    seen = []
    with attention_shown(Transformer("image", network), seen.append):
        plain = network(torch.ones(1, 3, 48, 32))
    assert [tuple(weights.shape) for weights in seen] == [(1, 3, 7, 7)] * 3
    assert all(block.attn.fused_attn for block in network.blocks)
    assert torch.allclose(plain, network(torch.ones(1, 3, 48, 32)), atol=1e-6)
    assert len(seen) == 3, "nothing is seen any more"


@pytest.mark.parametrize("name", ["rollout", "gradient-rollout"])
def test_one_that_pools_by_its_own_attention_is_refused(name):
    network = timm_vit(global_pool="map", class_token=False)
    with pytest.raises(UsageError, match="pools its tokens by 'map', expected"):
        explain.relevance(network, torch.rand(1, 3, 48, 32), name)


def test_memory_grows_with_depth_as_it_is_said_to():
    """The benchmark at a small size: with constant memory not at all, else by one fused matrix."""
    page = Path(__file__).parents[2] / "benchmarks" / "rollout.py"
    benchmark = runpy.run_path(str(page), run_name="benchmark")
    with torch.no_grad():
        lines = benchmark["table_of_depths"]("vit_tiny_patch16_224", 2, torch.device("cpu"))
    cells = [[cell.strip() for cell in line.split("|")] for line in lines[2:]]
    a_layer = {row[1]: float(row[-2]) for row in cells}
    fused = 2 * 145 * 145 * 4 / 2**20
    assert a_layer["rollout, constant memory"] == a_layer["forward, fused"] == 0
    assert a_layer["rollout"] == pytest.approx(fused, abs=0.01)
    assert a_layer["dense way"] == pytest.approx(3 * fused, abs=0.01), "of three heads"
