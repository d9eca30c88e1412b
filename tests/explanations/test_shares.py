"""Shares are plain sums, and the sentence says what the numbers say."""

import numpy as np
import pytest

from cystgrid.explanations.placing import Window
from cystgrid.explanations.shares import Shares, height_text, shares_of

HEIGHTS = np.arange(12) * 6.0 - 12.0


def maps(per_slice, modalities=1):
    """Constant slices: (map, slice, 2, 3), the first and last slice of the crop not seen."""
    rows = np.array(per_slice, dtype=np.float32).reshape(modalities, -1)
    seen = np.repeat(rows, 6, axis=1).reshape(modalities, -1, 2, 3)
    return np.pad(seen, ((0, 0), (1, 1), (0, 0), (0, 0)))


def test_shares_by_slice_and_modality():
    values = maps([[1, 0, 2], [3, 3, 1]], modalities=2)
    shares = shares_of(values, ("t1", "t2"), Window(1, 4), HEIGHTS)
    assert shares.slices == pytest.approx((0.4, 0.3, 0.3))
    assert shares.modalities == pytest.approx({"t1": 0.3, "t2": 0.7})
    assert shares.heights == (-6.0, 0.0, 6.0)
    assert shares.sentence() == (
        "70 % of relevance in slices 1-2 of 3 (I 6 mm to S 0 mm); 70 % T2, 30 % T1"
    )


def test_scans_that_are_not_weighed_have_no_share():
    values = maps([[1, 0, 2], [3, 3, 1]], modalities=2)
    shares = shares_of(values, ("t1", "t2"), Window(1, 4), HEIGHTS, weighed=False)
    assert shares.modalities == {} and shares.slices == pytest.approx((0.4, 0.3, 0.3))
    assert shares.sentence().endswith("; T1 and T2 are not weighed against each other")


@pytest.mark.parametrize("weighed", [True, False])
def test_all_lies_on_the_only_scan(weighed):
    values = maps([[0, 0, 0], [3, 3, 1]], modalities=2)
    shares = shares_of(values, ("t1", "t2"), Window(1, 4), HEIGHTS, absent={"t1"}, weighed=weighed)
    assert shares.modalities == {"t2": pytest.approx(1)} and not shares.unweighed


def test_relevance_for_and_against_counts_alike():
    signed = maps([1, -2, 3])
    assert shares_of(signed, ("t2",), Window(1, 4), HEIGHTS) == shares_of(
        np.abs(signed), ("t2",), Window(1, 4), HEIGHTS
    )


def test_one_map_of_both_scans_is_not_by_modality():
    shares = shares_of(maps([1, 8, 1]), ("t1+t2",), Window(1, 4), HEIGHTS)
    assert not shares.modalities
    assert shares.sentence() == "80 % of relevance in slice 2 of 3 (S 0 mm); not by modality"


@pytest.mark.parametrize("seed", range(20))
def test_the_run_of_slices_is_the_shortest_that_holds_half(seed):
    """Against every run, one by one."""
    weights = np.random.default_rng(seed).dirichlet(np.full(9, 0.5))
    first, stop = Shares(tuple(weights.tolist()), (0.0,) * 9, {}).densest()
    runs = {
        (a, b): weights[a:b].sum() for a in range(9) for b in range(a + 1, 10)
        if weights[a:b].sum() >= 0.5
    }  # fmt: skip
    shortest = min(b - a for a, b in runs)
    assert stop - first == shortest
    assert runs[first, stop] == max(v for (a, b), v in runs.items() if b - a == shortest)


def test_an_empty_map_says_so():
    shares = shares_of(maps([0, 0, 0]), ("t1+t2",), Window(1, 4), HEIGHTS)
    assert "points at nothing" in shares.sentence()


def test_heights_are_written_as_radiologists_do():
    assert [height_text(z) for z in (12.4, -7.6, 0.2, -0.2)] == [
        "S 12 mm", "I 8 mm", "S 0 mm", "S 0 mm"
    ]  # fmt: skip
