"""A transformer's attention as it is computed, layer by layer, and the way from tokens to pixels.

timm computes attention in one fused step that shows no weights. Here it is told to take the plain
steps, and the weights are seen where they pass through the attention's dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cystgrid.errors import UsageError
from cystgrid.explanations.structure import Branch, is_transformer, pooled_tokens


@dataclass(frozen=True)
class Transformer:
    """A plain ViT of timm's, and where its tokens came from.

    Attributes:
        of: what it sees.
        vit: timm's network.
    """

    of: str
    vit: Any

    @property
    def prefix(self) -> int:
        """Tokens before the patches': the class token, distillation and registers."""
        return int(self.vit.num_prefix_tokens)

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of a patch in pixels."""
        rows, columns = self.vit.patch_embed.patch_size
        return int(rows), int(columns)

    def start(self, tokens: int) -> Tensor:
        """Weight ``(tokens,)`` of each token's last state in what the head classifies.

        The class token alone; with a distillation token half each; the mean of all patches where
        the network pools them.

        Raises:
            UsageError: it pools in another way, such as by an attention of its own.
        """
        weight = torch.zeros(tokens)
        pooled = pooled_tokens(self.vit)
        if pooled == "class":
            weight[: 2 if hasattr(self.vit, "head_dist") else 1] = 1
        elif pooled == "patches":
            weight[0 if getattr(self.vit, "pool_include_prefix", False) else self.prefix :] = 1
        else:
            raise UsageError(
                "network",
                got=f"a {type(self.vit).__name__} that pools its tokens by "
                f"{getattr(self.vit, 'global_pool', 'token')!r}",
                expected="one that classifies its class token or the mean of its patches",
                do="use grad-cam, integrated-gradients or an occlusion",
            )
        return weight / weight.sum()

    def on_grid(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Patch tokens ``(batch, token, ...)`` as ``(batch, row, column, ...)`` of the grid."""
        rows, columns = (
            -(-size // side) for size, side in zip((height, width), self.patch, strict=True)
        )
        patches: Tensor = tokens[:, self.prefix :].unflatten(1, (rows, columns))
        return patches

    def to_pixels(self, weights: Tensor, height: int, width: int) -> Tensor:
        """Weights ``(batch, token)`` as ``(batch, height, width)``: a patch's pixels all alike.

        Nothing is smoothed, since a smoothed map would spill into the next slice's cell.
        """
        return spread(self.on_grid(weights, height, width), self.patch, height, width)


def spread(patches: Tensor, patch: tuple[int, int], height: int, width: int) -> Tensor:
    """Values ``(batch, row, column)`` of patches, given to each of their pixels."""
    pixels = patches.repeat_interleave(patch[0], dim=1).repeat_interleave(patch[1], dim=2)
    return pixels[:, :height, :width]


def transformers(parts: Sequence[Branch], method: str) -> tuple[Transformer, ...]:
    """The branches as transformers.

    Raises:
        UsageError: one of them is none.
    """
    for part in parts:
        if not is_transformer(part.module):
            raise UsageError(
                "network",
                got=f"a {type(part.module).__name__}, which has no attention over all tokens",
                expected=f"a plain vision transformer of timm's for {method}",
                do="use grad-cam, integrated-gradients or an occlusion",
            )
    return tuple(Transformer(part.of, part.module) for part in parts)


@contextmanager
def attention_shown(seen: Transformer, see: Callable[[Tensor], None]) -> Iterator[None]:
    """Call ``see`` with each layer's attention ``(batch, head, token, token)``, first layer first.

    Rows are the tokens that look, and sum to 1. Afterwards the network is as it was.
    """
    attentions: list[Any] = [block.attn for block in seen.vit.blocks]
    fused = [attention.fused_attn for attention in attentions]
    hooks = []

    def hook(module: nn.Module, inputs: Any, weights: Tensor) -> None:
        see(weights)

    try:
        for attention in attentions:
            attention.fused_attn = False
            hooks.append(attention.attn_drop.register_forward_hook(hook))
        yield
    finally:
        for handle in hooks:
            handle.remove()
        for attention, flag in zip(attentions, fused, strict=True):
            attention.fused_attn = flag
