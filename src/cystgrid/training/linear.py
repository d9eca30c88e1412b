"""Linear layers whose bfloat16 weight gradients cost no more than their other two products.

A weight's gradient multiplies two matrices along their rows. oneDNN lays both of them anew for it,
in twice the time of the product; copying the narrower one first is far cheaper. What comes out is
the gradient of the weight, or of its transpose: weights lie in memory as theirs does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class ProcessorLinear(nn.Linear):
    """A linear layer for bfloat16 on a processor; its weight lies as ``laid`` gives it."""

    def forward(self, inputs: Tensor) -> Tensor:
        """``(..., in)`` of any type to ``(..., out)`` bfloat16."""
        scores: Tensor = _Linear.apply(inputs.to(self.weight.dtype), self.weight, self.bias)
        return scores


def laid(weight: Tensor) -> Tensor:
    """``(out, in)``: by rows where the layer narrows, by columns where it widens."""
    return weight.t().contiguous().t() if weight.shape[0] > weight.shape[1] else weight.contiguous()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        context.save_for_backward(inputs, weight)
        return linear(inputs, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = context.saved_tensors
        of_inputs, of_weight, of_bias = context.needs_input_grad
        gradient = gradients[0].flatten(0, -2)  # (rows, out)
        flat = inputs.flatten(0, -2)  # (rows, in)
        return (
            (gradient @ weight).reshape(inputs.shape) if of_inputs else None,
            _of_weight(gradient, flat) if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


def _of_weight(gradient: Tensor, inputs: Tensor) -> Tensor:
    if gradient.shape[1] > inputs.shape[1]:
        return (inputs.t().contiguous() @ gradient).t()
    return gradient.t().contiguous() @ inputs
