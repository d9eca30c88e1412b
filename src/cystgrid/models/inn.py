"""The inflated networks of LaLonde et al. (2019): DenseINN and InceptINN.

A stack of 5 slices is seen whole. Each modality is given to the stem three times, as the colours of
the pretrained network, so that no colour's kernel is lost. Early fusion: one stem sees all
modalities, its kernels divided by their number. Intermediate fusion: a stem for each modality,
their maps concatenated, and the kernels that read them divided.

Where INN leaves torchvision's networks: InceptINN has no auxiliary classifier and no dropout before
its head, as in INN; DenseINN drops 0.2 of each dense layer's maps. Batch norm keeps torchvision's
constants.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import torch
import torchvision
from torch import Tensor, nn

from cystgrid.grids.forms import INN_SLICES, STACK
from cystgrid.models.cnn import IMAGENET_MEAN, IMAGENET_STD, pretrained
from cystgrid.models.inflation import inflate, inflate_convolution, repeat_inputs, repeat_norm
from cystgrid.models.named_weights import NONE
from cystgrid.models.network import RGB, Network, Shape
from cystgrid.models.weights import start_from

Fusion = Literal["early", "intermediate"]
DENSE_DROPOUT = 0.2
DENSE_STEM_DEPTH = min(7, INN_SLICES)
HEAD = "classifier"
INCEPTION_MEAN = INCEPTION_STD = (0.5,)
"""torchvision's Inception weights come from TensorFlow's, which expect -1 to 1."""


class Inflated(nn.Module):
    """Stems, a body and a head for ``(batch, channel, slice, row, column)``.

    Attributes:
        stems: one that sees all modalities, or one a modality.
        body: what follows, to the last maps.
        classifier: linear, on the maps' means.
    """

    def __init__(self, stems: Sequence[nn.Module], body: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.stems = nn.ModuleList(stems)
        self.body = body
        self.classifier = classifier

    def forward(self, volumes: Tensor) -> Tensor:
        """Class scores ``(batch, classes)``."""
        scores: Tensor = self.classifier(self.maps(volumes).mean(dim=(-3, -2, -1)))
        return scores

    def maps(self, volumes: Tensor) -> Tensor:
        """The last feature maps ``(batch, feature, slice, row, column)``."""
        colours = volumes.unsqueeze(2).expand(-1, -1, RGB, -1, -1, -1).flatten(1, 2)
        shares = colours.chunk(len(self.stems), dim=1)
        seen = [stem(share) for stem, share in zip(self.stems, shares, strict=True)]
        maps: Tensor = self.body(torch.cat(seen, dim=1))
        return maps


def build_inn(name: str, inputs: str, shape: Shape, weights: str) -> Network:
    """Build DenseINN or InceptINN for stacks of 5 slices.

    Args:
        name: ``dense-inn`` or ``incept-inn``.
        inputs: ``intermediate`` for a stem each; else one stem for all modalities.
        shape: channels and classes; rows and columns from 32 pixels.
        weights: ``hub``, ``none`` or the path of a file for torchvision's ``densenet121`` or
            ``inception_v3``.

    Raises:
        WeightsError: the weights cannot be had or do not fit.
    """
    fusion: Fusion = "intermediate" if inputs == "intermediate" else "early"
    if name == "dense-inn":
        backbone = _dense(shape, weights, fusion)
        mean, std, layers = IMAGENET_MEAN, IMAGENET_STD, _dense_layers()
    else:
        backbone = _inception(shape, weights, fusion)
        mean, std, layers = INCEPTION_MEAN, INCEPTION_STD, _inception_layers(backbone)  # type: ignore[assignment]
    return Network(
        backbone,
        mean=mean,
        std=std,
        layers=layers,
        head=HEAD,
        channels=shape.channels,
        form=STACK,
    )


def _dense(shape: Shape, weights: str, fusion: Fusion) -> Inflated:
    flat = torchvision.models.densenet121(
        weights=None, num_classes=shape.classes, drop_rate=DENSE_DROPOUT
    )
    _start(flat, "densenet121", weights, stem="features.conv0.weight", head="classifier")
    features = flat.features
    stem = nn.Sequential()
    stem.add_module("conv0", inflate_convolution(features.conv0, DENSE_STEM_DEPTH))
    stem.add_module("norm0", inflate(features.norm0))
    stem.add_module("relu0", nn.ReLU())
    body = nn.Sequential()
    for child in list(features.named_children())[3:]:
        body.add_module(child[0], inflate(child[1]))
    body.add_module("relu5", nn.ReLU())
    width: int = flat.features.norm0.num_features
    stems = _stems(stem, "conv0", shape.channels, fusion)
    if len(stems) > 1:
        _dense_reads_copies(body, width, len(stems))
    return Inflated(stems, body, flat.classifier)


def _dense_reads_copies(body: nn.Module, width: int, copies: int) -> None:
    """The first block passes its inputs on to every layer of its own, and to the transition."""
    block, transition = body.get_submodule("denseblock1"), body.get_submodule("transition1")
    for layer in block.children():
        layer.norm1 = repeat_norm(layer.norm1, width, copies)  # type: ignore[arg-type]
        layer.conv1 = repeat_inputs(layer.conv1, width, copies)  # type: ignore[arg-type]
    transition.norm = repeat_norm(transition.norm, width, copies)  # type: ignore[arg-type]
    transition.conv = repeat_inputs(transition.conv, width, copies)  # type: ignore[arg-type]


def _inception(shape: Shape, weights: str, fusion: Fusion) -> Inflated:
    flat = torchvision.models.inception_v3(
        weights=None, num_classes=shape.classes, aux_logits=False, init_weights=False
    )
    _start(flat, "inception_v3", weights, stem="Conv2d_1a_3x3.conv.weight", head="fc")
    parts = dict(flat.named_children())
    stem = inflate(parts.pop("Conv2d_1a_3x3"))
    classifier = parts.pop("fc")
    body = nn.Sequential()
    for name, part in parts.items():
        if name not in ("avgpool", "dropout"):
            body.add_module(name, inflate(part))
    width: int = flat.Conv2d_1a_3x3.bn.num_features
    stems = _stems(stem, "conv", shape.channels, fusion)
    if len(stems) > 1:
        second = body.get_submodule("Conv2d_2a_3x3")
        second.conv = repeat_inputs(second.conv, width, len(stems))  # type: ignore[arg-type]
    return Inflated(stems, body, classifier)


def _start(flat: nn.Module, name: str, weights: str, *, stem: str, head: str) -> None:
    if weights == NONE:
        return
    state = {k: t for k, t in pretrained(name, weights).items() if not k.startswith("AuxLogits.")}
    start_from(flat, state, stem=stem, head=head, where=f"{name}: {weights}")


def _stems(stem: nn.Module, convolution: str, channels: int, fusion: Fusion) -> list[nn.Module]:
    """One stem that reads every modality's three colours, or equal stems, one a modality."""
    first = stem.get_submodule(convolution)
    if fusion == "early":
        stem.set_submodule(convolution, repeat_inputs(first, RGB, channels))  # type: ignore[arg-type]
        return [stem]
    return [stem, *(copy.deepcopy(stem) for _ in range(channels - 1))]


def _dense_layers() -> tuple[tuple[str, ...], ...]:
    blocks = tuple(
        (f"body.denseblock{n}", f"body.transition{n}" if n < 4 else "body.norm5")
        for n in range(1, 5)
    )
    return (("stems",), *blocks, (HEAD,))


def _inception_layers(backbone: Inflated) -> tuple[tuple[str, ...], ...]:
    """The stem's convolutions, then one layer for all blocks of one resolution."""
    names = [name for name, _ in backbone.body.named_children() if "pool" not in name]
    groups = ("Conv", "Mixed_5", "Mixed_6", "Mixed_7")
    layers = [tuple(f"body.{n}" for n in names if n.startswith(group)) for group in groups]
    return (("stems", *layers[0]), *layers[1:], (HEAD,))
