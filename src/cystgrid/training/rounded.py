"""The network that a training runs: the network itself, or its copy with bfloat16 weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from cystgrid.models.network import Network
from cystgrid.training.device import Precision
from cystgrid.training.linear import ProcessorLinear, ProcessorPatches, laid

PRODUCTS = (nn.Linear, _ConvNd)
"""What spends its time in matrix products, and stands bfloat16 weights."""


def working_network(network: Network, precision: Precision) -> Network:
    """The network whose passes are run, within ``device.arithmetic``, in ``precision``.

    In float32 it is ``network``. In bfloat16 it is a copy whose linear and convolution weights are
    rounded once, here, and not in every pass; all else (norms, tokens, positions, running
    statistics) is the very tensors of ``network``. It depends on the values of the weights alone,
    so that a network answers after it was loaded as it did in training.
    """
    if precision == "float32":
        return network
    tensors: dict[int, Tensor] = {id(t): t for t in (*network.parameters(), *network.buffers())}
    for module in network.modules():
        if isinstance(module, PRODUCTS):
            own = module.parameters(recurse=False)
            tensors.update({id(parameter): _rounded(parameter) for parameter in own})
    working = copy.deepcopy(network, dict(tensors))  # a memo: what it names is taken, not copied
    if network.absent.device.type == "cpu":
        _suit_processor(working)
    return working


def _rounded(parameter: nn.Parameter) -> nn.Parameter:
    """In bfloat16; kernels of images lie channel by channel, as fast convolutions take them."""
    rounded = parameter.detach().to(torch.bfloat16)
    if rounded.ndim == 4:
        rounded = rounded.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(rounded, requires_grad=parameter.requires_grad)


def _suit_processor(network: Network) -> None:
    """Attention and linear layers in products that are fast there (benchmarks/training.py)."""
    for module in network.modules():
        if hasattr(module, "fused_attn"):  # torch's own takes three times as long to go back
            module.fused_attn = False  # type: ignore[assignment]
        if type(module) is nn.Linear:
            module.weight.data = laid(module.weight.data)
            module.__class__ = ProcessorLinear
        if type(module) is nn.Conv2d and ProcessorPatches.serves(module):
            module.__class__ = ProcessorPatches
