"""Pretrained starts: exact on grey images, refused by name when they do not fit, code never run."""

import copy
import os
import pickle
import re

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torchvision

from cystgrid.errors import WeightsError
from cystgrid.models.network import Shape
from cystgrid.models.registry import ModelSettings, build_model, build_network
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


CNNS = {"alexnet": 64, "densenet121": 32, "resnet18": 32, "mobilenet_v2": 32, "efficientnet_b5": 32}
"""By name, the size of the image that the law is tried on."""


@pytest.fixture(scope="module")
def rgb_cnn(tmp_path_factory):
    """By name: torchvision's network for colours, its norms unlike new ones, and its file."""
    made = {}

    def make(name):
        if name not in made:
            torch.manual_seed(0)
            network = torchvision.models.get_model(name, weights=None).eval()
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 1.5)
            path = tmp_path_factory.mktemp("weights") / f"{name}.pth"
            torch.save(network.state_dict(), path)
            made[name] = network, path
        return made[name]

    return make


def features(network, head):
    """The network without its head."""
    network = copy.deepcopy(network)
    network.set_submodule(head, torch.nn.Identity())
    return network.eval()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_grey_image_gives_a_vit_the_features_of_the_rgb_network(rgb_vit, channels):
    original, path = rgb_vit
    ours = build_model("vit_tiny", "early", Shape(channels, 3, 1, 224), str(path)).backbone.eval()
    grey = torch.randn(2, 1, 224, 224)
    with torch.inference_mode():
        wanted = original.forward_features(grey.expand(-1, 3, -1, -1))
        found = ours.forward_features(grey.expand(-1, channels, -1, -1))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CNNS)
def test_a_grey_image_gives_a_cnn_the_features_of_the_rgb_network(rgb_cnn, name):
    original, path = rgb_cnn(name)
    grey = torch.randn(2, 1, CNNS[name], CNNS[name])
    for channels in (1, 2):
        shape = Shape(channels, 3, 1, CNNS[name])
        network = build_model(name, "early", shape, str(path))
        with torch.inference_mode():
            wanted = features(original, network.head)(grey.expand(-1, 3, -1, -1))
            found = features(network.backbone, network.head)(grey.expand(-1, channels, -1, -1))
        assert found.shape[1] == network.features
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["vit_tiny", "mobilenet_v2"])
def test_late_fusion_starts_both_networks(rgb_vit, rgb_cnn, name):
    """Each half's features are those of the pretrained network on its own modality."""
    original, path = rgb_vit if name == "vit_tiny" else rgb_cnn(name)
    size = 224 if name == "vit_tiny" else 32
    network = build_model(name, "late", Shape(2, 3, 1, size), str(path)).eval()
    shown = torch.randn(2, 2, size, size)
    head = "head" if name == "vit_tiny" else "classifier.1"
    with torch.inference_mode():
        plain = features(original, head)
        wanted = torch.cat([plain(shown[:, [m] * 3]) for m in (0, 1)], dim=1)
        scores = torch.nn.functional.linear(
            wanted, network.backbone.head.weight, network.backbone.head.bias
        )
        torch.testing.assert_close(network.backbone(shown), scores, atol=1e-4, rtol=1e-3)


def test_doubled_rgb_kernels_would_fail_this():
    """The control: two of the three colours, as timm does for two channels, is another network."""
    kernel = torch.randn(4, 3, 2, 2)
    grey = torch.randn(1, 1, 2, 2)
    wanted = (kernel * grey).sum((1, 2, 3))
    assert torch.allclose((fewer_colours(kernel, 2) * grey).sum((1, 2, 3)), wanted, atol=1e-5)
    assert not torch.allclose((kernel[:, :2] * 1.5 * grey).sum((1, 2, 3)), wanted, atol=1e-2)


def test_position_embeddings_are_resampled_to_the_grid(rgb_vit):
    original, path = rgb_vit
    ours = build_model("vit_tiny", "early", Shape(2, 3, 1, 192), str(path)).backbone
    assert ours.pos_embed.shape == (1, 12 * 12 + 1, 192)
    assert torch.equal(ours.pos_embed[:, 0], original.pos_embed[:, 0]), "the class token's own"
    same = build_model("vit_tiny", "early", Shape(2, 3, 1, 224), str(path)).backbone
    assert torch.equal(same.pos_embed, original.pos_embed)


def test_the_head_is_new_and_everything_else_is_not(rgb_vit):
    original, path = rgb_vit
    ours = build_model("vit_tiny", "early", Shape(3, 3, 1, 224), str(path)).backbone
    for name, tensor in original.state_dict().items():
        if not name.startswith("head"):
            assert torch.equal(ours.state_dict()[name], tensor), name
    assert ours.head.weight.shape == (3, 192)


