"""Which published weights a study would fetch: where from, how large, and not here yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cystgrid.models.settings import ModelSettings

FLAT_NETWORKS = {"dense-inn": "densenet121", "incept-inn": "inception_v3"}
"""Whose weights are inflated."""

HUB, VIT_BUILDER, MB = "hub", "cystgrid.models.vit:build_vit", 1_000_000


@dataclass(frozen=True)
class Published:
    """Weights on a hub.

    Attributes:
        model: name in the study.
        source: where they are fetched.
        size: bytes.
    """

    model: str
    source: str
    size: int


def to_fetch(models: ModelSettings, names: Iterable[str]) -> list[Published]:
    """The weights of these models that a hub has and this machine's cache has not.

    Args:
        models: the study's.
        names: of models in it.
    """
    found = (_missing(models, name) for name in dict.fromkeys(names))
    return [each for each in found if each is not None]


def _missing(models: ModelSettings, name: str) -> Published | None:
    entry, architecture = models.entry(name), models.architecture(name)
    if entry.sees != "image" or models.weights_of(name) != HUB:
        return None
    if entry.build == VIT_BUILDER:
        return _of_timm(name, architecture)
    own = models.extractor if entry.family == "classical" else architecture
    return _of_torchvision(name, FLAT_NETWORKS.get(own, own))


def _of_timm(name: str, architecture: str) -> Published | None:
    import timm
    import torch
    from huggingface_hub import try_to_load_from_cache

    from cystgrid.models.vit import ARCHITECTURES, TIMM

    tag = ARCHITECTURES.get(architecture, architecture.removeprefix(TIMM))
    published = timm.get_pretrained_cfg(tag)
    repository, _, revision = str(published.hf_hub_id).partition("@")
    files = ("model.safetensors", "pytorch_model.bin")
    cached = (try_to_load_from_cache(repository, each, revision=revision or None) for each in files)
    if any(isinstance(path, str) for path in cached):
        return None
    with torch.device("meta"):
        network = timm.create_model(tag, pretrained=False)
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    return Published(name, f"huggingface.co/{repository}", size)


def _of_torchvision(name: str, architecture: str) -> Published | None:
    import torch
    import torchvision

    if architecture not in torchvision.models.list_models():
        return None  # it has none on a hub, and says so when it is built
    weights = torchvision.models.get_model_weights(architecture).DEFAULT
    if (Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name).is_file():
        return None
    return Published(
        name, weights.url.removeprefix("https://"), int(weights.meta["_file_size"] * MB)
    )
