"""The face of the package: a network, inputs and a method -> where the answer comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from cystgrid.errors import UsageError
from cystgrid.explanations.attention import transformers
from cystgrid.explanations.attribution import integrated_gradients
from cystgrid.explanations.gradcam import grad_cam
from cystgrid.explanations.gradient_rollout import gradient_rollout
from cystgrid.explanations.occlusion import cells, occlusion, patches
from cystgrid.explanations.options import Options
from cystgrid.explanations.passing import as_found, filled
from cystgrid.explanations.rollout import rollout
from cystgrid.explanations.structure import (
    Branch,
    branches,
    channel_names,
    has_attention,
    has_maps,
    joint_name,
    require_network,
)
from cystgrid.extras import require

ROLLOUT = "rollout"
GRADIENT_ROLLOUT = "gradient-rollout"
GRAD_CAM = "grad-cam"
INTEGRATED_GRADIENTS = "integrated-gradients"
OCCLUSION_CELLS = "occlusion-cells"
OCCLUSION_PATCHES = "occlusion-patches"

CAPTUM = ("captum",)


@dataclass(frozen=True)
class Method:
    """A way to make a map.

    Attributes:
        about: in words.
        class_specific: whether another class has another map.
        needs: attention over all tokens, feature maps or tokens with a place, or nothing.
        signed: whether values below 0 speak against the class; else there are none.
        weighs_scans: whether the sizes of several scans' maps compare, as parts of one score: twice
            the score leaves their shares as they are, and a scan that it does not depend on has
            none. Attention says what a branch looks at, and each branch's sums to the same.
        packages: of the extra ``attribution``, without which there is no map.
    """

    name: str
    about: str
    class_specific: bool
    needs: Literal["attention", "maps", "any"]
    signed: bool = False
    weighs_scans: bool = True
    packages: tuple[str, ...] = ()

    def require(self) -> None:
        """Refuse a method whose package is not there.

        Raises:
            SettingsError: it is not installed.
        """
        require("attribution", f"method {self.name}", *self.packages)


METHODS = {
    method.name: method
    for method in (
        Method(
            ROLLOUT,
            "attention of all layers, multiplied (Abnar & Zuidema 2020)",
            False,
            "attention",
            weighs_scans=False,
        ),
        Method(
            GRADIENT_ROLLOUT,
            "attention weighted by a class's gradient (Chefer et al. 2021)",
            True,
            "attention",
            weighs_scans=False,
        ),
        Method(
            GRAD_CAM, "last maps or tokens by a class's gradient (Selvaraju 2017)", True, "maps"
        ),
        Method(
            INTEGRATED_GRADIENTS,
            "gradients on the way from an empty input (Sundararajan et al. 2017)",
            True,
            "any",
            signed=True,
            packages=CAPTUM,
        ),
        Method(
            OCCLUSION_CELLS,
            "the score's fall without a cell",
            True,
            "any",
            signed=True,
            packages=CAPTUM,
        ),
        Method(
            OCCLUSION_PATCHES,
            "the score's fall without a patch",
            True,
            "any",
            signed=True,
            packages=CAPTUM,
        ),
    )
}
"""By name; for a transformer the default is the first, the paper's."""


@dataclass(frozen=True)
class Relevance:
    """Maps of a batch.

    Attributes:
        values: ``(batch, map, *spatial)`` float32, on the CPU; spatial axes are the input's own.
            The map of a scan that is absent is 0.
        of: what each map speaks of: ``("t1+t2",)``, ``("t1",)``, ``("t1", "t2")``, ...
        method: that made them.
    """

    values: Tensor
    of: tuple[str, ...]
    method: Method


def methods_for(network: object) -> tuple[str, ...]:
    """Names of the methods that serve a network, the best default first.

    It is seen by its parts alone. That convolutions only cut patches, so that Grad-CAM does not
    serve after all, shows itself in the first pass.

    Raises:
        UsageError: it is no network.
    """
    found = require_network(network)
    serves = {"attention": has_attention(found), "maps": has_maps(found), "any": True}
    return tuple(name for name, method in METHODS.items() if serves[method.needs])