def test_googles_own_format_is_read(tmp_path):
    """An .npz in the layout of the released JAX checkpoints, made from a known network."""
    torch.manual_seed(0)
    network = timm.create_model(TINY, pretrained=False, num_classes=0)
    np.savez(tmp_path / "vit.npz", **_as_google(network))
    ours = build_model("vit_tiny", "early", Shape(3, 3, 1, 224), str(tmp_path / "vit.npz")).backbone
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


def test_weights_of_another_architecture_are_refused_by_tensor(rgb_cnn):
    with pytest.raises(WeightsError, match="missing"):
        build_model("vit_tiny", "early", Shape(2, 3, 1, 192), str(rgb_cnn("resnet18")[1]))


@pytest.mark.parametrize("name", ["gone.safetensors", "gone.npz", "gone.pth"])
def test_weights_that_are_not_there_say_how_to_get_them(tmp_path, name):
    with pytest.raises(WeightsError, match='weights = "none"'):
        build_model("vit_tiny", "early", Shape(2, 3, 1, 192), str(tmp_path / name))


def test_a_file_of_noise_is_refused(tmp_path):
    for name in ("noise.safetensors", "noise.pth", "noise.npz"):
        (tmp_path / name).write_bytes(b"\x00noise" * 50)
        with pytest.raises(WeightsError, match=name):
            build_model("vit_tiny", "early", Shape(2, 3, 1, 192), str(tmp_path / name))


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
        build_model("vit_tiny", "early", Shape(2, 3, 1, 192), str(path))
    assert not ran.exists()


HUBS = ("vit_tiny", "timm:deit_tiny_patch16_224", "alexnet", "densenet121", "resnet18",
        "mobilenet_v2", "dense-inn", "incept-inn")  # fmt: skip


@pytest.mark.parametrize("name", HUBS)
def test_an_unreachable_hub_is_an_error_and_not_a_silent_start(name, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("no network")

    real = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *a, **k: refuse() if k.get("pretrained") else real(*a, **k)
    )
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(WeightsError, match="from the hub"):
        build_model(name, "early", Shape(2, 3, 1, 64), "hub")


def test_where_nobody_publishes_weights_a_hub_is_refused():
    with pytest.raises(WeightsError, match='"densenet121-3d" = "none"'):
        build_model("densenet121-3d", "early", Shape(2, 3, 1, 64, cube=32), "hub")


def test_the_published_densenets_old_names_are_understood(rgb_cnn, tmp_path):
    network, _ = rgb_cnn("densenet121")
    old = {
        re.sub(r"(denselayer\d+)\.(norm|conv)([12])\.", r"\1.\2.\3.", name): tensor
        for name, tensor in network.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    ours = build_model("densenet121", "early", Shape(3, 3, 1, 32), str(tmp_path / "old.pth"))
    for name, tensor in network.features.state_dict().items():
        assert torch.equal(ours.backbone.features.state_dict()[name], tensor), name


def test_the_real_weights_load(real_weights):
    path = real_weights / "vit_tiny_patch16_224.safetensors"
    ours = build_model("vit_tiny", "late", Shape(2, 3, 9, 64), str(path))
    assert ours.backbone.t2.pos_embed.abs().max() > 0.1
    assert (float(ours.mean), float(ours.std)) == (0.5, 0.5)


def test_real_weights_with_the_normalisation_folded_in_are_used_as_they_are(real_weights):
    """A grey 0-1 image through our two channels gives what torchvision's network gives."""
    path = real_weights / "mobilenet_v2.safetensors"
    original = torchvision.models.mobilenet_v2(weights=None).eval()
    original.load_state_dict(safetensors.torch.load_file(path))
    settings = ModelSettings(names=("mobilenet_v2",), weights=str(path), normalisation="unit")
    ours = build_network(settings, "mobilenet_v2", "early", Shape(2, 3, 1, 64)).eval()
    grey = torch.rand(2, 1, 64, 64)
    ours.backbone.classifier[1] = torch.nn.Identity()
    with torch.inference_mode():
        wanted = features(original, "classifier.1")(grey.expand(-1, 3, -1, -1))
        found = ours(grey.expand(-1, 2, -1, -1))
        plain = build_model("mobilenet_v2", "early", Shape(2, 3, 1, 64), str(path)).eval()
        plain.backbone.classifier[1] = torch.nn.Identity()
        assert not torch.allclose(plain(grey.expand(-1, 2, -1, -1)), wanted, atol=1e-2)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
