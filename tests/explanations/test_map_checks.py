"""Rank correlation, agreement, stability and randomisation, each with a map that must fail."""

import copy

import numpy as np
import pytest
import torch
from explained import build, inputs_of
from scipy.stats import spearmanr

from cystgrid.explanations.checks.agreement import agreement
from cystgrid.explanations.checks.controls import brightness, centre, noise
from cystgrid.explanations.checks.randomisation import randomised
from cystgrid.explanations.checks.ranks import by_region, rank_correlation
from cystgrid.explanations.checks.stability import stability
from cystgrid.explanations.relevance import relevance

SEEDED = torch.Generator


def maps(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_rank_correlation_is_spearmans_with_ties():
    one, other = (maps(1, 4, 6, 6) * 5).round(), maps(2, 4, 6, 6) + maps(1, 4, 6, 6)
    expected = [
        spearmanr(a.ravel(), b.ravel()).statistic
        for a, b in zip(one.numpy(), other.numpy(), strict=True)
    ]
    np.testing.assert_allclose(rank_correlation(one, other), expected, atol=1e-12)


def test_only_the_order_counts_and_a_flat_map_has_none():
    one = maps(1, 2, 5, 5)
    np.testing.assert_allclose(rank_correlation(one, one.exp()), 1)
    np.testing.assert_allclose(rank_correlation(one, -one), -1)
    np.testing.assert_array_equal(rank_correlation(one, torch.ones(2, 5, 5)), 0)


def test_regions_have_their_mean():
    regions = torch.tensor([[0, 0, 1], [2, 1, 1]])
    found = by_region(torch.tensor([[[1.0, 3.0, 4.0], [9.0, 5.0, 6.0]]]), regions)
    assert found.tolist() == [[2.0, 5.0, 9.0]]


def test_agreement_looks_at_cells_alone():
    cells = torch.arange(4).reshape(2, 2).repeat_interleave(8, 0).repeat_interleave(8, 1)
    occluded = torch.tensor([0.1, -0.2, 0.5, 0.3])[cells].expand(2, 16, 16)
    within = maps(3, 2, 16, 16)
    within = within - by_region(within, cells)[:, cells]  # no cell above another
    np.testing.assert_allclose(agreement(occluded + 0.1 * within, occluded, cells), 1)
    np.testing.assert_allclose(agreement(-occluded, occluded, cells), -1)
    drawn = [agreement(maps(seed, 2, 16, 16), occluded, cells).mean() for seed in range(200)]
    assert abs(np.mean(drawn)) < 0.15


@pytest.mark.parametrize(("spatial", "shape"), [(2, (3, 2, 2, 16, 16)), (3, (3, 2, 2, 5, 8, 8))])
def test_a_map_that_goes_with_the_scan_is_stable_and_noise_is_not(spatial, shape):
    inputs = maps(0, *shape)
    cells = 4
    seen = brightness(inputs, spatial, cells, SEEDED())
    again = stability(lambda x: brightness(x, spatial, cells, SEEDED()), inputs, seen, cells)
    assert (again > 0.99).all()
    generator = torch.Generator().manual_seed(5)
    drawn = noise(inputs, spatial, cells, generator)
    other = stability(lambda x: noise(x, spatial, cells, generator), inputs, drawn, cells)
    assert np.abs(other).max() < 0.2


def test_a_map_that_stays_where_it_was_while_the_scan_moves_is_not_stable():
    inputs = maps(0, 2, 1, 2, 16, 16)
    fixed = maps(9, 16, 16).expand(2, 16, 16)
    found = stability(lambda x: fixed, inputs, fixed, 4)
    assert (found < 0.5).all()  # only the change of contrast leaves it


def test_cells_are_moved_within_their_places():
    inputs = torch.zeros(1, 1, 1, 16, 16)
    inputs[..., :8, 8:] = 1  # one whole cell
    seen = []

    def explain(shown):
        seen.append(shown)
        return shown[:, 0, 0]

    found = stability(explain, inputs, inputs[:, 0, 0], 4)
    assert len(seen) == 3
    assert all(torch.equal(shown, inputs) for shown in seen)
    np.testing.assert_allclose(found, 1)


NETWORK = ("vit_tiny", "early")


@pytest.fixture(scope="module")
def network():
    return build(*NETWORK)


def test_shuffling_keeps_every_value_and_leaves_the_network_alone(network):
    before = {name: tensor.clone() for name, tensor in network.state().items()}
    shuffled = randomised(network, seed=1)
    after = network.state()
    assert all(torch.equal(before[name], after[name]) for name in before)
    changed = 0
    for name, tensor in shuffled.state().items():
        mine = before[name]
        assert torch.equal(tensor.flatten().sort().values, mine.flatten().sort().values)
        changed += not torch.equal(tensor, mine)
    assert changed > 50
    for name in ("mean", "std", "absent"):
        assert torch.equal(shuffled.state()[name], before[name])


def test_the_same_seed_is_the_same_network(network):
    one, same, other = (randomised(network, seed).state() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_brightness_does_not_change_with_the_network_and_gradients_do(network):
    inputs = inputs_of(network)
    shuffled = randomised(network, 3)
    bright = [brightness(inputs[:, None], 2, 4, SEEDED()) for _ in (network, shuffled)]
    np.testing.assert_allclose(rank_correlation(*bright), 1)
    found = [
        relevance(each, inputs, "integrated-gradients", classes=(0, 0)).values.sum(dim=1)
        for each in (network, shuffled)
    ]
    assert (np.abs(rank_correlation(*found)) < 0.5).all()


def test_rollout_is_the_same_whatever_the_head_says(network):
    inputs = inputs_of(network)
    head = copy.deepcopy(network)
    last = head.backbone.get_submodule(head.head)
    last.weight.data = last.weight.data.flip(0)
    assert not torch.equal(head(inputs), network(inputs))
    found = [relevance(each, inputs, "rollout").values for each in (network, head)]
    torch.testing.assert_close(*found)


def test_the_centre_is_brightest_at_the_middle_of_every_cell():
    inputs = torch.zeros(2, 1, 2, 20, 20)
    found = centre(inputs, 2, 4, SEEDED())
    assert found.shape == (2, 20, 20)
    for rows in (slice(0, 10), slice(10, 20)):
        for columns in (slice(0, 10), slice(10, 20)):
            cell = found[0, rows, columns]
            assert cell.argmax() in (44, 45, 54, 55)
            assert cell[0, 0] == pytest.approx(0, abs=1e-6)
    assert centre(torch.zeros(2, 1, 2, 5, 8, 8), 3, 4, SEEDED()).shape == (2, 5, 8, 8)


def test_an_absent_scan_is_no_part_of_brightness():
    inputs = maps(0, 2, 1, 2, 8, 8)
    inputs[0, :, 1] = float("nan")
    found = brightness(inputs, 2, 4, SEEDED())
    torch.testing.assert_close(found[0], inputs[0, 0, 0])
    torch.testing.assert_close(found[1], inputs[1, 0].mean(dim=0))
