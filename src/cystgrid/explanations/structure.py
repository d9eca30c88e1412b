"""What a network is made of, found by its parts: branches, transformers, what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cystgrid.errors import UsageError
from cystgrid.models.fusion import MODALITIES, LateFusion
from cystgrid.models.network import Network

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
WHOLE = "image"
"""What a map of an image speaks of whose channels have no names."""


@dataclass(frozen=True)
class Branch:
    """A part of a network that sees its own channels, and so has a map of its own.

    Attributes:
        of: what it sees.
        module: from its inputs to its features or scores.
    """

    of: str
    module: nn.Module


def require_network(network: object) -> nn.Module:
    """The network itself.

    Raises:
        UsageError: it is none, such as a random forest.
    """
    if not isinstance(network, nn.Module):
        raise UsageError(
            "network",
            got=f"a {type(network).__name__}, which sees no image",
            expected="a network of torch's (nn.Module)",
            do="explain a transformer or a convolutional network",
        )
    return network


def channel_names(network: nn.Module, count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """What each input channel is called: as said, T1 and T2 for our own pairs, or its number.

    Raises:
        UsageError: other than one name a channel.
    """
    if names is None:
        if count == len(MODALITIES) and isinstance(network, Network):
            return MODALITIES
        return (WHOLE,) if count == 1 else tuple(f"channel {number}" for number in range(count))
    if len(names) != count:
        raise UsageError(
            "channels",
            got=f"{len(names)} names ({', '.join(names)})",
            expected=f"one for each of {count} channels",
            do="name the channels of the inputs",
        )
    return tuple(names)


def joint_name(network: nn.Module, names: Sequence[str], named: bool) -> str:
    """What one map of all channels speaks of."""
    return "+".join(names) if named or isinstance(network, Network) else WHOLE


def branches(network: nn.Module, names: Sequence[str], joint: str) -> tuple[Branch, ...]:
    """One branch a modality for late fusion, else one for all.

    Args:
        network: ours or anybody's.
        names: of its channels.
        joint: name of all channels together.
    """
    body = network.backbone if isinstance(network, Network) else network
    if isinstance(body, LateFusion):
        return (Branch(names[0], body.t1), Branch(names[1], body.t2))
    return (Branch(joint, body),)


def is_transformer(module: nn.Module) -> bool:
    """Whether it is a plain ViT as timm builds them: every block's attention is over all tokens."""
    blocks = getattr(module, "blocks", None)
    if not isinstance(blocks, nn.Sequential | nn.ModuleList) or not len(blocks):
        return False
    known = hasattr(module, "num_prefix_tokens") and hasattr(module, "patch_embed")
    return known and all(
        isinstance(getattr(getattr(block, "attn", None), "attn_drop", None), nn.Module)
        and hasattr(block.attn, "fused_attn")
        for block in blocks
    )


def has_attention(network: nn.Module) -> bool:
    """Whether every branch is a transformer."""
    body = network.backbone if isinstance(network, Network) else network
    parts = (body.t1, body.t2) if isinstance(body, LateFusion) else (body,)
    return all(is_transformer(part) for part in parts)


def has_maps(network: nn.Module) -> bool:
    """Whether there are tokens or convolutions, whose maps have a place."""
    return has_attention(network) or any(isinstance(m, CONVOLUTIONS) for m in network.modules())


def filled(network: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs as the network takes them: on its device, absent scans as it shows them.

    Raises:
        UsageError: other axes or channels, or NaN for a network that knows no absent scans.
    """
    if inputs.ndim not in (4, 5) or not inputs.is_floating_point() or not len(inputs):
        raise UsageError(
            "inputs",
            got=f"{inputs.dtype} of shape {tuple(inputs.shape)}",
            expected="floats (batch, channel, height, width), or with slices before the height",
            do="give a batch, even of one",
        )
    if isinstance(network, Network) and inputs.shape[1] != network.channels:
        raise UsageError(
            "inputs",
            got=f"{inputs.shape[1]} channels",
            expected=f"{network.channels}",
            do="give the modalities that the network was built for",
        )
    first = next(network.parameters(), inputs)
    shown = inputs.detach().to(device=first.device, dtype=first.dtype)
    if isinstance(network, Network):
        return torch.where(shown.isnan(), baseline(network, shown), shown)
    if shown.isnan().any():
        raise UsageError(
            "inputs",
            got="NaN, which marks absent scans",
            expected="numbers, as this network knows no absent scans",
            do="fill what is missing first",
        )
    return shown


def baseline(network: nn.Module, inputs: Tensor) -> Tensor:
    """The input that shows nothing, in the shape of one item: absent scans, or 0."""
    one = torch.zeros_like(inputs[:1])
    if isinstance(network, Network):
        one += network.absent.detach().reshape(1, -1, *[1] * (inputs.ndim - 2))
    return one


def chosen(scores: Tensor, classes: Sequence[int] | None) -> Tensor:
    """The class to explain for each item: as said, or the predicted one.

    Raises:
        UsageError: no such class, or not one an item.
    """
    if classes is None:
        return scores.detach().argmax(dim=1)
    wrong = [c for c in classes if not 0 <= c < scores.shape[1]]
    if wrong or len(classes) != len(scores):
        raise UsageError(
            "classes",
            got=f"class {wrong[0]}" if wrong else f"{len(classes)} classes",
            expected=f"0 to {scores.shape[1] - 1}" if wrong else f"one for each of {len(scores)}",
            do="choose one of the network's classes for each item of the batch",
        )
    return torch.as_tensor(list(classes), device=scores.device)


@contextmanager
def as_found(network: nn.Module) -> Iterator[None]:
    """Have the network answer without dropout and without trained parameters, then put it back."""
    modes = [(module, module.training) for module in network.modules()]
    trained = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        network.eval()
        for parameter, _ in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in trained:
            parameter.requires_grad_(flag)
