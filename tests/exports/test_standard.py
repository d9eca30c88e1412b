"""Intensities in a graph are those that NumPy works out, at every edge."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cystgrid.exports.cases import cases_for
from cystgrid.exports.standard import UnitIntensities
from cystgrid.grids.intensities import Intensities
from cystgrid.preparation.standardise import PERCENTILES, standardise, unit_range

STANDARD = np.stack([np.linspace(0, 100, 11), 100 * np.linspace(0, 1, 11) ** 2])
CASES = cases_for(2, 4, 8)


@pytest.mark.parametrize("case", CASES, ids=[case.about for case in CASES])
def test_every_case_is_as_in_numpy(case):
    prepared = case.prepared
    numpy = Intensities((0, 1), STANDARD)
    expected = numpy.slices(prepared, numpy.limits(prepared), slice(None))
    module = UnitIntensities(STANDARD)
    found = module(
        torch.from_numpy(prepared.crop[None]), torch.from_numpy(prepared.percentiles[None])
    )[0]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0, equal_nan=True)


@settings(max_examples=150, deadline=None)
@given(
    knots=hnp.arrays(np.float64, len(PERCENTILES), elements=st.integers(0, 4)),
    voxels=hnp.arrays(np.float32, (1, 2, 3), elements=st.integers(-3, 8)),
)
def test_landmarks_that_coincide_anywhere(knots, voxels):
    knots = np.sort(knots)
    if knots[0] == knots[-1]:
        return  # no scale: preparation refuses such a scan
    expected = unit_range(standardise(voxels, knots, STANDARD[1]))
    module = UnitIntensities(STANDARD[1:])
    found = module(torch.from_numpy(voxels)[None, None], torch.from_numpy(knots)[None, None])
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-6)
