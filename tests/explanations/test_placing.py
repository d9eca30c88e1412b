"""Maps go back to where they came from: slices, millimetres, voxels; nothing is lost on the way."""

from dataclasses import replace
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from cystgrid.cohort.manifest import Patient
from cystgrid.explanations.placing import (
    Window,
    on_scan,
    on_slices,
    pixels_affine,
    slice_heights,
)
from cystgrid.grids.forms import GRID, STACK, volume
from cystgrid.grids.gather import gather_crops
from cystgrid.grids.tiling import central_start
from cystgrid.preparation.patient import prepare_patient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.scans.nifti import write_nifti
from cystgrid.scans.reading import read_as_stored
from cystgrid.scans.volume import Volume

FAST = PreparationSettings.parse(
    {
        "modalities": ["t2"],
        "n4": {"enabled": False},
        "smoothing": {"iterations": 0},
        "margin_mm": 0.0,
        "cell": 32,
        "in_plane": 64,
    },
    "test",
)
CELLS, PATCH = 9, 16
SHAPE, SPACING = (60, 50, 14), (1.5, 1.5, 5.0)
BALL = np.array([9.0, -6.0, 7.0])
"""Where the bright ball lies, mm from the scan's middle along its own axes."""


def scan_with_a_ball(angles):
    """A scan tilted by angles (degrees), and the ball's place in the world, mm."""
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn * SPACING
    origin = np.array([12.0, -31.0, 140.0])
    affine[:3, 3] = origin - affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    ball = origin + turn @ BALL
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    distance = np.linalg.norm(index @ affine[:3, :3].T + affine[:3, 3] - ball, axis=-1)
    rng = np.random.default_rng(0)
    voxels = np.where(distance < 4.0, 1000.0, rng.uniform(50, 100, SHAPE))
    return Volume(voxels.astype(np.float32), affine), ball


def orientations(scan):
    """All 48 ways to lay the same voxels out along whole axes."""
    for order, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
        turn = np.array(list(zip(order, flips, strict=True)))
        voxels = nib.orientations.apply_orientation(scan.voxels, turn)
        yield Volume(voxels, scan.affine @ nib.orientations.inv_ornt_aff(turn, scan.shape))


def box_around(scan):
    """A mask of most of the scan, on its own grid."""
    mask = np.zeros(scan.shape, np.float32)
    low, high = (np.array(scan.shape) * [[0.2], [0.8]]).astype(int)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
    return scan.with_voxels(mask)


def prepared_from(folder, scan, mask):
    folder.mkdir(exist_ok=True)
    write_nifti(scan, folder / "t2.nii")
    write_nifti(mask, folder / "roi.nii")
    path = str(folder / "t2.nii")
    patient = Patient("p", t2=path, roi=str(folder / "roi.nii"), group="p")
    return prepare_patient(patient, FAST), read_as_stored(path)


def brightest_patch(prepared):
    """The map of one token: the patch of the grid that the network would see the ball in."""
    crops = gather_crops(
        [prepared],
        [0],
        prepared.percentiles[None, 0] * 0 + np.linspace(0, 1, prepared.percentiles.shape[1]),
        torch.device("cpu"),
    )
    grid = crops.central(CELLS)[0, 0]
    row, column = divmod(int(grid.argmax()), grid.shape[1])
    hot = torch.zeros_like(grid)
    row, column = row // PATCH * PATCH, column // PATCH * PATCH
    hot[row : row + PATCH, column : column + PATCH] = 1
    return hot[None]


def laid_on(prepared, scan, hot):
    depth = prepared.crop.shape[1]
    (values,) = on_slices(hot, GRID, CELLS, depth)
    return on_scan(
        values, pixels_affine(prepared.affine, prepared.crop.shape[2:], values.shape[1:]), scan
    )


@pytest.mark.parametrize("angles", [(0, 0, 0), (14, -9, 21)])
def test_the_hot_token_lies_on_the_ball_in_all_48_orientations(tmp_path, angles):
    scan, ball = scan_with_a_ball(angles)
    masses = set()
    for layout in orientations(scan):
        prepared, stored = prepared_from(tmp_path / "p", layout, box_around(layout))
        found = laid_on(prepared, stored, brightest_patch(prepared))
        assert found.shape == layout.shape
        assert np.allclose(found.affine, layout.affine, atol=1e-4)
        hot = np.argwhere(found.voxels > 0)
        assert len({tuple(row) for row in hot}) == len(hot) > 0
        at_ball = tuple(np.rint(found.index(ball)).astype(int))
        assert found.voxels[at_ball] == 1
        extent = np.abs(found.world(hot) - ball).max()
        assert extent < np.hypot(*prepared_patch_mm(prepared)) + SPACING[2]
        masses.add(len(hot))
    assert max(masses) - min(masses) <= 2  # a voxel's centre on a patch's edge


def prepared_patch_mm(prepared):
    return np.linalg.norm(prepared.affine[:3, :2], axis=0) * PATCH


def test_a_mirrored_scan_is_caught(tmp_path):
    """The control: the same map laid on a scan with its left and right swapped misses the ball."""
    scan, ball = scan_with_a_ball((0, 0, 0))
    prepared, stored = prepared_from(tmp_path / "p", scan, box_around(scan))
    mirrored = replace(stored, voxels=stored.voxels[::-1])
    wrong = replace(prepared, affine=prepared.affine @ np.diag([-1.0, 1, 1, 1]))
    found = laid_on(wrong, mirrored, brightest_patch(prepared))
    assert found.voxels[tuple(np.rint(found.index(ball)).astype(int))] == 0


