"""Frozen batch norms keep their statistics; folded ones are never normalised a second time."""

import pytest
import torch
from torch import nn

from cystgrid.errors import SettingsError
from cystgrid.training.batch_norm import refuse_folded, train_mode
from cystgrid.training.settings import TrainingSettings


def settings(how):
    return TrainingSettings(batch_norm=how)


def network(scale=3.0, shift=0.5):
    """A convolution and its norm, as if trained; always the same."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    norm = body[1]
    with torch.no_grad():
        norm.weight.fill_(scale)
        norm.bias.fill_(shift)
        norm.running_mean.fill_(0.2)
        norm.running_var.fill_(2.0)
    return body


def fold(body):
    """The same function at inference, with the norm's scale in the convolution."""
    convolution, norm = body[0], body[1]
    with torch.no_grad():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias + (convolution.bias - norm.running_mean) * scale
        convolution.weight.mul_(scale[:, None, None, None] * (1 + norm.eps) ** 0.5)
        convolution.bias.zero_()
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0)
        norm.weight.fill_(1.0)
        norm.bias.copy_(shift)
    return body


IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("how", ["batch", "frozen"])
def test_statistics_move_only_where_batches_give_them(how):
    body = network()
    before = body[1].running_mean.clone()
    train_mode(body, settings(how))
    body(IMAGES).sum().backward()
    assert torch.equal(body[1].running_mean, before) == (how == "frozen")
    assert body[1].weight.grad.abs().sum() > 0 and body[1].bias.grad.abs().sum() > 0


def test_frozen_is_what_inference_computes():
    body = network()
    expected = body.eval()(IMAGES)
    train_mode(body, settings("frozen"))
    assert torch.equal(body(IMAGES), expected)


def test_folded_weights_are_refused_but_frozen():
    plain = network().eval()
    folded = fold(network()).eval()
    torch.testing.assert_close(folded(IMAGES), plain(IMAGES))
    with pytest.raises(SettingsError, match=r'batch_norm = "frozen"'):
        refuse_folded(folded, settings("batch"))
    refuse_folded(folded, settings("frozen"))


def test_new_and_trained_networks_are_no_folded_ones():
    refuse_folded(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), settings("batch"))
    refuse_folded(network(), settings("batch"))
    refuse_folded(nn.Linear(2, 2), settings("batch"))


def test_the_real_folded_weights_are_known(real_weights):
    from cystgrid.models.network import Shape
    from cystgrid.models.registry import build_model

    path = real_weights / "mobilenet_v2.safetensors"
    built = build_model("mobilenet_v2", "early", Shape(2, 3, 4, 16), str(path))
    with pytest.raises(SettingsError, match="folded"):
        refuse_folded(built, settings("batch"))
