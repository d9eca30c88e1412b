"""Slices into a grid and back: nothing lost, nothing moved."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cystgrid.grids.tiling import GridSettings, central_start, last_start, tile, untile


@given(st.sampled_from([1, 4, 9, 16]), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_grid_and_back_is_the_identity(cells, batch, rows, columns):
    slices = torch.rand(batch, 2, cells, rows, columns)
    assert torch.equal(untile(tile(slices), cells), slices)


def test_cells_run_row_by_row_from_the_top_left():
    slices = torch.arange(9.0)[:, None, None].expand(9, 2, 3)
    grid = tile(slices)
    assert grid.shape == (6, 9)
    assert grid[::2, ::3].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_rows_and_columns_inside_a_cell_keep_their_places():
    slices = torch.rand(4, 5, 5)
    assert torch.equal(tile(slices)[5:, :5], slices[2])


def test_what_makes_no_square_is_refused():
    with pytest.raises(ValueError, match="square"):
        tile(torch.rand(8, 2, 2))
    with pytest.raises(ValueError, match="does not divide"):
        untile(torch.rand(7, 6), 9)
    with pytest.raises(ValueError, match="square"):
        GridSettings(cells=8)


@pytest.mark.parametrize(
    ("slices", "last", "central"), [(9, 0, 0), (5, 0, 0), (10, 1, 0), (11, 2, 1), (20, 11, 5)]
)
def test_windows_begin_where_nine_slices_fit(slices, last, central):
    assert last_start(slices, 9) == last
    assert central_start(slices, 9) == central
