"""The paper's transformer: a plain ViT with 16-pixel patches, from timm (equations 1-4).

At the paper's size a grid of ``(2, 192, 192)`` becomes 12 x 12 patches and a class token, whose
state after the last layer norm is classified.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models import VisionTransformer
from torch import nn

from cystgrid.errors import WeightsError
from cystgrid.models.network import RGB, Network, Shape
from cystgrid.models.weights import (
    HOW_TO_GET,
    HUB,
    NONE,
    PHANTOM,
    StateDict,
    fetch,
    read_state,
    refuse_phantom,
    start_from,
)

ARCHITECTURES = {
    "vit_tiny": "vit_tiny_patch16_224.augreg_in21k",
    "vit_small": "vit_small_patch16_224.augreg_in21k",
    "vit_base": "vit_base_patch16_224.orig_in21k",
}
"""timm's names. ``orig_in21k`` is the ViT-B/16 that Dosovitskiy et al. (2020) released; the one
pretrained on 300 million images, of which the paper speaks, was never released."""

POSITIONS = "pos_embed"


def build_vit(name: str, shape: Shape, weights: str) -> Network:
    """Build a ViT for grids of ``shape``, started from ``weights``.

    Args:
        name: a key of ``ARCHITECTURES``.
        shape: channels, classes and the grid's size, a multiple of the patch of 16 pixels.
        weights: ``hub``, ``none`` or the path of a file (.safetensors, .pth, .npz).

    Raises:
        WeightsError: the weights cannot be had or do not fit.
    """
    tag = ARCHITECTURES[name]
    backbone = timm.create_model(
        tag,
        pretrained=False,
        in_chans=shape.channels,
        num_classes=shape.classes,
        img_size=shape.image,
    )
    if weights != NONE:
        state = _pretrained(tag, weights)
        if POSITIONS in state:
            state[POSITIONS] = resample_abs_pos_embed(
                state[POSITIONS],
                list(backbone.patch_embed.grid_size),
                num_prefix_tokens=backbone.num_prefix_tokens,
            )
        start_from(
            backbone, state, stem="patch_embed.proj.weight", head="head", where=f"{name}: {weights}"
        )
    return Network(
        backbone,
        mean=backbone.pretrained_cfg["mean"],
        std=backbone.pretrained_cfg["std"],
        layers=_layers(backbone),
    )


def _layers(backbone: VisionTransformer) -> tuple[tuple[str, ...], ...]:
    blocks = tuple((f"blocks.{number}",) for number in range(len(backbone.blocks)))
    return (("cls_token", POSITIONS, "patch_embed"), *blocks, ("norm", "head"))


def _pretrained(tag: str, weights: str) -> StateDict:
    """The pretrained state of the original network: three colours, its own image size."""
    if weights == PHANTOM:
        return refuse_phantom(tag)
    if weights == HUB:
        return fetch(lambda: _state(timm.create_model(tag, pretrained=True)), tag)
    if Path(weights).suffix == ".npz":
        return _from_google(tag, Path(weights))
    return read_state(Path(weights))


def _state(network: nn.Module) -> StateDict:
    return dict(network.state_dict())


def _from_google(tag: str, path: Path) -> StateDict:
    """Google's own format, read by timm into the original network."""
    network = timm.create_model(tag, pretrained=False, in_chans=RGB, num_classes=0)
    try:
        with torch.no_grad():
            network.load_pretrained(str(path))
    except (OSError, ValueError, KeyError, BadZipFile, AssertionError, RuntimeError) as error:
        raise WeightsError(path, got=f"{type(error).__name__} on reading", expected="a ViT's .npz",
                           do=HOW_TO_GET) from error  # fmt: skip
    return _state(network)
