"""Pretrained starts: exact on grey images, refused by name when they do not fit, code never run."""

import os
import pickle

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torchvision

from cystgrid.errors import WeightsError
from cystgrid.models.network import Shape
from cystgrid.models.registry import ModelSettings, build_model
from cystgrid.models.weights import fewer_colours

TINY = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def rgb_vit(tmp_path_factory):
    torch.manual_seed(0)
    network = timm.create_model(TINY, pretrained=False, num_classes=5).eval()
    torch.nn.init.normal_(network.pos_embed)
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    return network, path


@pytest.fixture(scope="module")
def rgb_resnet(tmp_path_factory):
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None).eval()
    path = tmp_path_factory.mktemp("weights") / "resnet.pth"
    torch.save(network.state_dict(), path)
    return network, path


@pytest.mark.parametrize("channels", [1, 2])
def test_a_grey_image_gives_a_vit_the_features_of_the_rgb_network(rgb_vit, channels):
    original, path = rgb_vit
    ours = build_model("vit_tiny", Shape(channels, 3, 224), str(path)).backbone.eval()
    grey = torch.randn(2, 1, 224, 224)
    with torch.inference_mode():
        wanted = original.forward_features(grey.expand(-1, 3, -1, -1))
        found = ours.forward_features(grey.expand(-1, channels, -1, -1))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_grey_image_gives_a_resnet_the_features_of_the_rgb_network(rgb_resnet, channels):
    original, path = rgb_resnet
    ours = build_model("resnet18", Shape(channels, 3, 64), str(path)).backbone.eval()
    original.fc, head = torch.nn.Identity(), original.fc
    ours.fc = torch.nn.Identity()
    grey = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        wanted, found = (
            original(grey.expand(-1, 3, -1, -1)),
            ours(grey.expand(-1, channels, -1, -1)),
        )
    original.fc = head
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_doubled_rgb_kernels_would_fail_this():
    """The control: two of the three colours, as timm does for two channels, is another network."""
    kernel = torch.randn(4, 3, 2, 2)
    grey = torch.randn(1, 1, 2, 2)
    wanted = (kernel * grey).sum((1, 2, 3))
    assert torch.allclose((fewer_colours(kernel, 2) * grey).sum((1, 2, 3)), wanted, atol=1e-5)
    assert not torch.allclose((kernel[:, :2] * 1.5 * grey).sum((1, 2, 3)), wanted, atol=1e-2)


def test_position_embeddings_are_resampled_to_the_grid(rgb_vit):
    original, path = rgb_vit
    ours = build_model("vit_tiny", Shape(2, 3, 192), str(path)).backbone
    assert ours.pos_embed.shape == (1, 12 * 12 + 1, 192)
    assert torch.equal(ours.pos_embed[:, 0], original.pos_embed[:, 0]), "the class token's own"
    same = build_model("vit_tiny", Shape(2, 3, 224), str(path)).backbone
    assert torch.equal(same.pos_embed, original.pos_embed)


def test_the_head_is_new_and_everything_else_is_not(rgb_vit):
    original, path = rgb_vit
    ours = build_model("vit_tiny", Shape(3, 3, 224), str(path)).backbone
    for name, tensor in original.state_dict().items():
        if not name.startswith("head"):
            assert torch.equal(ours.state_dict()[name], tensor), name
    assert ours.head.weight.shape == (3, 192)


def test_googles_own_format_is_read(tmp_path):
    """An .npz in the layout of the released JAX checkpoints, made from a known network."""
    torch.manual_seed(0)
    network = timm.create_model(TINY, pretrained=False, num_classes=0)
    np.savez(tmp_path / "vit.npz", **_as_google(network))
    ours = build_model("vit_tiny", Shape(3, 3, 224), str(tmp_path / "vit.npz")).backbone
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor)


