"""Our pools are torch's, with the order of their sums fixed."""

import pytest
import torch
from torch import nn

from cystgrid.models.pooling import AdaptiveMean, HalvingMean, MaxPool, MeanPool


@pytest.fixture
def volumes():
    return torch.randn(2, 3, 5, 7, 8, dtype=torch.float64, requires_grad=True)


def agree(ours, theirs, shown):
    """Values and gradients."""
    weights = torch.rand_like(theirs)
    torch.testing.assert_close(ours, theirs)
    (mine,) = torch.autograd.grad((ours * weights).sum(), shown, retain_graph=True)
    (wanted,) = torch.autograd.grad((theirs * weights).sum(), shown)
    torch.testing.assert_close(mine, wanted)


@pytest.mark.parametrize(("size", "stride", "depth_stride"), [(3, 2, 1), (3, 1, 1), (3, 2, 2)])
def test_the_largest(volumes, size, stride, depth_stride):
    ours = MaxPool(size, stride, size // 2, depth=size, depth_stride=depth_stride)
    theirs = nn.MaxPool3d(size, (depth_stride, stride, stride), size // 2)
    agree(ours(volumes), theirs(volumes), volumes)


def test_the_mean_of_three_slices_leaves_out_what_is_beyond(volumes):
    inside = nn.AvgPool3d(3, 1, (1, 0, 0), count_include_pad=False)
    agree(MeanPool(3, 1, 0, depth=3)(volumes), inside(volumes), volumes)


def test_in_plane_the_padding_counts_as_in_torchs_flat_networks(volumes):
    flat = nn.AvgPool2d(3, 1, 1)
    same = volumes[:, :, :1].expand(-1, -1, 5, -1, -1)
    found = MeanPool(3, 1, 1, depth=3)(same)
    torch.testing.assert_close(found[:, :, 2], flat(volumes[:, :, 0]))
    torch.testing.assert_close(found[:, :, 0], found[:, :, 2])


def test_the_mean_of_two_slices_is_of_a_slice_and_the_next(volumes):
    found = MeanPool(2, 2, 0, depth=2)(volumes)
    planes = torch.stack([nn.AvgPool2d(2)(volumes[:, :, z]) for z in range(5)], dim=2)
    torch.testing.assert_close(found[:, :, :4], (planes[:, :, :4] + planes[:, :, 1:]) / 2)
    torch.testing.assert_close(found[:, :, 4], planes[:, :, 4])


def test_halving(volumes):
    agree(HalvingMean()(volumes), nn.AvgPool3d(2)(volumes), volumes)


@pytest.mark.parametrize("shape", [(5, 5), (6, 6), (13, 7), (1, 20)])
def test_adaptive(shape):
    shown = torch.randn(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    agree(AdaptiveMean(6)(shown), nn.AdaptiveAvgPool2d(6)(shown), shown)
