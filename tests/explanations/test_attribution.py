"""Integrated gradients: complete, exact where the truth is known, nothing for what is absent."""

import pytest
import torch
from explained import build, inputs_of, timm_vit
from torch import nn

from cystgrid import explain


@pytest.mark.parametrize(("name", "inputs"), [("vit_tiny", "early"), ("vit_tiny", "late")])
def test_maps_sum_to_the_difference_of_the_scores(name, inputs):
    network = build(name, inputs)
    images = inputs_of(network)
    found = explain.relevance(
        network, images, "integrated-gradients", classes=[2, 0], options=explain.Options(steps=48)
    )
    assert found.of == ("t1", "t2")
    with torch.no_grad():
        empty = torch.full_like(images, torch.nan)
        difference = (network(images) - network(empty))[[0, 1], [2, 0]]
    assert torch.allclose(found.values.sum(dim=(1, 2, 3)), difference, atol=1e-3)
    assert difference.abs().min() > 1e-2


def test_of_a_product_by_hand():
    """f = a b of two pixels: from 0 each gets half, whatever their values."""

    class Product(nn.Module):
        def forward(self, images):
            return images.flatten(1).prod(dim=1, keepdim=True)

    images = torch.tensor([[[[3.0, 4.0]]]])
    found = explain.relevance(Product(), images, "integrated-gradients")
    assert torch.allclose(found.values.flatten(), torch.tensor([6.0, 6.0]))
    assert found.of == ("image",)


def test_an_absent_scan_has_no_share():
    network = build("vit_tiny")
    with torch.no_grad():
        network.absent.fill_(0.3)
    images = inputs_of(network)
    images[0, 1] = torch.nan
    values = explain.relevance(network, images, "integrated-gradients").values
    assert (values[0, 1] == 0).all() and values[0, 0].abs().sum() > 0
    assert values[1, 1].abs().sum() > 0


def test_one_map_of_all_is_the_sum():
    network, images = timm_vit(), torch.rand(1, 3, 48, 32)
    apart = explain.relevance(network, images, "integrated-gradients")
    together = explain.relevance(
        network, images, "integrated-gradients", options=explain.Options(together=True)
    )
    assert apart.of == ("channel 0", "channel 1", "channel 2") and together.of == ("image",)
    assert torch.allclose(apart.values.sum(1), together.values[:, 0], atol=1e-7)
