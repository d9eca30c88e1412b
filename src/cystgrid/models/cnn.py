"""The convolutional networks of the paper's Table I, from torchvision."""

from __future__ import annotations

from pathlib import Path

import torchvision
from torch import nn

from cystgrid.models.network import Network, Shape
from cystgrid.models.weights import (
    HUB,
    NONE,
    PHANTOM,
    StateDict,
    fetch,
    read_state,
    refuse_phantom,
    start_from,
)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What torchvision's pretrained networks expect (its documentation of the weights)."""


def build_resnet18(name: str, shape: Shape, weights: str) -> Network:
    """Build a ResNet18 (He et al. 2016) for grids of ``shape``, started from ``weights``.

    Args:
        name: of the model, for messages.
        shape: channels, classes; any grid size from 32 pixels.
        weights: ``hub``, ``none`` or the path of a file (.safetensors, .pth).

    Raises:
        WeightsError: the weights cannot be had or do not fit.
    """
    backbone = torchvision.models.resnet18(weights=None, num_classes=shape.classes)
    stem = backbone.conv1
    backbone.conv1 = nn.Conv2d(
        shape.channels, stem.out_channels, stem.kernel_size, stem.stride, stem.padding, bias=False
    )
    nn.init.kaiming_normal_(backbone.conv1.weight, mode="fan_out", nonlinearity="relu")
    if weights != NONE:
        state = _pretrained(name, weights)
        start_from(backbone, state, stem="conv1.weight", head="fc", where=f"{name}: {weights}")
    layers = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",), ("fc",))
    return Network(backbone, mean=IMAGENET_MEAN, std=IMAGENET_STD, layers=layers)


def _pretrained(name: str, weights: str) -> StateDict:
    if weights == PHANTOM:
        return refuse_phantom(name)
    if weights == HUB:
        published = torchvision.models.get_model_weights(name).DEFAULT
        return fetch(lambda: dict(published.get_state_dict(progress=False, check_hash=True)), name)
    return read_state(Path(weights))
