"""Outliers and groups: what stands out is told, what differs in the usual way is not."""

import numpy as np
import pytest

from cystgrid.preparation.groups import find_groups
from cystgrid.preparation.outliers import FEWEST, Measured, find_outliers
from cystgrid.scans.origin import Origin


def spacings(values, center="alpha", quantity="slice spacing"):
    return [Measured(line, center, "t2", quantity, v) for line, v in enumerate(values, start=2)]


def test_one_that_differs_is_told_with_its_reason():
    (found,) = find_outliers(spacings([5.0, 5.1, 5.2, 4.9, 5.0, 5.1, 5.0, 12.0]))
    assert (found.line, found.column, found.quantity) == (9, "t2", "slice spacing")
    assert "12 mm: far above the median of centre alpha, 5.05 mm" in found.reason


def test_the_order_and_the_unit_of_rows_change_nothing():
    values = np.random.default_rng(0).lognormal(1, 0.05, 30)
    values[[4, 9]] *= [3, 0.2]
    found = find_outliers(spacings(values))
    turned = find_outliers(spacings(values)[::-1])
    scaled = find_outliers(spacings(values * 1000))
    assert {o.line for o in found} == {6, 11}
    assert turned == found
    assert [(o.line, round(o.z, 9)) for o in scaled] == [(o.line, round(o.z, 9)) for o in found]


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.3])
def test_ordinary_scatter_is_no_outlier(spread):
    values = np.random.default_rng(1).normal(2, spread, 60).clip(2 - 2.5 * spread, 2 + 2.5 * spread)
    assert find_outliers(spacings(np.exp(values))) == ()


def test_a_centre_of_its_own_way_is_no_outlier():
    """All scans of one centre are thicker: that is its protocol."""
    usual = spacings([5.0, 5.1, 4.9] * 20)
    other = [Measured(100 + n, "beta", "t2", "slice spacing", 12 + n / 10) for n in range(FEWEST)]
    assert find_outliers([*usual, *other]) == ()
    lone = Measured(200, "gamma", "t2", "slice spacing", 12.0)
    (found,) = find_outliers([*usual, lone])
    assert (found.line, found.center) == (200, None)


def test_intensities_may_differ_fourfold():
    values = [100.0, 150, 200, 250, 300, 200, 180, 220]
    assert find_outliers(spacings([*values, 700], quantity="brightness")) == ()
    assert len(find_outliers(spacings([*values, 7000], quantity="brightness"))) == 1


def test_too_few_say_nothing():
    assert find_outliers(spacings([1.0, 1, 1, 9])) == ()


def groups(names, group_of=None, origins=None):
    found, notes = find_groups(
        names, {name: name for name in names} | (group_of or {}), origins or {}, ()
    )
    return [each.patients for each in found], notes


@pytest.mark.parametrize(
    ("ids", "together"),
    [
        (["p07", "p07_1", "p08"], ("p07", "p07_1")),
        (["p07_1", "p07_2", "p08_1"], ("p07_1", "p07_2")),
        (["p07a", "p07b"], ("p07a", "p07b")),
        (["sub-01_ses-1", "sub-01_ses-2"], ("sub-01_ses-1", "sub-01_ses-2")),
        (["12", "12-followup"], ("12", "12-followup")),
    ],
)
def test_ids_of_two_visits_are_told(ids, together):
    assert groups(ids)[0] == [together]


@pytest.mark.parametrize(
    "ids",
    [
        [f"P{n:03d}" for n in range(300)],
        [f"case_{n}" for n in range(300)],
        [f"NYU-{n:04d}" for n in range(300)],
        [f"2021_{n}" for n in range(9)],
        ["a", "b", "c"],
    ],
)
def test_numbered_ids_are_different_people(ids):
    assert groups(ids)[0] == []


def test_a_group_that_is_given_is_not_told_again():
    assert groups(["p07", "p07_1"], {"p07_1": "p07"})[0] == []


def test_an_anonymisers_constant_groups_nobody():
    everyone = {f"x{n}y": (Origin("same", f"f{n}"),) for n in range(5)}
    found, notes = groups(list(everyone), origins=everyone)
    assert found == []
    assert "5 of 5 patients have one DICOM patient id" in notes[0]


def test_one_frame_of_reference_is_one_person():
    origins = {"ay": (Origin("", "f"),), "by": (Origin("", "f"),), "cy": (Origin("", ""),)}
    assert groups(list(origins), origins=origins)[0] == [("ay", "by")]
