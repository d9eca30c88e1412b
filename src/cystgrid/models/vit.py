"""The paper's transformer: a plain ViT, from timm (equations 1-4).

At the paper's size a grid of ``(2, 192, 192)`` becomes 12 x 12 patches and a class token, whose
state after the last layer norm is classified.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from zipfile import BadZipFile

import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models import VisionTransformer
from torch import Tensor, nn

from cystgrid.errors import SettingsError, WeightsError
from cystgrid.models.fusion import MODALITIES
from cystgrid.models.named_weights import HOW_TO_GET, HUB, NONE, PHANTOM
from cystgrid.models.network import RGB, Network, Shape
from cystgrid.models.shipped import shipped_start
from cystgrid.models.weights import StateDict, fetch, one_scan, read_state, start_from

TIMM = "timm:"
"""Before the name of any other plain ViT of timm's."""

ARCHITECTURES = {
    "vit_tiny": "vit_tiny_patch16_224.augreg_in21k",
    "vit_small": "vit_small_patch16_224.augreg_in21k",
    "vit_base": "vit_base_patch16_224.orig_in21k",
    "vit_large": "vit_large_patch16_224.augreg_in21k",
}
"""timm's names. ``orig_in21k`` is the ViT-B/16 that Dosovitskiy et al. (2020) released; the one
pretrained on 300 million images, of which the paper speaks, was never released."""

PATCH = 16
"""Pixels along the side of a patch of every one of them."""

POSITIONS = "pos_embed"
STEM = "patch_embed.proj.weight"
BEFORE_BLOCKS = ("cls_token", "reg_token", POSITIONS, "patch_embed", "norm_pre")


def build_vit(name: str, inputs: str, shape: Shape, weights: str) -> Network:
    """Build a ViT for grids of ``shape``, started from ``weights``.

    Args:
        name: a key of ``ARCHITECTURES``, or ``timm:`` and the name of a plain ViT of timm's.
        inputs: what the channels are, for messages.
        shape: channels, classes and the grid's size, a multiple of the patch's.
        weights: ``hub``, ``phantom``, ``none`` or the path of a file (.safetensors, .pth, .npz).

    Raises:
        SettingsError: timm has no such model, it is no plain ViT, or the grid does not divide into
            its patches.
        WeightsError: the weights cannot be had or do not fit.
    """
    tag, patch = (ARCHITECTURES[name], PATCH) if name in ARCHITECTURES else _plain_vit(name)
    if shape.image % patch:
        raise SettingsError(
            "grid.pixels",
            got=f"grids of {shape.image} pixels for {name} on {inputs}",
            expected=f"a multiple of its patch of {patch} pixels",
            do="choose other pixels or cells, or another model",
        )
    backbone = timm.create_model(
        tag,
        pretrained=False,
        in_chans=shape.channels,
        num_classes=shape.classes,
        img_size=shape.image,
    )
    if weights != NONE:
        state = _pretrained(name, tag, weights)
        if shape.channels == 1 and inputs in MODALITIES and state[STEM].shape[1] == len(MODALITIES):
            state = one_scan(state, MODALITIES.index(inputs), stem=STEM, black=_black(backbone))
        if POSITIONS in state:
            state[POSITIONS] = _resampled(state[POSITIONS], backbone)
        start_from(backbone, state, stem=STEM, head="head", where=f"{name}: {weights}")
    return Network(
        backbone,
        mean=backbone.pretrained_cfg["mean"],
        std=backbone.pretrained_cfg["std"],
        layers=_layers(backbone),
        head="head",
        channels=shape.channels,
    )


def _plain_vit(name: str) -> tuple[str, int]:
    """The tag of a ViT of timm's and its patch's pixels, after a look at what it is.

    Raises:
        SettingsError: no such model, or another kind of network.
    """
    tag = name.removeprefix(TIMM)
    if not timm.is_model(tag):
        near = difflib.get_close_matches(tag, timm.list_models("vit_*"), n=1, cutoff=0.0)
        raise SettingsError(
            "models.names",
            got=name,
            expected="a model of timm's",
            do=f"did you mean {TIMM}{near[0]}? timm.list_models('vit_*') lists them",
        )
    with torch.device("meta"):
        network = timm.create_model(tag, pretrained=False, num_classes=1)
    if type(network) is not VisionTransformer:
        raise SettingsError(
            "models.names",
            got=f"{name}, a {type(network).__name__}",
            expected="a plain vision transformer (timm's VisionTransformer)",
            do="choose one of the names that begin with vit_ or deit_",
        )
    return tag, int(network.patch_embed.patch_size[0])


def _resampled(positions: Tensor, backbone: VisionTransformer) -> Tensor:
    """Position embeddings of another image size, for the backbone's grid of patches."""
    prefix = 0 if backbone.no_embed_class else backbone.num_prefix_tokens
    resampled: Tensor = resample_abs_pos_embed(
        positions, list(backbone.patch_embed.grid_size), num_prefix_tokens=prefix
    )
    return resampled


def _black(backbone: VisionTransformer) -> float:
    """What a black pixel is to the published network, after its normalisation."""
    mean, std = (backbone.pretrained_cfg[name] for name in ("mean", "std"))
    return float((0.0 - sum(mean) / len(mean)) / (sum(std) / len(std)))


def _layers(backbone: VisionTransformer) -> tuple[tuple[str, ...], ...]:
    """Tokens and patches, each block, then all that follows the blocks."""
    blocks = tuple((f"blocks.{number}",) for number in range(len(backbone.blocks)))
    names = dict.fromkeys(name.split(".")[0] for name, _ in backbone.named_parameters())
    before = tuple(name for name in names if name in BEFORE_BLOCKS)
    after = tuple(name for name in names if name not in (*BEFORE_BLOCKS, "blocks"))
    return (before, *blocks, after)


def _pretrained(name: str, tag: str, weights: str) -> StateDict:
    """The state of the original network (three colours, its own image size) or of our own start."""
    if weights == PHANTOM:
        return read_state(shipped_start(name))
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
