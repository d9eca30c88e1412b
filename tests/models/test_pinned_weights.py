"""Weights that are others than a study, or the name of their file, says are refused."""

import pytest
import safetensors.torch
import timm
import torch
import torchvision

from cystgrid.errors import SettingsError, WeightsError
from cystgrid.models.network import Shape
from cystgrid.models.registry import ModelSettings, build_network
from cystgrid.provenance import sha256_file

SHAPE = Shape(2, 3, 1, 32)
OTHER = "0" * 64


def settings(**values):
    return ModelSettings.parse({"names": ["vit", "resnet18"], "vit": "tiny", **values}, "models")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """A file of the layout of torchvision's, which is not theirs."""
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    torch.manual_seed(0)
    safetensors.torch.save_file(torchvision.models.resnet18().state_dict(), path)
    return path


def test_a_file_is_held_to_the_studys_sha256_before_any_work(resnet):
    weights = {"default": "none", "resnet18": str(resnet)}
    for right in (sha256_file(resnet), sha256_file(resnet).upper()):
        settings(weights=weights, sha256={"resnet18": right}).check_weights()
    with pytest.raises(WeightsError, match=rf"got sha256 {sha256_file(resnet)}, expected {OTHER};"):
        settings(weights=weights, sha256={"resnet18": OTHER}).check_weights()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"weights": "none", "sha256": {"vit": OTHER}}, "weights of vit that are a file"),
        ({"weights": "phantom", "sha256": {"vit": OTHER}}, "weights of vit that are a file"),
        ({"sha256": {"cnn-svm": OTHER}}, "weights of cnn-svm that are a file"),
        ({"sha256": {"vitt": OTHER}}, "did you mean"),
        ({"sha256": {"vit": "abc"}}, "sha256"),
    ],
)
def test_a_sha256_that_nothing_would_be_held_to_is_refused(values, said):
    with pytest.raises(SettingsError, match=said):
        settings(**values)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub whose files lie in the cache already, as the last fetch left them."""
    torch.manual_seed(0)
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    name = torchvision.models.get_model_weights("resnet18").DEFAULT.url.rpartition("/")[2]
    torch.save(torchvision.models.resnet18().state_dict(), checkpoints / name)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    real, vit = timm.create_model, tmp_path / "model.safetensors"
    safetensors.torch.save_file(real("vit_tiny_patch16_224").state_dict(), vit)
    monkeypatch.setattr(
        timm, "create_model", lambda *a, **k: real(*a, **{**k, "pretrained": False})
    )
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: str(vit))
    return vit, checkpoints / name


def test_what_timms_hub_gave_is_held_to_the_studys_sha256(hub):
    vit, _ = hub
    assert build_network(settings(), "vit", "early", SHAPE)
    pinned = settings(sha256={"vit": sha256_file(vit)})
    assert build_network(pinned, "vit", "early", SHAPE)
    with pytest.raises(WeightsError, match=f"expected {OTHER}"):
        build_network(settings(sha256={"vit": OTHER}), "vit", "early", SHAPE)


def test_a_file_that_cannot_be_found_to_be_held_is_no_start(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(WeightsError, match="no file in the hub's cache"):
        build_network(settings(sha256={"vit": OTHER}), "vit", "early", SHAPE)


def test_torchvisions_files_are_held_to_the_digits_in_their_names_each_time(hub):
    """torch itself takes whatever lies in its cache under that name."""
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd\.pth: got sha256 .*f37072fd\.\.\."):
        build_network(settings(), "resnet18", "early", SHAPE)


def test_a_pinned_hub_is_another_identity(resnet):
    plain, pinned = settings(), settings(sha256={"vit": OTHER})
    assert plain.identity("vit")["weights"] == "hub"
    assert pinned.identity("vit")["weights"] == f"hub {OTHER}"
    assert plain.identity("resnet18") == pinned.identity("resnet18")