def relevance(
    network: nn.Module,
    inputs: Tensor,
    method: str,
    *,
    classes: Sequence[int] | None = None,
    channels: Sequence[str] | None = None,
    options: Options | None = None,
) -> Relevance:
    """Say where in the inputs a network's answers come from.

    Late fusion has one map a modality. Other networks mix their channels: one map of all for the
    methods on attention and Grad-CAM, one a channel for integrated gradients and occlusion.

    Args:
        network: one of ours, any plain ViT of timm's, any convolutional network; it is left as it
            was found.
        inputs: ``(batch, channel, height, width)`` or ``(batch, channel, slice, row, column)``, as
            the network takes them; for ours NaN where a scan is absent.
        method: a key of ``METHODS``.
        classes: to explain, one an item; None for each item's predicted class. Methods that are not
            class-specific give the same map for every class.
        channels: names of the channels; None for t1 and t2 where ours has two.
        options: of the methods.

    Raises:
        UsageError: no network, no such method or class, or a network that it does not serve.
        SettingsError: a package that the method needs is not installed.
    """
    found, known = require_network(network), _method(method)
    shown = filled(found, inputs)
    names = channel_names(found, shown.shape[1], channels)
    joint = joint_name(found, names, channels is not None)
    made = options or Options()
    with as_found(found):
        if known.needs == "any":
            of = (joint,) if made.together else names
            values = _by_channel(found, shown, known, classes, made)
        else:
            parts = branches(found, names, joint)
            of = tuple(part.of for part in parts)
            values = torch.stack(_by_branch(found, parts, shown, known, classes, made), dim=1)
    values = values.detach().float().cpu()
    if of == names:
        values = _without_absent(values, inputs)
    return Relevance(values.contiguous(), of, known)


def _without_absent(values: Tensor, inputs: Tensor) -> Tensor:
    """Maps of one channel each, 0 where the item's channel is absent: it shows nothing to rest on.

    A branch has attention and feature maps on what stands in for a scan, too.
    """
    absent = inputs.cpu().isnan().flatten(2).all(dim=2)  # (batch, channel)
    return values.masked_fill(absent[(...,) + (None,) * (values.ndim - 2)], 0.0)


def _method(name: str) -> Method:
    """A method by its name.

    Raises:
        SettingsError: its package is not installed.
        UsageError: no such method.
    """
    if name not in METHODS:
        raise UsageError(
            "method", got=name, expected=f"one of {', '.join(METHODS)}", do="choose one of them"
        )
    METHODS[name].require()
    return METHODS[name]


def _by_branch(
    network: nn.Module,
    parts: Sequence[Branch],
    inputs: Tensor,
    method: Method,
    classes: Sequence[int] | None,
    options: Options,
) -> list[Tensor]:
    """One map ``(batch, *spatial)`` for each branch."""
    if method.name == GRAD_CAM:
        return grad_cam(network, parts, inputs, classes)
    seen = transformers(parts, method.name)
    if method.name == GRADIENT_ROLLOUT:
        return gradient_rollout(network, seen, inputs, classes)
    return rollout(network, seen, inputs, classes, options)


def _by_channel(
    network: nn.Module,
    inputs: Tensor,
    method: Method,
    classes: Sequence[int] | None,
    options: Options,
) -> Tensor:
    """One map a channel, or one of all: ``(batch, map, *spatial)``."""
    if method.name == INTEGRATED_GRADIENTS:
        return integrated_gradients(network, inputs, classes, options)
    divide = cells if method.name == OCCLUSION_CELLS else patches
    regions = divide(network, inputs.shape[2:], options)
    return occlusion(network, inputs, classes, regions, options)
