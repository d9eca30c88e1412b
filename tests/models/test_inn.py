"""Inflated networks: on identical slices they are the flat ones, and stems share what they read."""

import pytest
import torch
import torchvision
from torch.nn.functional import max_pool2d

from cystgrid.models.inflation import inflate, inflate_convolution, repeat_inputs, repeat_norm
from cystgrid.models.inn import build_inn
from cystgrid.models.network import Shape

FIRST = {"dense-inn": "densenet121", "incept-inn": "inception_v3"}


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """By our name: torchvision's network, its norms unlike new ones, and its file of weights."""
    made = {}

    def make(name):
        if name not in made:
            torch.manual_seed(0)
            options = {"init_weights": False} if name == "incept-inn" else {}
            network = torchvision.models.get_model(FIRST[name], weights=None, **options).eval()
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 1.5)
                elif isinstance(
                    module, torch.nn.Conv2d
                ):  # so that the image is still felt at the end
                    torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            path = tmp_path_factory.mktemp("flat") / f"{name}.pth"
            torch.save(network.state_dict(), path)
            made[name] = network, path
        return made[name]

    return make


def last_maps(name, network, image, monkeypatch):
    """The flat network's last maps; Inception padded in plane as ours is."""
    if name == "dense-inn":
        return network.features(image).relu()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.MaxPool2d):
            size = module.kernel_size
            module.padding = tuple(n // 2 for n in size) if isinstance(size, tuple) else size // 2
    monkeypatch.setattr(
        "torchvision.models.inception.F.max_pool2d",
        lambda x, kernel_size, stride, *_, **__: max_pool2d(
            x, kernel_size, stride, kernel_size // 2
        ),
    )
    for part_name, part in network.named_children():
        if part_name == "avgpool":
            return image
        if part_name != "AuxLogits":
            image = part(image)
    raise AssertionError("no end found")


SEES = {"dense-inn": 64, "incept-inn": 24}
"""Slices on either side that the last maps depend on, at most."""


@pytest.mark.parametrize("name", ["dense-inn", "incept-inn"])
def test_identical_slices_give_the_flat_networks_maps_inside(flat, name, monkeypatch):
    """Far from the first and last slice an inflated network cannot tell a volume from its slice."""
    network, path = flat(name)
    ours = build_inn(name, "early", Shape(1, 3, 1, 32), str(path)).backbone.eval()
    grey = torch.rand(1, 1, 32, 32)
    slices = 2 * SEES[name] + 1
    with torch.inference_mode():
        found = ours.maps(grey[:, :, None].expand(-1, -1, slices, -1, -1))
        with monkeypatch.context() as patch:
            wanted = last_maps(name, network, grey.expand(-1, 3, -1, -1), patch)
    assert found.shape[2] == slices
    torch.testing.assert_close(found[:, :, SEES[name]], wanted, atol=2e-4, rtol=2e-3)
    assert not torch.allclose(found[:, :, 0], wanted, atol=1e-2), "zeros lie beyond the first slice"


@pytest.mark.parametrize("name", ["dense-inn", "incept-inn"])
@pytest.mark.parametrize("inputs", ["early", "intermediate"])
def test_the_same_modality_twice_is_that_modality_alone(flat, name, inputs):
    _, path = flat(name)
    alone = build_inn(name, "t1", Shape(1, 3, 1, 32), str(path)).backbone.eval()
    both = build_inn(name, inputs, Shape(2, 3, 1, 32), str(path)).backbone.eval()
    assert len(both.stems) == (2 if inputs == "intermediate" else 1)
    shown = torch.rand(1, 1, 5, 32, 32)
    with torch.inference_mode():
        wanted = alone.maps(shown)
        torch.testing.assert_close(
            both.maps(shown.expand(-1, 2, -1, -1, -1)), wanted, atol=1e-4, rtol=1e-3
        )
        other = torch.cat([shown, shown.flip(-1)], dim=1)
        assert not torch.allclose(both.maps(other), wanted, atol=1e-3)


def test_the_stem_keeps_every_colours_kernel_divided_by_depth_and_modalities(flat):
    network, path = flat("dense-inn")
    stem = build_inn("dense-inn", "early", Shape(2, 3, 1, 32), str(path)).backbone.stems[0].conv0
    assert stem.weight.shape == (64, 6, 5, 7, 7)
    wanted = network.features.conv0.weight / (2 * 5)
    for modality in (0, 3):
        for depth in range(5):
            found = stem.weight[:, modality : modality + 3, depth]
            torch.testing.assert_close(found, wanted)


def test_small_and_large_crops_pass_and_keep_their_slices():
    for name in FIRST:
        network = build_inn(name, "early", Shape(1, 3, 1, 64), "none").eval()
        with torch.inference_mode():
            assert network(torch.rand(1, 1, 5, 64, 64)).shape == (1, 3)
            assert network.backbone.maps(torch.rand(1, 1, 5, 32, 96)).shape[2] == 5


def test_kernels_that_are_not_square_stay_flat():
    wide = inflate_convolution(torch.nn.Conv2d(2, 3, (1, 7), padding=(0, 3)))
    assert wide.kernel_size == (1, 1, 7)
    assert inflate_convolution(torch.nn.Conv2d(2, 3, 5)).kernel_size == (5, 5, 5)
    pointwise = inflate_convolution(torch.nn.Conv2d(2, 3, 1, stride=2))
    assert (pointwise.kernel_size, pointwise.stride) == ((1, 1, 1), (1, 2, 2))


def test_inputs_that_come_twice_share_their_kernels():
    convolution, norm = torch.nn.Conv3d(5, 4, 3), torch.nn.BatchNorm3d(5).eval()
    norm.running_mean.normal_()
    norm.weight.data.normal_()
    doubled = repeat_inputs(convolution, 2, 2)
    shown = torch.rand(1, 5, 4, 4, 4)
    again = torch.cat([shown[:, :2], shown[:, :2], shown[:, 2:]], dim=1)
    torch.testing.assert_close(doubled(again), convolution(shown))
    wide = repeat_norm(norm, 2, 2).eval()
    torch.testing.assert_close(wide(again)[:, 2:], norm(shown))


def test_a_layer_without_a_rule_is_refused_by_name():
    with pytest.raises(TypeError, match="no rule to inflate LPPool2d"):
        inflate(torch.nn.Sequential(torch.nn.LPPool2d(2, 2)))


def test_dropout_acts_in_training_alone():
    network = build_inn("dense-inn", "early", Shape(1, 3, 1, 32), "none")
    shown = torch.rand(2, 1, 5, 32, 32)
    with torch.inference_mode():
        network.eval()
        assert torch.equal(network(shown), network(shown))
        network.train()
        assert not torch.equal(network(shown), network(shown))
