"""A deployed model's members as folders that timm loads, without cystgrid.

OUT/config.json, model.safetensors           of one member
OUT/member-<j>/...                           of several
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from cystgrid.errors import UsageError
from cystgrid.exports.checking import Check, checked
from cystgrid.exports.source import Source
from cystgrid.models.fusion import LateFusion
from cystgrid.models.vit import STEM as PATCHES
from cystgrid.provenance import write_json
from cystgrid.training.checkpoint import save_weights
from cystgrid.training.network_member import NetworkMember

WEIGHTS = "model.safetensors"

SAME_IN_TIMM = {"resnet18": "conv1", "densenet121": "features.conv0"}
"""torchvision's networks whose layers timm builds and names alike, and their first layers."""


def write_timm(source: Source, folder: Path, about: dict[str, Any]) -> Check:
    """Write a folder a member and ask timm what each says.

    Args:
        source: the model.
        folder: there already, empty.
        about: what each folder says of itself, under ``cystgrid`` in config.json.

    Raises:
        UsageError: timm has no such network.
        StoreError: a folder says something else than the member.
    """
    refuse_unknown(source)
    found = []
    for number, member in enumerate(source.members):
        place = folder / member_name(source, number)
        place.mkdir(exist_ok=True)
        write_json(place / "config.json", _config(source, member, {**about, "member": number}))
        save_weights(member.network.backbone.state_dict(), place / WEIGHTS)
        found.append(_check(source, number, place))
    return replace(found[0], largest=max(each.largest for each in found))


def member_name(source: Source, number: int) -> str:
    """Of a member's folder within the export; its own where it is the only one."""
    return f"member-{number}" if len(source.members) > 1 else "."


def refuse_unknown(source: Source) -> None:
    """Refuse a network that timm could not build.

    Raises:
        UsageError: naming those that it can.
    """
    backbone = source.members[0].network.backbone
    late = isinstance(backbone, LateFusion)
    if late or _architecture(source) is None:
        raise UsageError(
            "--to timm",
            got=f"{source.card['architecture']} on {source.model.inputs}",
            expected=f"a transformer, {' or '.join(SAME_IN_TIMM)}, on early, t1 or t2",
            do="choose --to onnx or monai-bundle, which take every network",
        )


def _architecture(source: Source) -> str | None:
    """Timm's name of it."""
    backbone = source.members[0].network.backbone
    if isinstance(backbone, timm.models.VisionTransformer):
        return str(backbone.pretrained_cfg["architecture"])
    name = str(source.card["architecture"])
    return name if name in SAME_IN_TIMM else None


def _config(source: Source, member: NetworkMember, about: dict[str, Any]) -> dict[str, Any]:
    network, classes = member.network, list(source.model.classes)
    architecture, image = _architecture(source), int(source.card["image"])
    transformer = isinstance(network.backbone, timm.models.VisionTransformer)
    size = {"img_size": image} if transformer else {}
    return {
        "architecture": architecture,
        "num_classes": len(classes),
        "label_names": classes,
        "model_args": {"in_chans": network.channels, "num_classes": len(classes), **size},
        "pretrained_cfg": {
            "tag": "cystgrid",
            "num_classes": len(classes),
            "input_size": [network.channels, image, image],
            "fixed_input_size": transformer,
            "crop_pct": 1.0,
            "mean": [float(network.mean)] * network.channels,
            "std": [float(network.std)] * network.channels,
            "first_conv": PATCHES.removesuffix(".weight")
            if transformer
            else SAME_IN_TIMM[str(architecture)],
            "classifier": network.head,
        },
        "cystgrid": {**about, "absent": network.absent.tolist()},
    }


def _check(source: Source, number: int, place: Path) -> Check:
    """What timm makes of the member's own images, against what the member says."""
    member = source.members[number]
    found = _probabilities(source, number, place)
    expected = member.probabilities([case.prepared for case in source.cases])
    return checked(source, (found,), expected, f"{place.name}/{WEIGHTS}")


def _probabilities(source: Source, number: int, place: Path) -> NDArray[np.float64]:
    network = source.members[number].network
    model = timm.create_model(f"local-dir:{place}", pretrained=True).eval()
    channels = slice(number * network.channels, (number + 1) * network.channels)
    with torch.inference_mode():
        images = source.preparation()(*source.tensors(source.cases))[:, channels]
        shown = torch.where(images.isnan(), network.absent[:, None, None], images)
        scores = model((shown - network.mean) / network.std)
    return np.asarray(scores.double().softmax(dim=1).numpy())
