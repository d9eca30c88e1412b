"""Gradient-weighted rollout, specific to a class (Chefer, Gur & Wolf 2021, for self-attention).

Each layer's attention is multiplied by the gradient of the class's score, what is negative is
dropped, and heads are averaged; with the residual connection a layer is I + that mean. Rows are
not normalised. The backward pass meets the last layer first, which is the order in which the row
is carried back; so no gradient is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cystgrid.explanations.attention import Transformer, attention_shown
from cystgrid.explanations.passing import chosen


def gradient_rollout(
    network: nn.Module,
    seen: tuple[Transformer, ...],
    inputs: Tensor,
    classes: Sequence[int] | None,
) -> list[Tensor]:
    """One map ``(batch, height, width)`` for each transformer, none below 0."""
    height, width = inputs.shape[-2:]
    rows = [_Row(transformer) for transformer in seen]
    with torch.enable_grad(), ExitStack() as stack:
        for row in rows:
            stack.enter_context(attention_shown(row.seen, row.take))
        shown = inputs.clone().requires_grad_()
        scores = network(shown)
        score = scores.gather(1, chosen(scores, classes)[:, None]).sum()
        torch.autograd.grad(score, shown)
    return [row.seen.to_pixels(row.weights(), height, width) for row in rows]


@dataclass
class _Row:
    """The row of what is classified, carried back as gradients come."""

    seen: Transformer
    row: Tensor | None = None

    def take(self, attention: Tensor) -> None:
        """Have the layer's gradient change the row as soon as it is known."""
        weights = attention.detach()

        def carry(gradient: Tensor) -> None:
            before = self._row(weights)
            positive = (gradient * weights).clamp_min(0).float().mean(dim=1)
            self.row = before + before @ positive

        attention.register_hook(carry)

    def _row(self, attention: Tensor) -> Tensor:
        if self.row is not None:
            return self.row
        batch, _, tokens, _ = attention.shape
        return self.seen.start(tokens).to(attention.device).expand(batch, 1, tokens)

    def weights(self) -> Tensor:
        """``(batch, token)``, after the backward pass."""
        if self.row is None:
            raise RuntimeError("no gradient has come through the attention")
        return self.row[:, 0]
