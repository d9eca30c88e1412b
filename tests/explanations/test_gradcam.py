"""Grad-CAM against the grad-cam package, and the layer that is taken."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from explained import branches_of, build, inputs_of, timm_vit
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from cystgrid import explain
from cystgrid.errors import UsageError
from cystgrid.explanations.gradcam import raw_grad_cam, target_of
from cystgrid.explanations.structure import Branch

CLOSE = 1e-5
NETWORKS = {
    "alexnet": "features.11",
    "resnet18": "layer4",
    "densenet121": "features",
    "mobilenet_v2": "features",
    "efficientnet_b0": "features",
    "squeezenet1_1": "classifier.2",
    "convnext_tiny": "features",
    "shufflenet_v2_x0_5": "conv5",
    "googlenet": "inception5b",
    "regnet_x_400mf": "trunk_output",
    "timm/seresnet18": "layer4",
    "timm/convnext_atto": "norm_pre",
    "timm/mobilenetv3_small_050": "blocks",
    "timm/regnety_002": "final_conv",
    "timm/efficientnet_lite0": "bn2",
}
"""The last maps before the pooling, by a look at each network's code; timm's
``norm_pre`` and ``final_conv`` pass on what the last stage puts out."""


def package(network, target, images, classes, reshape=None):
    """The package's raw maps, before it scales them."""

    class Raw(GradCAM):
        def compute_cam_per_layer(self, images, targets, smooth):
            shown = self.activations_and_grads
            self.raw = self.get_cam_image(
                images, None, targets,
                shown.activations[0].numpy(), shown.gradients[0].numpy(), smooth,
            )  # fmt: skip
            return [self.raw[:, None]]  # bringing them to the input's size takes seconds

    with Raw(network, [target], reshape_transform=reshape) as cam:
        cam(images, [ClassifierOutputTarget(c) for c in classes])
        return np.maximum(cam.raw, 0)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_equal_to_the_package_on_a_cnn(name):
    torch.manual_seed(0)
    network = torchvision.models.get_model(name, weights=None, num_classes=5).eval()
    images, classes = torch.rand(2, 3, 64, 96), [3, 1]
    expected = package(network, network.get_submodule(NETWORKS[name]), images, classes)
    found = raw_grad_cam(network, [Branch("image", network)], images, classes)[0]
    assert found.shape == expected.shape and expected.std() > 0
    assert np.abs(found.numpy() - expected).max() < CLOSE * expected.max()


def test_equal_to_the_package_on_a_transformer():
    network, images, classes = timm_vit(reg_tokens=2), torch.rand(2, 3, 48, 32), [2, 0]

    def reshape(tokens):
        return tokens[:, 3:].reshape(2, 3, 2, -1).permute(0, 3, 1, 2)

    expected = package(network, network.blocks[-1].norm1, images, classes, reshape)
    found = explain.relevance(network, images, "grad-cam", classes=classes).values
    assert expected.std() > 0
    assert np.abs(found[:, 0, ::16, ::16].numpy() - expected).max() < CLOSE * expected.max()


def test_equal_to_the_package_in_three_dimensions():
    network = build("densenet121-3d")
    images = torch.rand(1, 2, 64, 32, 32)
    expected = package(network, network.backbone.class_layers.relu, images, [1])
    found = raw_grad_cam(network, branches_of(network), images, [1])[0]
    assert found.shape == (1, 2, 1, 1) and expected.std() > 0
    assert np.abs(found.numpy() - expected).max() < CLOSE * expected.max()


def test_of_a_mean_and_a_linear_head_by_hand():
    """Selvaraju's identity with CAM: weights are the class's own, divided by the places."""
    torch.manual_seed(0)
    body = nn.Conv2d(3, 4, 3, padding=1)
    network = nn.Sequential(body, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    images = torch.rand(1, 3, 6, 5)
    maps = body(images).relu()
    by_hand = (network[-1].weight[1].reshape(-1, 1, 1) * maps[0]).sum(0).relu() / 30
    found = explain.relevance(network, images, "grad-cam", classes=[1]).values
    assert torch.allclose(found[0, 0], by_hand, atol=1e-7)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_last_maps_before_the_pooling_are_taken(name):
    torch.manual_seed(0)
    if name.startswith("timm/"):
        network = timm.create_model(name.removeprefix("timm/"), pretrained=False)
    else:
        settings = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        network = torchvision.models.get_model(name, weights=None, **settings)
    found = target_of(network.eval(), Branch("image", network), torch.rand(1, 3, 128, 128))
    assert {n for n, module in network.named_modules() if module is found} == {NETWORKS[name]}


@pytest.mark.parametrize(
    ("name", "inputs", "target"),
    [
        ("dense-inn", "early", "body"),
        ("incept-inn", "intermediate", "body"),
        ("densenet121-3d", "early", "class_layers.relu"),
        ("resnet18", "late", "t2.layer4"),
    ],
)
def test_the_last_maps_of_our_own(name, inputs, target):
    network = build(name, inputs)
    found = target_of(network, branches_of(network)[-1], inputs_of(network, side=64))
    assert found is network.backbone.get_submodule(target)


def test_maps_changed_in_place_are_those_that_are_pooled():
    """torchvision's DenseNet has its last ReLU outside of any part: no map below 0 is weighed."""
    network = build("densenet121")
    images = inputs_of(network, side=64)
    with torch.no_grad():
        pooled = network.backbone.features((images - network.mean) / network.std).relu()
    weights = network.backbone.classifier.weight.detach() / pooled[0, 0].numel()
    by_hand = torch.einsum("cf,bfhw->cbhw", weights, pooled).relu()
    assert by_hand.max() > 1e-3
    for number, expected in enumerate(by_hand):
        found = raw_grad_cam(network, branches_of(network), images, [number] * 2)[0]
        assert torch.allclose(found, expected, atol=1e-6)


def test_of_an_inflated_network_by_hand():
    """Its head is linear on the maps' means, so a map's weight is the class's own."""
    network = build("dense-inn", "intermediate")
    images = inputs_of(network, batch=1, side=64)
    with torch.no_grad():
        maps = network.backbone.maps((images - network.mean) / network.std)
    weights = network.backbone.classifier.weight.detach() / maps[0, 0].numel()
    by_hand = torch.einsum("cf,bfdhw->cdhw", weights, maps).relu()
    assert (by_hand.amax(dim=(1, 2, 3)) > 0).any()
    for number, expected in enumerate(by_hand):
        found = raw_grad_cam(network, branches_of(network), images, [number])[0]
        assert torch.allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["swin_tiny", "mixer"])
def test_one_whose_only_convolution_cuts_patches_is_refused(name):
    if name == "mixer":
        network = timm.create_model("mixer_s32_224", pretrained=False)
    else:
        network = torchvision.models.swin_t(weights=None)
    with pytest.raises(UsageError, match="without convolutional maps near its end, expected"):
        explain.relevance(network, torch.rand(1, 3, 224, 224), "grad-cam")
