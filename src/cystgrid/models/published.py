"""Which published weights a study would fetch: where from, how large, and not here yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cystgrid.errors import WeightsError
from cystgrid.models.named_weights import HUB, check_sha256
from cystgrid.models.settings import ModelSettings

FLAT_NETWORKS = {"dense-inn": "densenet121", "incept-inn": "inception_v3"}
"""Whose weights are inflated."""

VIT_BUILDER, MB = "cystgrid.models.vit:build_vit", 1_000_000


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


def check_fetched(models: ModelSettings, name: str) -> None:
    """Hold a hub's file, which a network was just built from, to the sha256 that the study states.

    Args:
        models: the study's.
        name: of a network in it.

    Raises:
        WeightsError: it has another, or is not where the hub keeps its files.
    """
    if models.weights_of(name) != HUB or name not in models.sha256:
        return
    architecture = models.architecture(name)
    if models.entry(name).build == VIT_BUILDER:
        path = _file_of_timm(_of_hub(architecture)[1])
    else:
        path = file_of_torchvision(FLAT_NETWORKS.get(architecture, architecture))
    if path is None:
        raise WeightsError(
            f"weights of {name}",
            got="no file in the hub's cache",
            expected="one to hold against models.sha256",
            do="fetch the file, and name its path as weights",
        )
    check_sha256(path, models.sha256[name])


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

    tag, hub_id = _of_hub(architecture)
    if _file_of_timm(hub_id) is not None:
        return None
    with torch.device("meta"):
        network = timm.create_model(tag, pretrained=False)
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    return Published(name, f"huggingface.co/{hub_id.partition('@')[0]}", size)


def _of_hub(architecture: str) -> tuple[str, str]:
    """A transformer's name at timm's, and where its hub has it."""
    import timm

    from cystgrid.models.vit import ARCHITECTURES, TIMM

    tag = ARCHITECTURES.get(architecture, architecture.removeprefix(TIMM))
    return tag, str(timm.get_pretrained_cfg(tag).hf_hub_id)


def _file_of_timm(hub_id: str) -> Path | None:
    """Where the hub's cache has the file that timm takes; None where it has none."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = hub_id.partition("@")
    files = ("model.safetensors", "pytorch_model.bin")
    cached = (try_to_load_from_cache(repository, each, revision=revision or None) for each in files)
    return next((Path(path) for path in cached if isinstance(path, str)), None)


def _of_torchvision(name: str, architecture: str) -> Published | None:
    import torchvision

    if architecture not in torchvision.models.list_models():
        return None  # it has none on a hub, and says so when it is built
    weights = torchvision.models.get_model_weights(architecture).DEFAULT
    if file_of_torchvision(architecture) is not None:
        return None
    return Published(
        name, weights.url.removeprefix("https://"), int(weights.meta["_file_size"] * MB)
    )


def file_of_torchvision(architecture: str) -> Path | None:
    """Where torch's cache has the file that torchvision takes; None where it has none."""
    import torch
    import torchvision

    url = torchvision.models.get_model_weights(architecture).DEFAULT.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    return path if path.is_file() else None