def test_the_file_has_the_scan_s_grid_in_both_forms(tmp_path):
    scan, _ = scan_with_a_ball((14, -9, 21))
    layout = list(orientations(scan))[17]
    prepared, stored = prepared_from(tmp_path / "p", layout, box_around(layout))
    write_nifti(laid_on(prepared, stored, brightest_patch(prepared)), tmp_path / "map.nii.gz")
    written, source = nib.load(tmp_path / "map.nii.gz"), nib.load(tmp_path / "p/t2.nii")
    assert written.shape == source.shape
    for form in ("get_qform", "get_sform"):
        affine, code = getattr(written.header, form)(coded=True)
        assert code >= 1
        assert np.allclose(affine, source.affine, atol=1e-4)
    assert written.header.get_xyzt_units()[0] == "mm"
    assert written.get_data_dtype() == np.float32


def test_mass_is_kept_inside_and_nothing_lies_outside(tmp_path):
    """The sum over mm3 of voxels is that over mm3 of pixels; beyond the crop every voxel is 0."""
    scan, _ = scan_with_a_ball((0, 0, 0))
    prepared, stored = prepared_from(tmp_path / "p", scan, box_around(scan))
    rng = np.random.default_rng(1)
    depth = prepared.crop.shape[1]
    side = 32
    values = np.kron(rng.random((depth, 2, 2)), np.ones((1, side // 2, side // 2))).astype(
        np.float32
    )
    found = on_scan(values, prepared.affine, stored)
    pixel, voxel = (abs(np.linalg.det(a[:3, :3])) for a in (prepared.affine, stored.affine))
    assert found.voxels.sum() * voxel == pytest.approx(values.sum() * pixel, rel=0.06)
    index = np.stack(np.meshgrid(*map(np.arange, stored.shape), indexing="ij"), axis=-1)
    to_pixels = np.linalg.inv(prepared.affine)
    at = stored.world(index) @ to_pixels[:3, :3].T + to_pixels[:3, 3]
    outside = ((at < -0.51) | (at > np.array([side, side, depth]) - 0.49)).any(axis=-1)
    assert outside.any()
    assert not found.voxels[outside].any()
    assert (found.voxels[~outside] > 0).mean() > 0.99


@pytest.mark.parametrize("depth", [4, 9, 12, 13])
def test_a_grid_goes_back_to_its_slices_and_keeps_its_sum(depth):
    values = torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(0))
    placed = on_slices(values, GRID, 9, depth)
    assert placed.shape == (2, depth, 8, 8)
    assert np.allclose(placed.sum(axis=(1, 2, 3)), values.sum(dim=(1, 2)))
    window = Window.shown(GRID, 9, depth)
    assert len(window) == min(depth, 9)
    outside = np.delete(placed, np.arange(window.first, window.stop), axis=1)
    assert not outside.any()
    first = placed[0, central_start(depth, 9)]
    assert np.array_equal(first, values[0, :8, :8].numpy())


def test_repeated_slices_add_up():
    cells = torch.arange(9.0).reshape(3, 3)
    placed = on_slices(cells[None], GRID, 9, 3)
    assert placed[0, :, 0, 0].tolist() == [0, 1, 2 + 3 + 4 + 5 + 6 + 7 + 8]


@pytest.mark.parametrize("depth", [3, 5, 8])
def test_a_stack_goes_back_to_its_slices(depth):
    values = torch.arange(5.0)[None, :, None, None].expand(1, 5, 2, 2)
    placed = on_slices(values, STACK, 9, depth)
    start = central_start(depth, 5)
    expected = np.zeros(depth)
    for position in range(5):
        expected[min(start + position, depth - 1)] += position
    assert placed[0, :, 0, 0].tolist() == expected.tolist()


@pytest.mark.parametrize("depth", [3, 8, 12, 20])
def test_a_cube_s_planes_are_shared_out(depth):
    """Each plane goes to the slices it overlaps; counted on a fine subdivision of the axis."""
    planes = 8
    values = torch.rand(planes, generator=torch.Generator().manual_seed(0))
    placed = on_slices(
        values[None, :, None, None].expand(1, planes, 1, 1), volume(planes), 9, depth
    )
    fine = np.repeat(values.numpy(), depth * 7) / (depth * 7)
    expected = fine.reshape(depth, -1).sum(axis=1)
    assert np.allclose(placed[0, :, 0, 0], expected, atol=1e-6)
    assert Window.shown(volume(planes), 9, depth) == Window(0, depth)


def test_coarse_pixels_cover_the_prepared_ones():
    affine = np.diag([2.0, 3.0, 5.0, 1.0])
    affine[:3, 3] = [10, 20, 30]
    coarse = pixels_affine(affine, (64, 64), (32, 32))
    corner = [-0.5, -0.5, 0, 1]
    assert np.allclose(coarse @ corner, affine @ corner)
    assert np.allclose(coarse @ [31.5, 31.5, 2, 1], affine @ [63.5, 63.5, 2, 1])
    assert slice_heights(affine, (3, 4, 4)).tolist() == [30, 35, 40]
