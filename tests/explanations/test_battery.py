"""All checks together, on a network whose answer is known to rest on one patch."""

import numpy as np
import pytest
import torch
from torch import nn

from cystgrid.explanations.battery import CHECKS, LESION_CHECKS, Battery, Sample, probabilities
from cystgrid.models.network import Network

SIDE, PATCH, PLANTED = 64, 16, 6
METHODS = ("integrated-gradients", "occlusion-cells", "occlusion-patches")


def planted_network(seed=0):
    """Scores that rest on one of 4 x 4 patches: the brighter it is, the more of class 0."""
    blocks = SIDE // PATCH
    head = nn.Linear(2 * blocks**2, 2)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.bias.copy_(torch.tensor([-3.0, 0.0]))
        head.weight.copy_(0.01 * torch.randn(head.weight.shape, generator=generator))
        for channel in range(2):
            head.weight[0, channel * blocks**2 + PLANTED] = 4.0
    body = nn.Sequential(nn.AvgPool2d(PATCH), nn.Flatten(), head)
    return Network(body, mean=(0.0,), std=(1.0,), layers=(("2",),), head="2", channels=2)


def planted_sample(batch=12):
    """Noise with the planted patch brighter; the lesion is a disc within it."""
    grey = 0.5 * torch.rand(batch, 1, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    row, column = (PATCH * (PLANTED // 4), PATCH * (PLANTED % 4))
    patch = (..., slice(row, row + PATCH), slice(column, column + PATCH))
    grey[patch] += 0.4
    lesion = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    lesion[row + 2 : row + 14, column + 2 : column + 14] = True
    return Sample(grey, (0,) * batch, (*[lesion] * (batch - 1), None), tuple(range(batch)))


@pytest.fixture(scope="module")
def found():
    return Battery((planted_network(),), cells=4).check(planted_sample(), METHODS)


def mean(found, method, check):
    return float(np.nanmean([row[check] for row in found[method]]))


def test_every_method_and_control_has_every_figure(found):
    assert list(found) == [*METHODS, "noise", "brightness", "centre"]
    for method, rows in found.items():
        assert len(rows) == 12
        for row in rows:
            assert set(row) == set(CHECKS)
            undefined = {check for check, value in row.items() if np.isnan(value)}
            lesion = set(LESION_CHECKS) if row is rows[-1] else set()
            itself = {"agreement"} if method == "occlusion-cells" else set()
            assert undefined == lesion | itself


def test_occlusion_by_patch_finds_what_the_answer_rests_on(found):
    assert mean(found, "occlusion-patches", "concentration") > 5
    assert mean(found, "occlusion-patches", "average_precision") > 0.4
    assert mean(found, "occlusion-patches", "pointing") > 0.5
    for check in ("deletion", "insertion"):
        assert mean(found, "occlusion-patches", check) > 0.15
        assert abs(mean(found, "noise", check)) < 0.1


def test_noise_is_at_chance_in_all_that_asks_for_a_place(found):
    assert mean(found, "noise", "concentration") == pytest.approx(1, abs=0.1)
    share = mean(found, "noise", "lesion_share")
    assert mean(found, "noise", "average_precision") == pytest.approx(share, rel=0.3)
    assert abs(mean(found, "noise", "stability")) < 0.05
    assert abs(mean(found, "noise", "randomisation")) < 0.05


def test_brightness_finds_a_bright_lesion_and_fails_the_randomisation_test(found):
    assert mean(found, "brightness", "average_precision") > 0.4
    assert mean(found, "brightness", "randomisation") == pytest.approx(1)
    assert mean(found, "centre", "randomisation") == pytest.approx(1)
    assert mean(found, "occlusion-patches", "randomisation") < 0.5


def test_what_a_map_owes_to_the_image_it_has_without_the_network_too(found):
    for control in ("brightness", "centre"):
        same = mean(found, control, "concentration")
        assert mean(found, control, "concentration_shuffled") == pytest.approx(same)
    learned = mean(found, "occlusion-patches", "concentration")
    assert mean(found, "occlusion-patches", "concentration_shuffled") < learned / 3


def test_it_does_not_depend_on_who_else_is_looked_at(found):
    """Apart from noise, which is drawn patient after patient, a patient's row is its own."""
    sample, one = planted_sample(), slice(2, 3)
    alone = Sample(sample.inputs[one], sample.classes[one], sample.lesions[one], sample.seeds[one])
    rows = Battery((planted_network(),), cells=4).check(alone, METHODS)
    for method in (*METHODS, "brightness"):
        for check in CHECKS:
            expected = found[method][2][check]
            same = pytest.approx(expected, rel=1e-4, abs=1e-4, nan_ok=True)
            assert rows[method][0][check] == same


def test_several_networks_answer_and_explain_by_their_mean():
    one, other = planted_network(0), planted_network(1)
    sample = planted_sample(2)
    both = sample.shown(sample.inputs.expand(-1, 2, -1, -1, -1))
    mean_of = torch.stack([probabilities([n], sample.inputs) for n in (one, other)]).mean(dim=0)
    torch.testing.assert_close(probabilities([one, other], both.inputs), mean_of)
    maps = [Battery((n,), 4).maps("occlusion-patches", sample, (n,)) for n in (one, other)]
    together = Battery((one, other), 4).maps("occlusion-patches", both, (one, other))
    torch.testing.assert_close(together, torch.stack(maps).mean(dim=0))


def test_the_networks_are_left_as_they_were():
    network = planted_network()
    before = {name: tensor.clone() for name, tensor in network.state().items()}
    Battery((network,), 4).check(planted_sample(2), METHODS)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_networks_count_alike_however_large_their_scores():
    quiet, loud = planted_network(1), planted_network(1)
    with torch.no_grad():
        for parameter in loud.backbone[2].parameters():
            parameter.mul_(10)
    inputs = planted_sample().inputs.expand(-1, 2, -1, -1, -1)
    sample = planted_sample().shown(inputs)
    pairs = ((planted_network(), quiet), (planted_network(), loud))
    first, second = (
        Battery(pair, cells=4).maps("occlusion-patches", sample, pair) for pair in pairs
    )
    torch.testing.assert_close(first, second)
