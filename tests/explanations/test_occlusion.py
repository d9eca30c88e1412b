"""Occlusion: each region's value is the fall of the score without it, by hand."""

import pytest
import torch
from explained import CELLS, build, inputs_of

from cystgrid import explain
from cystgrid.errors import UsageError
from cystgrid.explanations.occlusion import cells, patches
from cystgrid.explanations.options import Options

BLOCKS = {"occlusion-cells": 16, "occlusion-patches": 8}


def fall(network, images, hidden, classes):
    """Score with everything less the score with NaN, which is an absent scan, where hidden."""
    shown = torch.where(hidden, torch.nan, images)
    with torch.no_grad():
        both = network(images) - network(shown)
    return both[range(len(classes)), classes]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("model", [("vit_tiny", "late"), ("resnet18", "early")], ids=str)
def test_each_region_by_hand(model, name, together):
    network = build(*model)
    with torch.no_grad():
        network.absent.copy_(torch.tensor([0.2, 0.7]))
    images, classes = inputs_of(network), [1, 2]
    options = Options(cells=4, patch=8, together=together)
    found = explain.relevance(network, images, name, classes=classes, options=options)
    size = BLOCKS[name]
    values = found.values[..., ::size, ::size]
    assert torch.equal(found.values, values.repeat_interleave(size, -1).repeat_interleave(size, -2))
    assert found.of == (("t1+t2",) if together else ("t1", "t2"))
    rows, columns = values.shape[-2:]
    for number, row, column in [(0, 0, 0), (-1, rows - 1, 0), (-1, 0, columns - 1)]:
        hidden = torch.zeros_like(images, dtype=torch.bool)
        channel = slice(None) if together else number
        place = (slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
        hidden[:, channel, place[0], place[1]] = True
        expected = fall(network, images, hidden, classes)
        assert torch.allclose(values[:, number, row, column], expected, atol=1e-5)
    assert values.std() > 1e-3


def test_regions_of_a_stack_are_its_slices_and_thin_patches():
    network = build("dense-inn")
    slabs = cells(network, (5, 32, 32), Options())
    assert [slab.unique().tolist() for slab in slabs] == [[0], [1], [2], [3], [4]]
    thin = patches(network, (5, 32, 32), Options())
    assert thin.unique().tolist() == list(range(20)) and len(thin[0].unique()) == 4


def test_regions_of_a_volume_are_slabs_and_cubes():
    network = build("densenet121-3d")
    slabs = cells(network, (32, 8, 8), CELLS)
    assert slabs.unique(return_counts=True)[1].tolist() == [512] * 4
    assert (slabs.diff(dim=0) >= 0).all()
    cubes = patches(network, (32, 32, 20), Options())
    assert cubes.unique(return_counts=True)[1].tolist() == [16**3, 16 * 16 * 4] * 4


def test_a_number_of_cells_that_the_grid_has_not_is_refused():
    network = build("vit_tiny")
    with pytest.raises(UsageError, match="cells: got 9 for inputs of 32 x 32, expected as many"):
        explain.relevance(network, inputs_of(network), "occlusion-cells")
