"""What a graph shows a network is what ``Crops`` shows it."""

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool1d, interpolate

from cystgrid.exports.windows import Shown, resampling
from cystgrid.grids.crops import ResidentCrops
from cystgrid.grids.forms import GRID, STACK, volume
from cystgrid.grids.intensities import coarsen


@pytest.mark.parametrize("form", [GRID, STACK, volume(12)], ids=lambda form: form.kind)
@pytest.mark.parametrize("pixels", [16, 8, 6])
def test_windows_grids_and_cubes(form, pixels):
    depths = torch.tensor([1, 3, 4, 9, 14])
    crops = torch.rand(5, 2, 14, 16, 16, generator=torch.Generator().manual_seed(0))
    for crop, depth in zip(crops, depths, strict=True):
        crop[:, depth:] = crop[:, depth - 1 : depth]
    coarse = torch.stack([coarsen(crop, pixels) for crop in crops])
    expected = ResidentCrops(coarse, depths).central(4, form)
    found = Shown(form, 4, 16, pixels)(crops, depths)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", range(1, 20))
def test_weights_are_those_of_torchs_own_resampling(length):
    line = torch.rand(1, 1, length, generator=torch.Generator().manual_seed(length))
    means = adaptive_avg_pool1d(line, min(length, 12))
    expected = interpolate(means, size=12, mode="linear", align_corners=False)[0, 0]
    padded = torch.cat([line[0, 0], torch.full((3,), 99.0)])
    found = resampling(torch.tensor([length]), 12, length + 3)[0] @ padded
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
