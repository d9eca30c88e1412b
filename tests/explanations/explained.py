"""Tiny networks to explain, and their attention as timm computes it in plain steps."""

import timm
import torch

from cystgrid.explanations.options import Options
from cystgrid.explanations.passing import filled
from cystgrid.explanations.structure import branches
from cystgrid.models.network import Network, Shape
from cystgrid.models.registry import build_model

CELLS = Options(cells=4, steps=8)


def build(name, inputs="early"):
    """A network for 2 x 2 cells of 16 pixels."""
    torch.manual_seed(0)
    channels = 1 if inputs in ("t1", "t2") else 2
    return build_model(name, inputs, Shape(channels, 3, 4, 16, cube=32), "none").eval()


def inputs_of(network, batch=2, side=32):
    """Random grids, stacks or cubes."""
    generator = torch.Generator().manual_seed(1)
    size = {"grid": (side,) * 2, "stack": (5, side, side), "volume": (side,) * 3}
    shape = size[network.form.kind] if isinstance(network, Network) else (side,) * 2
    channels = network.channels if isinstance(network, Network) else 3
    return torch.rand(batch, channels, *shape, generator=generator)


def timm_vit(tag="vit_tiny_patch16_224", *, seed=0, spread=8.0, **settings):
    """A small ViT of timm's whose attention is far from even."""
    torch.manual_seed(seed)
    settings = {"num_classes": 3, "img_size": (48, 32), "depth": 3, **settings}
    network = timm.create_model(tag, pretrained=False, **settings).eval()
    with torch.no_grad():
        for block in network.blocks:
            block.attn.qkv.weight.mul_(spread)
    return network


def attention_by_hand(vit, images):
    """Each layer's softmax(q k^T / sqrt(d)) from timm's weights: (batch, head, token, token)."""
    seen = []
    with torch.no_grad():
        tokens = vit.norm_pre(vit._pos_embed(vit.patch_embed(images)))
        for block in vit.blocks:
            attention, normed = block.attn, block.norm1(tokens)
            batch, count, width = normed.shape
            heads, size = attention.num_heads, width // attention.num_heads
            queries, keys, _ = attention.qkv(normed).split(width, dim=-1)
            queries, keys = (t.reshape(batch, count, heads, size) for t in (queries, keys))
            queries, keys = attention.q_norm(queries), attention.k_norm(keys)
            logits = torch.einsum("bqhd,bkhd->bhqk", queries, keys) / size**0.5
            seen.append(logits.exp() / logits.exp().sum(-1, keepdim=True))
            tokens = block(tokens)
    return seen


def branches_of(network):
    """What the face of the package takes a network apart into."""
    return branches(network, ("t1", "t2"), "t1+t2")


def normalised(network, images):
    """What a backbone of ours is given."""
    return (filled(network, images) - network.mean) / network.std