def _as_google(network):
    def linear(prefix, layer):
        return {f"{prefix}/kernel": layer.weight.T, f"{prefix}/bias": layer.bias}

    def norm(prefix, layer):
        return {f"{prefix}/scale": layer.weight, f"{prefix}/bias": layer.bias}

    state = {"cls": network.cls_token,
             "Transformer/posembed_input/pos_embedding": network.pos_embed,
             "embedding/kernel": network.patch_embed.proj.weight.permute(2, 3, 1, 0),
             "embedding/bias": network.patch_embed.proj.bias,
             **norm("Transformer/encoder_norm", network.norm)}  # fmt: skip
    for number, block in enumerate(network.blocks):
        prefix = f"Transformer/encoderblock_{number}"
        heads, width = block.attn.num_heads, network.embed_dim
        state |= norm(f"{prefix}/LayerNorm_0", block.norm1) | norm(
            f"{prefix}/LayerNorm_2", block.norm2
        )
        state |= linear(f"{prefix}/MlpBlock_3/Dense_0", block.mlp.fc1)
        state |= linear(f"{prefix}/MlpBlock_3/Dense_1", block.mlp.fc2)
        attention = f"{prefix}/MultiHeadDotProductAttention_1"
        for part, kernel, bias in zip(
            ("query", "key", "value"), block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3),
            strict=True,
        ):  # fmt: skip
            state[f"{attention}/{part}/kernel"] = kernel.T.reshape(width, heads, -1)
            state[f"{attention}/{part}/bias"] = bias.reshape(heads, -1)
        state[f"{attention}/out/kernel"] = block.attn.proj.weight.T.reshape(heads, -1, width)
        state[f"{attention}/out/bias"] = block.attn.proj.bias
    return {name: tensor.detach().numpy() for name, tensor in state.items()}


def test_weights_of_another_architecture_are_refused_by_tensor(rgb_resnet):
    with pytest.raises(WeightsError, match="missing"):
        build_model("vit_tiny", Shape(2, 3, 192), str(rgb_resnet[1]))


@pytest.mark.parametrize("name", ["gone.safetensors", "gone.npz", "gone.pth"])
def test_weights_that_are_not_there_say_how_to_get_them(tmp_path, name):
    with pytest.raises(WeightsError, match='weights = "none"'):
        build_model("vit_tiny", Shape(2, 3, 192), str(tmp_path / name))


def test_a_file_of_noise_is_refused(tmp_path):
    for name in ("noise.safetensors", "noise.pth", "noise.npz"):
        (tmp_path / name).write_bytes(b"\x00noise" * 50)
        with pytest.raises(WeightsError, match=name):
            build_model("vit_tiny", Shape(2, 3, 192), str(tmp_path / name))


class _Code:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".npz"])
def test_a_pickle_that_would_run_code_never_runs(tmp_path, suffix):
    ran, path = tmp_path / "ran", tmp_path / f"evil{suffix}"
    if suffix == ".npz":
        np.savez(path, cls=np.array([_Code(ran)], dtype=object))
    else:
        path.write_bytes(pickle.dumps({"state_dict": _Code(ran)}))
    with pytest.raises(WeightsError):
        build_model("vit_tiny", Shape(2, 3, 192), str(path))
    assert not ran.exists()


def test_the_packages_own_start_is_refused_until_it_ships():
    for name in ("vit_tiny", "resnet18"):
        with pytest.raises(WeightsError, match="ships no pretrained start"):
            build_model(name, Shape(2, 3, 192), "phantom")


@pytest.mark.parametrize("name", ["vit_tiny", "resnet18"])
def test_an_unreachable_hub_is_an_error_and_not_a_silent_start(name, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("no network")

    if name == "vit_tiny":
        real = timm.create_model
        monkeypatch.setattr(
            timm, "create_model", lambda *a, **k: refuse() if k.get("pretrained") else real(*a, **k)
        )
    else:
        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(WeightsError, match="from the hub"):
        build_model(name, Shape(2, 3, 192), "hub")


def test_the_real_weights_load(real_weights):
    path = real_weights / "vit_tiny_patch16_224.safetensors"
    ours = build_model("vit_tiny", Shape(2, 3, 192), str(path))
    assert ours.backbone.pos_embed.abs().max() > 0.1
    assert (float(ours.mean), float(ours.std)) == (0.5, 0.5)


def test_relative_paths_of_weights_are_the_study_files(tmp_path):
    settings = ModelSettings(weights={"default": "none", "vit": "w/a.npz"}).beside(tmp_path)
    assert settings.weights_of("vit") == str(tmp_path / "w" / "a.npz")
    assert settings.weights_of("resnet18") == "none"
    assert ModelSettings(weights="b.pth").beside(tmp_path).weights_of("vit") == str(
        tmp_path / "b.pth"
    )
