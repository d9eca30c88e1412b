"""Attention rollout (Abnar & Zuidema 2020; the paper's Fig. 3).

Each layer's heads are fused into one matrix A (mean, in the paper), the identity is added for the
residual connection, and rows are divided by their sums. The product of all layers' matrices, last
layer first, says how much of each input token is in each output token. Only the row of what the
head classifies is wanted, so that row alone is carried back from the last layer: O(tokens^2) a
layer. For that each layer's fused matrix is kept until the forward pass is over, tokens^2 x 4 bytes
a layer and image (84 KB at 145 tokens), and never the heads'. With ``constant_memory`` the product
is carried forward instead, O(tokens^3) a layer, and only one matrix is ever kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cystgrid.explanations.attention import Transformer, attention_shown
from cystgrid.explanations.options import HeadFusion, Options
from cystgrid.explanations.passing import chosen


def rollout(
    network: nn.Module,
    seen: tuple[Transformer, ...],
    inputs: Tensor,
    classes: Sequence[int] | None,
    options: Options,
) -> list[Tensor]:
    """One map ``(batch, height, width)`` for each transformer, from one forward pass.

    A map's values are the shares of what is classified that came from each patch; together with
    those of the class token and registers, which are not shown, they sum to 1.
    Classes change nothing, but must exist.
    """
    height, width = inputs.shape[-2:]
    layers = [_Layers(transformer, options) for transformer in seen]
    with torch.no_grad(), ExitStack() as stack:
        for layer in layers:
            stack.enter_context(attention_shown(layer.seen, layer.take))
        chosen(network(inputs), classes)
        return [layer.seen.to_pixels(layer.row(), height, width) for layer in layers]


@dataclass
class _Layers:
    """One transformer's layers on their way to one row."""

    seen: Transformer
    options: Options
    kept: list[Tensor] = field(default_factory=list)

    def take(self, attention: Tensor) -> None:
        """Take the next layer's attention ``(batch, head, token, token)``."""
        layer = mixing(attention, self.seen.prefix, self.options)
        if self.options.constant_memory and self.kept:
            self.kept = [layer @ self.kept[0]]
        else:
            self.kept.append(layer)

    def row(self) -> Tensor:
        """How much of each input token ``(batch, token)`` is in what the head classifies."""
        batch, tokens, _ = self.kept[0].shape
        row = self.seen.start(tokens).to(self.kept[0]).expand(batch, 1, tokens)
        while self.kept:
            row = row @ self.kept.pop()
        return row[:, 0]


def mixing(attention: Tensor, prefix: int, options: Options) -> Tensor:
    """What one layer does to its tokens: heads fused, weak weights gone, identity in, rows 1.

    Args:
        attention: ``(batch, head, token, token)``.
        prefix: tokens before the patches'.
        options: of rollout.

    Returns:
        ``(batch, token, token)``.
    """
    fused = fuse_heads(attention.float(), options.head_fusion)
    if options.discard:
        fused = without_weakest(fused, options.discard, prefix)
    if options.identity:
        fused.diagonal(dim1=-2, dim2=-1).add_(1)
    sums = fused.sum(dim=-1, keepdim=True)
    return fused / sums.clamp_min(torch.finfo(sums.dtype).tiny)  # a row may be all discarded


def fuse_heads(attention: Tensor, how: HeadFusion) -> Tensor:
    """One weight for all heads' ``(batch, head, token, token)``."""
    if how == "mean":
        return attention.mean(dim=1)
    return attention.amax(dim=1) if how == "max" else attention.amin(dim=1)


def without_weakest(fused: Tensor, share: float, prefix: int) -> Tensor:
    """Set a share of each image's smallest weights to 0.

    Counted are all weights on patches, of all rows together; of equals the first go first, row by
    row. Weights on the class token and registers are neither counted nor touched.
    """
    fused = fused.clone()
    weights = fused[:, :, prefix:].flatten(1)
    gone = int(share * weights.shape[1])
    weakest = weights.argsort(dim=1, stable=True)[:, :gone]
    kept = weights.scatter(1, weakest, 0.0)
    fused[:, :, prefix:] = kept.unflatten(1, (fused.shape[1], -1))
    return fused
