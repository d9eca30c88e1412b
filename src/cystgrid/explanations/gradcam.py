"""Grad-CAM (Selvaraju et al. 2017) for convolutions in two and three dimensions, and for tokens.

Each feature map is weighted by the mean gradient of the class's score on it; of their sum, what is
negative is dropped. Of a convolutional network the last maps before the pooling are taken: what the
last part to finish puts out at the size of the last convolution's maps. Of a transformer it is the
tokens as they enter the last block (after its first norm): behind that block only the class token
still counts, so that all patches would get 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cystgrid.errors import UsageError
from cystgrid.explanations.attention import Transformer, spread
from cystgrid.explanations.passing import chosen
from cystgrid.explanations.structure import CONVOLUTIONS, Branch, is_transformer

MOST_POINTWISE = 2
"""Linear layers on tokens that may follow the last convolution: those of a ConvNeXt block. More are
a transformer's or a mixer's, whose only convolutions cut the patches."""

LINEAR = {4: "bilinear", 5: "trilinear"}
"""How maps of that many axes are brought to the input's size."""


def grad_cam(
    network: nn.Module,
    parts: Sequence[Branch],
    inputs: Tensor,
    classes: Sequence[int] | None,
) -> list[Tensor]:
    """One map ``(batch, *spatial)`` for each branch, none below 0, at the input's own size.

    Convolutional maps are interpolated linearly; a patch's pixels are all alike.
    """
    size = tuple(inputs.shape[2:])
    maps = raw_grad_cam(network, parts, inputs, classes)
    brought = []
    for part, raw in zip(parts, maps, strict=True):
        if is_transformer(part.module):
            brought.append(spread(raw, Transformer(part.of, part.module).patch, *size))
        else:
            raw = raw[:, None]
            brought.append(interpolate(raw, size=size, mode=LINEAR[raw.ndim])[:, 0])
    return brought


def raw_grad_cam(
    network: nn.Module,
    parts: Sequence[Branch],
    inputs: Tensor,
    classes: Sequence[int] | None,
) -> list[Tensor]:
    """The same at the maps' or tokens' own size."""
    targets = [target_of(network, part, inputs) for part in parts]
    with torch.enable_grad(), ExitStack() as stack:
        caught = [stack.enter_context(_caught(target)) for target in targets]
        scores = network(inputs)
        score = scores.gather(1, chosen(scores, classes)[:, None]).sum()
        tensors = [found.tensor for found in caught]
        gradients = torch.autograd.grad(score, tensors)
    found = []
    for part, tensor, gradient in zip(parts, tensors, gradients, strict=True):
        maps, slopes = tensor.detach(), gradient
        if is_transformer(part.module):
            transformer = Transformer(part.of, part.module)
            height, width = inputs.shape[-2:]
            maps, slopes = (
                transformer.on_grid(t, height, width).movedim(-1, 1) for t in (maps, slopes)
            )
        found.append(weighted(maps.float(), slopes.float()))
    return found


def weighted(maps: Tensor, gradients: Tensor) -> Tensor:
    """Maps ``(batch, feature, *spatial)`` by the mean of their gradients, summed; none below 0."""
    weights = gradients.mean(dim=tuple(range(2, maps.ndim)), keepdim=True)
    return (weights * maps).sum(dim=1).clamp_min(0)


def target_of(network: nn.Module, part: Branch, inputs: Tensor) -> nn.Module:
    """The part of a branch whose output Grad-CAM weighs.

    Raises:
        UsageError: it has no maps near its end.
    """
    if is_transformer(part.module):
        blocks: Any = part.module.blocks
        return blocks[-1].norm1  # type: ignore[no-any-return]
    steps, tokens = _steps(network, part, inputs)
    last = max(
        (n for n, step in enumerate(steps) if step.convolution and step.places > 1),
        default=max((n for n, step in enumerate(steps) if step.convolution), default=None),
    )
    if last is None or tokens > MOST_POINTWISE:
        raise UsageError(
            "network",
            got=f"a {type(part.module).__name__} without convolutional maps near its end",
            expected="a convolutional network, or a plain vision transformer of timm's",
            do="use integrated-gradients or an occlusion",
        )
    size = steps[last].size
    return [step.module for step in steps[last:] if step.size == size][-1]


@dataclass(frozen=True)
class _Step:
    """A part that has finished, and the size of the maps it put out."""

    module: nn.Module
    size: tuple[int, ...]

    @property
    def convolution(self) -> bool:
        return isinstance(self.module, CONVOLUTIONS)

    @property
    def places(self) -> int:
        return prod(self.size)


def _steps(network: nn.Module, part: Branch, inputs: Tensor) -> tuple[list[_Step], int]:
    """The parts that put out maps, as they finish, and the linear layers on tokens at the end.

    One item of the batch is passed once to see this.
    """
    steps: list[_Step] = []
    tokens = 0

    def note(module: nn.Module, given: Any, output: Any) -> None:
        nonlocal tokens
        if not isinstance(output, Tensor):
            return
        if isinstance(module, nn.Linear) and output.ndim > 2:
            tokens += 1
        elif output.ndim == inputs.ndim:
            steps.append(_Step(module, tuple(output.shape[2:])))
            if steps[-1].convolution and steps[-1].places > 1:
                tokens = 0

    hooks = [module.register_forward_hook(note) for module in part.module.modules()]
    try:
        with torch.no_grad():
            network(inputs[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return steps, tokens


@dataclass
class _Caught:
    """What a part put out, as those behind it saw it."""

    output: Tensor | None = None

    @property
    def tensor(self) -> Tensor:
        if self.output is None:
            raise RuntimeError("the part was never passed")
        return self.output


@contextmanager
def _caught(target: nn.Module) -> Iterator[_Caught]:
    """Catch a part's output and begin the gradients' way there, not at the network's input.

    A part that is passed more than once is caught the last time. The clone lets parts behind it
    change the maps in place, as DenseNet's last ReLU does: then the changed maps are caught.
    """
    found = _Caught()

    def hook(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        found.output = output.detach().requires_grad_().clone()
        return found.output

    handle = target.register_forward_hook(hook)
    try:
        yield found
    finally:
        handle.remove()
