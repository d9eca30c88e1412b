"""The processor's linear layer against torch's own, gradients and all."""

import pytest
import torch
from torch import nn

from cystgrid.training.linear import ProcessorLinear, ProcessorPatches, laid


def passed(layer, inputs, seed=1):
    """Output and all gradients, float32."""
    shown = inputs.clone().requires_grad_()
    scores = layer(shown)
    upstream = torch.randn(scores.shape, generator=torch.Generator().manual_seed(seed))
    scores.backward(upstream.to(scores.dtype))
    return [t.float() for t in (scores, shown.grad, layer.weight.grad, layer.bias.grad)]


@pytest.mark.parametrize("sizes", [(48, 16), (16, 48), (32, 32)])
@pytest.mark.parametrize("leading", [(40,), (3, 11), (2, 3, 5)])
def test_scores_and_gradients_are_torchs_to_the_last_bfloat16_digit(sizes, leading):
    torch.manual_seed(0)
    plain = nn.Linear(*sizes)
    inputs = torch.randn(*leading, sizes[0]).bfloat16().float()
    exact = nn.Linear(*sizes)
    exact.load_state_dict({n: t.bfloat16().float() for n, t in plain.state_dict().items()})
    ours = plain.bfloat16()
    ours.weight.data = laid(ours.weight.data)
    ours.__class__ = ProcessorLinear
    upstream_digits = 2.0**-8
    for found, expected in zip(passed(ours, inputs), passed(exact, inputs), strict=True):
        assert found.shape == expected.shape
        error = (found - expected).norm() / expected.norm()
        assert error < 2 * upstream_digits
    assert ours.weight.grad.stride() == ours.weight.stride(), "or autograd copies it"


@pytest.mark.parametrize("size", [(32, 48), (33, 50)])
def test_patches_are_torchs_convolution_to_the_last_bfloat16_digit(size):
    torch.manual_seed(0)
    plain = nn.Conv2d(2, 24, (16, 8), stride=(16, 8))
    exact = nn.Conv2d(2, 24, (16, 8), stride=(16, 8))
    exact.load_state_dict({n: t.bfloat16().float() for n, t in plain.state_dict().items()})
    ours = plain.bfloat16().to(memory_format=torch.channels_last)
    assert ProcessorPatches.serves(ours)
    ours.__class__ = ProcessorPatches
    images = torch.randn(3, 2, *size).bfloat16().float()
    for found, expected in zip(passed(ours, images), passed(exact, images), strict=True):
        assert found.shape == expected.shape
        assert (found - expected).norm() < 2**-7 * expected.norm()
    assert ours.weight.grad.stride() == ours.weight.stride(), "or autograd copies it"


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(2, 4, 3, stride=1),
        nn.Conv2d(2, 4, 1),
        nn.Conv2d(2, 4, 4, stride=4, padding=1),
        nn.Conv2d(2, 4, 4, stride=4, groups=2),
        nn.Conv2d(2, 4, 4, stride=4, dilation=2),
    ],
)
def test_other_convolutions_are_not_taken_for_patches(other):
    assert not ProcessorPatches.serves(other)


def test_a_frozen_weight_costs_no_gradient():
    layer = nn.Linear(8, 4).bfloat16().requires_grad_(False)
    layer.__class__ = ProcessorLinear
    shown = torch.randn(5, 8, requires_grad=True)
    layer(shown).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is None
    assert shown.grad.dtype == torch.float32
