"""Linear layers whose bfloat16 weight gradients cost no more than their other two products.

A ViT's first layer is one of them: a convolution whose kernels lie side by side is a linear layer
of patches.

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


class ProcessorPatches(nn.Conv2d):
    """A convolution of kernels that lie side by side, for bfloat16 on a processor."""

    @staticmethod
    def serves(layer: nn.Conv2d) -> bool:
        """Whether a convolution is of this kind: a pixel by itself is not."""
        side_by_side = layer.kernel_size == layer.stride and min(layer.kernel_size) > 1
        whole = layer.groups == 1 and layer.dilation == (1, 1)
        return side_by_side and whole and layer.padding == (0, 0)

    def forward(self, images: Tensor) -> Tensor:
        """``(image, channel, height, width)`` to bfloat16 ``(image, out, row, column)``."""
        (high, wide), channels = self.kernel_size, self.in_channels
        rows, columns = images.shape[2] // high, images.shape[3] // wide
        whole = images[:, :, : rows * high, : columns * wide].to(self.weight.dtype)
        patches = whole.reshape(-1, channels, rows, high, columns, wide)
        flat = patches.permute(0, 2, 4, 3, 5, 1).reshape(-1, rows, columns, high * wide * channels)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)  # as it lies in memory
        scores: Tensor = _Linear.apply(flat, weight, self.bias)
        return scores.permute(0, 3, 1, 2)


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
