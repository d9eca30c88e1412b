"""What a network is made of, found by its parts: branches, transformers, channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

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


def pooled_tokens(vit: nn.Module) -> Literal["class", "patches"] | None:
    """Which tokens' last states a transformer of timm's classifies.

    Its class token (and distillation token), or the mean of its patches; None where it pools them
    in another way, such as by an attention of its own (SigLIP's).
    """
    pool = getattr(vit, "global_pool", "token")
    if pool == "token" and getattr(vit, "num_prefix_tokens", 0):
        return "class"
    return "patches" if pool == "avg" else None


def has_attention(network: nn.Module) -> bool:
    """Whether every branch is a transformer whose answer can be followed back to its tokens."""
    return all(is_transformer(part) and pooled_tokens(part) for part in _parts(network))


def has_maps(network: nn.Module) -> bool:
    """Whether there are tokens or convolutions, whose maps have a place."""
    return all(is_transformer(part) for part in _parts(network)) or any(
        isinstance(module, CONVOLUTIONS) for module in network.modules()
    )


def _parts(network: nn.Module) -> tuple[nn.Module, ...]:
    return tuple(part.module for part in branches(network, MODALITIES, WHOLE))
