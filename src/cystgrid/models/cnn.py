"""The convolutional networks of the paper's Table I, from torchvision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torchvision
from torch import nn

from cystgrid.errors import SettingsError
from cystgrid.models.named_weights import HUB, NONE, PHANTOM, check_sha256
from cystgrid.models.network import Network, Shape
from cystgrid.models.pooling import AdaptiveMean
from cystgrid.models.published import file_of_torchvision
from cystgrid.models.shipped import shipped_start
from cystgrid.models.weights import StateDict, fetch, read_state, start_from

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What torchvision's pretrained networks expect (its documentation of the weights)."""

DIGITS = re.compile(r"-([0-9a-f]{8,})\.")
"""Of a file's sha256, in its name."""

OLD_LAYER = re.compile(r"(denselayer\d+)\.(norm|conv)\.([12])\.")


@dataclass(frozen=True)
class Anatomy:
    """Where a network's parts are.

    Attributes:
        stem: name of the first convolution.
        head: name of the last linear layer.
        layers: prefixes of parameters from input to output, the head's last.
        smallest: pixels along the side of the smallest grid that its pools leave something of.
    """

    stem: str
    head: str
    layers: tuple[tuple[str, ...], ...]
    smallest: int = 1


def _singly(*names: str) -> tuple[tuple[str, ...], ...]:
    return tuple((name,) for name in names)


def _stages(*bounds: int) -> tuple[tuple[str, ...], ...]:
    """Blocks ``features.<n>`` in groups that end before each bound: those of one resolution."""
    return tuple(
        tuple(f"features.{number}" for number in range(first, end))
        for first, end in zip((0, *bounds), bounds, strict=False)
    )


ANATOMIES = {
    "alexnet": Anatomy(
        "features.0",
        "classifier.6",
        _singly("features.0", "features.3", "features.6", "features.8", "features.10",
                "classifier.1", "classifier.4", "classifier.6"),
        smallest=63,
    ),
    "densenet121": Anatomy(
        "features.conv0",
        "classifier",
        (
            ("features.conv0", "features.norm0"),
            ("features.denseblock1", "features.transition1"),
            ("features.denseblock2", "features.transition2"),
            ("features.denseblock3", "features.transition3"),
            ("features.denseblock4", "features.norm5"),
            ("classifier",),
        ),
    ),
    "resnet18": Anatomy(
        "conv1", "fc", (("conv1", "bn1"), *_singly("layer1", "layer2", "layer3", "layer4", "fc"))
    ),
    "mobilenet_v2": Anatomy(
        "features.0.0", "classifier.1", (*_stages(2, 4, 7, 11, 14, 17, 19), ("classifier.1",))
    ),
    "efficientnet_b5": Anatomy(
        "features.0.0", "classifier.1", (*_stages(2, 3, 4, 5, 6, 7, 9), ("classifier.1",))
    ),
}  # fmt: skip
"""By torchvision's names."""


def build_cnn(name: str, inputs: str, shape: Shape, weights: str) -> Network:
    """Build one of torchvision's networks for grids of ``shape``, started from ``weights``.

    Args:
        name: a key of ``ANATOMIES``.
        inputs: what the channels are, for messages.
        shape: channels, classes and the grid's size.
        weights: ``hub``, ``none`` or the path of a file (.safetensors, .pth).

    Raises:
        SettingsError: grids so small that the network's pools leave nothing.
        WeightsError: the weights cannot be had or do not fit.
    """
    anatomy = ANATOMIES[name]
    if shape.image < anatomy.smallest:
        raise SettingsError(
            "grid.pixels",
            got=f"grids of {shape.image} pixels for {name} on {inputs}",
            expected=f"at least {anatomy.smallest}",
            do="take more cells or more pixels, or leave this model out",
        )
    backbone = torchvision.models.get_model(name, weights=None, num_classes=shape.classes)
    if name == "alexnet":  # the only one whose pool is not one mean of all pixels
        backbone.avgpool = AdaptiveMean(6)
    stem = backbone.get_submodule(anatomy.stem)
    backbone.set_submodule(anatomy.stem, _for_channels(stem, shape.channels))
    if weights != NONE:
        start_from(
            backbone,
            pretrained(name, weights),
            stem=f"{anatomy.stem}.weight",
            head=anatomy.head,
            where=f"{name}: {weights}",
        )
    return Network(
        backbone,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        layers=anatomy.layers,
        head=anatomy.head,
        channels=shape.channels,
    )


def _for_channels(stem: nn.Conv2d, channels: int) -> nn.Conv2d:
    """The same first convolution with other input channels, newly drawn."""
    new = nn.Conv2d(
        channels,
        stem.out_channels,
        stem.kernel_size,  # type: ignore[arg-type]
        stem.stride,  # type: ignore[arg-type]
        stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    return new


def pretrained(name: str, weights: str) -> StateDict:
    """The published state of a network of torchvision's, or that of a file of the same layout.

    Raises:
        WeightsError: it cannot be had, or the hub's file is not what its name says.
    """
    if weights == PHANTOM:
        return read_state(shipped_start(name))
    if weights != HUB:
        return _plain_names(read_state(Path(weights)))
    published = torchvision.models.get_model_weights(name).DEFAULT
    state = fetch(lambda: dict(published.get_state_dict(progress=False, check_hash=True)), name)
    kept = file_of_torchvision(name)
    if kept is not None:  # torch looks at the digits in a file's name as it fetches it, not later
        check_sha256(kept, DIGITS.findall(kept.name)[-1])
    return _plain_names(state)


def _plain_names(state: StateDict) -> StateDict:
    """The published DenseNet was saved when its layers were still called ``norm.1``."""
    return {OLD_LAYER.sub(r"\1.\2\3.", name): tensor for name, tensor in state.items()}
