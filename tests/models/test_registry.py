"""Every network behind its name: shapes, gradients, layers, size, what it puts away."""

import pytest
import safetensors.torch
import torch

from cystgrid.errors import SettingsError
from cystgrid.models.network import Network, Shape
from cystgrid.models.registry import (
    CHANNELS,
    MODELS,
    ModelSettings,
    build_estimator,
    build_model,
    build_network,
    entry_of,
)
from models.tiny import LIGHT, NETWORKS, PAIRS, tiny_input, tiny_shape


def build(name, inputs, seed=0):
    torch.manual_seed(seed)
    shape = tiny_shape(name, inputs)
    return build_model(name, inputs, shape, "none"), shape


def parameters(network):
    return sum(parameter.numel() for parameter in network.backbone.parameters())


@pytest.mark.parametrize(("name", "inputs"), LIGHT)
def test_scores_out_and_a_finite_gradient_in_everything_that_trains(name, inputs):
    network, shape = build(name, inputs)
    network.learn_absent()
    shown = tiny_input(network, shape)
    shown[0, 0] = torch.nan
    scores = network.train()(shown)
    assert scores.shape == (2, 3)
    torch.nn.functional.cross_entropy(scores, torch.tensor([0, 2])).backward()
    for parameter_name, parameter, layer in network.trainable():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert 0 <= layer < len(network.layers)
    moved = sum(bool(parameter.grad.any()) for _, parameter, _ in network.trainable())
    assert moved > 0.9 * sum(1 for _ in network.trainable()), "most gradients are not all zero"


@pytest.mark.parametrize(("name", "inputs"), [p for p in PAIRS if p[1] != "t2"])
def test_every_parameter_is_in_exactly_one_layer(name, inputs):
    with torch.device("meta"):
        network = build_model(name, inputs, tiny_shape(name, inputs), "none")
    names = [parameter for parameter, _ in network.backbone.named_parameters()]
    for parameter in names:
        owners = [
            layer
            for layer in network.layers
            if any(parameter == p or parameter.startswith(p + ".") for p in layer)
        ]
        assert len(owners) == 1, parameter
    used = {network.layer_of(parameter) for parameter in names}
    assert used == set(range(len(network.layers))), "a layer without a parameter"
    assert network.layer_of(f"{network.head}.weight") == len(network.layers) - 1
    assert network.channels == len(CHANNELS[inputs])


@pytest.mark.parametrize("name", NETWORKS)
def test_parameter_counts_are_the_published_ones(name):
    """Exact where the authors' count is; within 1 % of the figures that INN prints."""
    entry = MODELS[name]
    channels, classes, pixels = entry.published_size
    with torch.device("meta"):
        network = build_model(name, "early", Shape(channels, classes, 1, pixels), "none")
    if entry.published_parameters is None:
        assert parameters(network) > 1e6
    elif name.endswith("inn"):
        assert parameters(network) == pytest.approx(entry.published_parameters, rel=0.002)
    else:
        assert parameters(network) == entry.published_parameters


@pytest.mark.parametrize(("name", "millions"), [("dense-inn", 11.38), ("incept-inn", 34.12)])
def test_intermediate_fusion_has_the_published_size_too(name, millions):
    with torch.device("meta"):
        network = build_model(name, "intermediate", Shape(2, 3, 9, 64), "none")
    assert parameters(network) / 1e6 == pytest.approx(millions, rel=0.002)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("resnet18", "early"), ("vit_tiny", "late"), ("dense-inn", "intermediate"),
     ("densenet121-3d", "early")],
)  # fmt: skip
def test_what_is_put_away_and_taken_up_answers_the_same_bytes(name, inputs):
    network, shape = build(name, inputs, seed=1)
    with torch.no_grad():
        network.absent.fill_(0.25)
    network.normalise_with(0.1, 0.7)
    content = safetensors.torch.save(network.state())
    again, _ = build(name, inputs, seed=2)
    shown = tiny_input(network, shape)
    shown[1, 0] = torch.nan
    with torch.inference_mode():
        wanted = network.eval()(shown)
        assert not torch.equal(again.eval()(shown), wanted)
        again.load_state(safetensors.torch.load(content))
        assert torch.equal(again(shown), wanted)
    assert safetensors.torch.save(again.state()) == content


def test_a_state_of_another_network_is_not_taken_up():
    network, _ = build("resnet18", "early")
    state = network.state()
    for broken in ({**state, "absent": torch.zeros(3)}, {k: state[k] for k in state if k != "std"}):
        with pytest.raises(RuntimeError, match="missing or of another length"):
            network.load_state(broken)
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state({k: t for k, t in state.items() if not k.startswith("fc")})


