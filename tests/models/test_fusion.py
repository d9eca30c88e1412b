"""Late fusion: each half sees one modality, and everything has its layer."""

import pytest
import torch

from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model


@pytest.fixture(scope="module", params=["vit_tiny", "mobilenet_v2"])
def network(request):
    torch.manual_seed(0)
    return build_model(request.param, "late", Shape(2, 3, 4, 32), "none").eval()


def test_a_modality_reaches_the_scores_through_its_own_half_alone(network):
    """With one half's part of the head at nought, its modality changes nothing."""
    shown = torch.rand(1, 2, 64, 64)
    half = network.features // 2
    weight = network.backbone.head.weight
    for silent, slots in ((0, slice(0, half)), (1, slice(half, None))):
        kept = weight.detach().clone()
        with torch.inference_mode(False), torch.no_grad():
            weight[:, slots] = 0
            before = network(shown)
            other = shown.clone()
            other[:, silent] = torch.rand(1, 64, 64)
            assert torch.equal(network(other), before)
            other[:, 1 - silent] = torch.rand(1, 64, 64)
            assert not torch.equal(network(other), before)
            weight.copy_(kept)


def test_names_and_layers_pair_the_halves(network):
    names = [name for name, _ in network.backbone.named_parameters()]
    assert {name.split(".")[0] for name in names} == {"t1", "t2", "head"}
    for name in names:
        if name.startswith("t1."):
            assert network.layer_of(name) == network.layer_of("t2." + name[3:])
    assert {n for n in names if network.layer_of(n) == len(network.layers) - 1} >= {
        "head.weight", "head.bias"
    }  # fmt: skip


def test_the_head_is_linear_on_both_halves_features(network):
    t1 = network.backbone.t1(torch.rand(2, 1, 64, 64))
    assert network.backbone.head.in_features == 2 * t1.shape[1]
    assert network.backbone.head.out_features == 3
