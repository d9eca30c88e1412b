"""Deletion and insertion on an answer that is a known sum over regions, where all is counted."""

import itertools

import numpy as np
import pytest
import torch

from cystgrid.explanations.checks.curves import Curves, order_of, random_order
from cystgrid.explanations.checks.ranks import by_region

SIDE = 4
SEEDS = (1, 2, 3)
REGIONS = torch.arange(4).reshape(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1)
WEIGHTS = torch.tensor([0.05, 0.4, 0.0, 0.25], dtype=torch.float64)


def answer(inputs):
    """Two classes; the first one's probability is a weighted sum of the regions' first channel."""
    first = (by_region(inputs[:, 0], REGIONS) * WEIGHTS).sum(dim=1)
    return torch.stack([first, 1 - first], dim=1)


@pytest.fixture
def inputs():
    return torch.rand(3, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def curves(inputs, classes=(0, 0, 0)):
    return Curves(answer, inputs, classes, REGIONS)


def by_hand(image, order):
    """Both areas, region by region, in NumPy."""
    values = np.array([image[(r == REGIONS).numpy()].mean() for r in range(4)])
    mean, weights = image.mean(), WEIGHTS.numpy()
    deletion, insertion = [], []
    for count in range(5):
        gone = np.isin(np.arange(4), order[:count])
        deletion.append((weights * np.where(gone, mean, values)).sum())
        insertion.append((weights * np.where(gone, values, mean)).sum())
    return np.trapezoid(deletion, dx=0.25), np.trapezoid(insertion, dx=0.25)


def test_areas_are_those_of_counting_by_hand(inputs):
    order = torch.tensor([[2, 0, 3, 1], [0, 1, 2, 3], [3, 1, 0, 2]])
    found = curves(inputs).areas(order)
    for number, image in enumerate(inputs[:, 0].numpy()):
        expected = by_hand(image, order[number].tolist())
        got = float(found.deletion[number]), float(found.insertion[number])
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_no_order_beats_that_of_what_each_region_truly_adds(inputs):
    image = inputs[:1]
    adds = WEIGHTS * (by_region(image[:, 0], REGIONS) - image[:, 0].mean())
    truth = adds[0, REGIONS][None]
    best = curves(image, (0,)).areas(order_of(truth, REGIONS, [0]))
    all_orders = [
        curves(image, (0,)).areas(torch.tensor([order]))
        for order in itertools.permutations(range(4))
    ]
    assert float(best.deletion) == pytest.approx(min(float(a.deletion) for a in all_orders))
    assert float(best.insertion) == pytest.approx(max(float(a.insertion) for a in all_orders))


def test_the_true_order_gains_and_its_reverse_loses(inputs):
    adds = WEIGHTS * (by_region(inputs[:, 0], REGIONS) - inputs[:, 0].mean(dim=(1, 2))[:, None])
    truth = adds[:, REGIONS]
    chance = curves(inputs).random(SEEDS)
    gain = curves(inputs).areas(order_of(truth, REGIONS, SEEDS)).against(chance)
    loss = curves(inputs).areas(order_of(-truth, REGIONS, SEEDS)).against(chance)
    assert (gain.deletion > 0).all() and (gain.insertion > 0).all()
    assert (loss.deletion < 0).all() and (loss.insertion < 0).all()


def test_for_the_other_class_gains_turn_round(inputs):
    order = torch.tensor([[2, 0, 3, 1]] * 3)
    one = curves(inputs, (0, 0, 0)).areas(order)
    other = curves(inputs, (1, 1, 1)).areas(order)
    np.testing.assert_allclose(other.deletion, 1 - one.deletion)
    np.testing.assert_allclose(other.insertion, 1 - one.insertion)


def test_random_orders_gain_nothing_on_average(inputs):
    gains = [
        curves(inputs).areas(random_order([seed] * 3, 4)).against(
            curves(inputs).random([1000 * seed] * 3)
        ).deletion
        for seed in range(1, 301)
    ]  # fmt: skip
    error = torch.stack(gains).std(dim=0) / len(gains) ** 0.5
    assert (torch.stack(gains).mean(dim=0).abs() < 4 * error).all()


def test_items_do_not_share_their_random_orders():
    orders = random_order(range(20), 6)
    assert len({tuple(order) for order in orders.tolist()}) > 15
    np.testing.assert_array_equal(orders[3:4], random_order([3], 6))


def test_equal_regions_come_in_no_fixed_order():
    flat = torch.ones(1, SIDE, SIDE)
    orders = {tuple(order_of(flat, REGIONS, [seed])[0].tolist()) for seed in range(30)}
    assert len(orders) > 5
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)


def test_a_scan_that_is_absent_stays_absent(inputs):
    inputs[0, 1] = float("nan")
    seen = []

    def watched(shown):
        seen.append(shown)
        return answer(shown)

    Curves(watched, inputs, (0, 0, 0), REGIONS).areas(random_order(SEEDS, 4))
    for shown in seen:
        assert shown[0, 1].isnan().all()
        assert not shown[1:].isnan().any() and not shown[0, 0].isnan().any()


def test_what_is_taken_out_shows_its_own_scans_mean(inputs):
    empty = curves(inputs).empty
    np.testing.assert_allclose(empty.flatten(1), inputs.mean(dim=(2, 3)), rtol=1e-6)


def test_networks_side_by_side_lose_the_same_places(inputs):
    pair = torch.stack([inputs, 2 * inputs], dim=1)  # (batch, network, channel, row, column)

    def mean(shown):
        return (answer(shown[:, 0]) + answer(shown[:, 1] / 2)) / 2

    order = random_order(SEEDS, 4)
    both = Curves(mean, pair, (0, 0, 0), REGIONS).areas(order)
    np.testing.assert_allclose(both.deletion, curves(inputs).areas(order).deletion, atol=1e-6)
