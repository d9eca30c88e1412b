"""Maps against lesions: a perfect map, its reverse, maps at chance, and the window's geometry."""

import numpy as np
import pytest
import torch

from cystgrid.explanations.checks.lesions import TOLERANCE, lesion_scores, lesion_window
from cystgrid.grids.forms import GRID, STACK, volume
from cystgrid.grids.tiling import GridSettings
from training.conftest import make_patient

CELLS, SIDE = 4, 32


def disc(row, column, radius=4.0):
    """A lesion in a grid of 2 x 2 cells of 32 pixels."""
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


LESION = disc(12, 44)


def test_a_map_of_the_lesion_itself_has_all_that_can_be_had():
    found = lesion_scores(LESION.float(), LESION, CELLS)
    assert (found.pointing, found.mass, found.average_precision) == (1.0, 1.0, 1.0)
    assert found.share == pytest.approx(float(LESION.float().mean()))
    assert found.concentration == pytest.approx(1 / found.share)


def test_its_reverse_has_nothing():
    found = lesion_scores(1 - LESION.float(), LESION, CELLS)
    assert found.mass == 0
    assert found.average_precision == pytest.approx(found.share)  # the lesion's pixels come last
    assert found.pointing < found.pointing_chance


def test_noise_is_at_chance():
    generator = torch.Generator().manual_seed(0)
    found = [lesion_scores(torch.rand(64, 64, generator=generator), LESION, CELLS)
             for _ in range(300)]  # fmt: skip
    share, near = found[0].share, found[0].pointing_chance
    assert np.mean([each.concentration for each in found]) == pytest.approx(1, abs=0.02)
    precision = np.mean([each.average_precision for each in found])
    assert share < precision < 1.3 * share  # with few pixels it stands a little above the share
    spread = 3 * (near * (1 - near) / len(found)) ** 0.5
    assert np.mean([each.pointing for each in found]) == pytest.approx(near, abs=spread)


def test_a_map_that_is_the_same_everywhere_is_at_chance_exactly():
    found = lesion_scores(torch.full((64, 64), 0.3), LESION, CELLS)
    assert found.pointing == pytest.approx(found.pointing_chance)
    assert found.concentration == pytest.approx(1)
    assert found.average_precision == pytest.approx(found.share)
    nothing = lesion_scores(torch.zeros(64, 64), LESION, CELLS)
    assert nothing.concentration == pytest.approx(1)


@pytest.mark.parametrize(("row", "column", "hit"), [
    (12, 44, 1), (12, 49, 1), (12, 50, 1), (12, 51, 0), (18, 44, 1), (44, 44, 0),
])  # fmt: skip
def test_the_peak_may_lie_two_of_32_pixels_beside_the_lesion(row, column, hit):
    assert TOLERANCE * SIDE == 2
    peak = torch.zeros(64, 64)
    peak[row, column] = 1
    assert lesion_scores(peak, LESION, CELLS).pointing == hit


def test_a_peak_in_the_next_cell_is_in_another_slice():
    lesion = disc(12, 33, 3.0) & (torch.arange(64) >= 32)  # at the left edge of the right cell
    peak = torch.zeros(64, 64)
    peak[12, 31] = 1
    assert lesion_scores(peak, lesion, CELLS).pointing == 0
    assert lesion_scores(peak, lesion, cells=1).pointing == 1


def test_where_several_places_are_the_peak_each_counts_its_share():
    peak = torch.zeros(64, 64)
    peak[12, 44] = peak[60, 4] = 1
    assert lesion_scores(peak, LESION, CELLS).pointing == 0.5


def test_relevance_against_the_class_has_no_mass():
    signed = LESION.float() - 5 * disc(50, 10).float()
    assert lesion_scores(signed, LESION, CELLS).mass == 1


def test_average_precision_is_that_of_its_definition():
    values = torch.tensor([[0.9, 0.8], [0.7, 0.6]])
    lesion = torch.tensor([[True, False], [True, False]])
    expected = (1 / 1 + 2 / 3) / 2
    assert lesion_scores(values, lesion).average_precision == pytest.approx(expected)


def test_no_lesion_cannot_be_found():
    with pytest.raises(ValueError, match="no lesion"):
        lesion_scores(torch.rand(4, 4), torch.zeros(4, 4, dtype=torch.bool))


def with_lesion(slices, at):
    """A patient of 16-pixel slices, one bright lesion of 2 x 2 pixels."""
    from dataclasses import replace

    patient = make_patient(0)
    crop = np.random.default_rng(0).random((2, slices, 16, 16), dtype=np.float32)
    lesion = np.zeros(crop.shape[1:], dtype=np.uint8)
    k, row, column = at
    lesion[k, row : row + 2, column : column + 2] = 1
    return replace(patient, crop=crop, lesion=lesion)


def test_a_lesion_lies_in_its_slice_s_cell():
    grid = GridSettings(cells=4)
    window = lesion_window(with_lesion(8, (4, 6, 10)), grid, GRID)  # the window begins at slice 2
    expected = np.zeros((32, 32), dtype=bool)
    expected[16 + 6 : 16 + 8, 10:12] = True  # slice 4 is the third of four
    np.testing.assert_array_equal(window.numpy(), expected)


def test_coarser_cells_halve_it():
    window = lesion_window(with_lesion(8, (4, 6, 10)), GridSettings(cells=4, pixels=8), GRID)
    expected = np.zeros((16, 16), dtype=bool)
    expected[8 + 3, 5] = True
    np.testing.assert_array_equal(window.numpy(), expected)


def test_a_lesion_beyond_the_window_is_not_seen():
    grid = GridSettings(cells=4)
    assert lesion_window(with_lesion(8, (0, 6, 10)), grid, GRID) is None
    assert lesion_window(make_patient(0), grid, GRID) is None


def test_a_patient_with_few_slices_shows_the_last_one_again():
    window = lesion_window(with_lesion(3, (2, 6, 10)), GridSettings(cells=4), GRID)
    assert int(window.sum()) == 2 * 4


def test_stacks_and_volumes_keep_their_axes():
    grid = GridSettings(cells=4)
    stack = lesion_window(with_lesion(9, (4, 6, 10)), grid, STACK)
    assert stack.shape == (5, 16, 16)
    assert stack.nonzero()[0].tolist() == [2, 6, 10]
    cube = lesion_window(with_lesion(9, (4, 6, 10)), grid, volume(32))
    middle = cube.nonzero().double().mean(dim=0)
    np.testing.assert_allclose(middle, [15.5, 13.5, 21.5], atol=0.6)
