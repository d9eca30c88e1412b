"""Every model behind its name: shapes, normalisation, layers."""

import pytest
import torch

from cystgrid.models.network import Network, Shape
from cystgrid.models.registry import MODEL_NAMES, ModelSettings, build_model

ARCHITECTURES = tuple(ModelSettings(vit="tiny").architecture(name) for name in MODEL_NAMES)


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES)))
def test_grids_in_class_scores_out_and_every_parameter_has_a_layer(name):
    network = build_model(name, Shape(2, 3, 64), "none").eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 2, 64, 64)).shape == (2, 3)
    layers = {network.layer_of(parameter) for parameter, _ in network.backbone.named_parameters()}
    assert layers == set(range(len(network.layers)))


@pytest.mark.parametrize(
    ("name", "millions"),
    [("vit_tiny", 5.4), ("vit_small", 21.5), ("vit_base", 85.5), ("resnet18", 11.2)],
)
def test_parameter_counts_at_the_papers_size(name, millions):
    """Published backbones without their 1000-class heads, two channels, 12 x 12 positions."""
    network = build_model(name, Shape(2, 3, 192), "none")
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.02)


def test_the_networks_own_mean_and_deviation_are_applied_inside():
    network = Network(torch.nn.Identity(), mean=(0.2, 0.4), std=(0.1, 0.3), layers=())
    torch.testing.assert_close(network(torch.tensor([0.3, 0.5])), torch.tensor([0.0, 1.0]))


def test_vit_means_the_size_that_the_study_names():
    assert ModelSettings(vit="small").architecture("vit") == "vit_small"
    assert ModelSettings(vit="small").architecture("vit_base") == "vit_base"
    with pytest.raises(ValueError, match="Available: vit, vit_tiny"):
        ModelSettings(names=("vitt",))
    with pytest.raises(ValueError, match="keys out of default"):
        ModelSettings(weights={"vitt": "none"})


def test_a_parameter_of_no_layer_is_a_mistake_in_the_model():
    network = Network(torch.nn.Linear(1, 1), mean=(0,), std=(1,), layers=(("weight",),))
    with pytest.raises(ValueError, match="bias belongs to no layer"):
        network.layer_of("bias")