def test_the_same_seed_draws_the_same_network():
    first, second, other = (build("mobilenet_v2", "late", seed)[0].state() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_networks_own_mean_and_deviation_are_applied_inside():
    network = Network(
        torch.nn.Identity(), mean=(0.2, 0.4), std=(0.1, 0.3), layers=(), head="", channels=1
    )
    torch.testing.assert_close(network(torch.tensor([[[0.3, 0.5]]])), torch.tensor([[[0.0, 1.0]]]))
    network.normalise_with(0.0, 1.0)
    torch.testing.assert_close(network(torch.tensor([[0.3]])), torch.tensor([[0.3]]))


def test_an_absent_scan_is_shown_as_one_grey_and_only_learned_when_asked():
    network = Network(torch.nn.Identity(), mean=(0.5,), std=(0.5,), layers=(), head="", channels=2)
    shown = torch.tensor([[[[0.5]], [[torch.nan]]], [[[torch.nan]], [[1.0]]]])
    torch.testing.assert_close(network(shown).flatten(), torch.tensor([0.0, -1.0, -1.0, 1.0]))
    assert [name for name, _, _ in network.trainable()] == []
    network.learn_absent()
    network(shown).sum().backward()
    assert network.absent.grad.tolist() == [2.0, 2.0], "one absent scan each, over a deviation 0.5"
    with torch.no_grad():
        network.absent.copy_(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(network(shown)[0, 1], torch.tensor([[1.0]]))


def test_a_studys_settings_reach_its_network():
    shape = Shape(2, 3, 4, 16)
    plain = ModelSettings(names=("vit",), vit="tiny", weights="none")
    network = build_network(plain, "vit", "early", shape)
    assert (float(network.mean), network.absent.requires_grad) == (0.5, False)
    other = ModelSettings(names=("vit",), vit="tiny", weights="none", absent="learned",
                          normalisation={"vit": "unit"})  # fmt: skip
    network = build_network(other, "vit", "early", shape)
    assert (float(network.mean), float(network.std)) == (0.0, 1.0)
    assert network.absent.requires_grad


def test_a_parameter_of_no_layer_is_a_mistake_in_the_model():
    network = Network(torch.nn.Linear(1, 1), mean=(0,), std=(1,), layers=(("weight",),), head="",
                      channels=1)  # fmt: skip
    with pytest.raises(ValueError, match="bias belongs to no layer"):
        network.layer_of("bias")


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'densenet121'"):
        entry_of("densnet121")
    with pytest.raises(SettingsError, match="did you mean 'alexnet'"):
        build_model("alexnett", "early", Shape(2, 3, 4, 32), "none")
    with pytest.raises(SettingsError, match=r"got late for dense-inn, expected one of early, t1"):
        build_model("dense-inn", "late", Shape(2, 3, 9, 32), "none")
    with pytest.raises(SettingsError, match="majority, a classical model"):
        build_model("majority", "none", Shape(2, 3, 9, 32), "none")
    with pytest.raises(SettingsError, match="vit_tiny, a network model"):
        build_estimator(ModelSettings(), "vit_tiny", "early", 9)


def test_any_plain_vit_of_timms_is_built_by_its_name_and_nothing_else():
    shape = Shape(2, 3, 4, 28)
    network = build_model("timm:vit_tiny_patch16_224", "late", Shape(2, 3, 4, 16), "none")
    assert network(torch.rand(1, 2, 32, 32)).shape == (1, 3)
    registers = build_model("timm:vit_small_patch14_reg4_dinov2", "early", shape, "none")
    assert "reg_token" in registers.layers[0]
    assert registers(torch.rand(1, 2, 56, 56)).shape == (1, 3)
    with pytest.raises(SettingsError, match="a multiple of its patch of 14 pixels"):
        build_model("timm:vit_small_patch14_dinov2", "early", Shape(2, 3, 4, 16), "none")
    with pytest.raises(SettingsError, match="timm:swin_tiny_patch4_window7_224, a SwinTransformer"):
        build_model("timm:swin_tiny_patch4_window7_224", "early", Shape(2, 3, 1, 224), "none")
    with pytest.raises(SettingsError, match="did you mean timm:vit_tiny_patch16_224"):
        build_model("timm:vit_tiny_patch16_2244", "early", Shape(2, 3, 1, 224), "none")


def test_grids_that_pools_use_up_are_refused():
    with pytest.raises(SettingsError, match="got grids of 32 pixels for alexnet"):
        build_model("alexnet", "early", Shape(2, 3, 4, 16), "none")
