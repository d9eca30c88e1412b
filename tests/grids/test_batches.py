"""Batches: windows where they belong, augmentation that never moves a cell."""

import numpy as np
import pytest
import torch

from cystgrid.errors import SettingsError
from cystgrid.grids.batches import augment, change_contrast, training_batch
from cystgrid.grids.crops import ResidentCrops, resample_to_cube
from cystgrid.grids.forms import STACK, volume
from cystgrid.grids.gather import gather_crops
from cystgrid.grids.tiling import GridSettings, untile
from cystgrid.preparation.patient import PreparedPatient

DEPTHS = (12, 5, 20)


@pytest.fixture
def numbered():
    """Crops whose every voxel says which patient and slice it is: patient * 100 + slice."""
    volumes = torch.zeros(3, 2, max(DEPTHS), 4, 4)
    for patient, depth in enumerate(DEPTHS):
        slices = torch.arange(max(DEPTHS)).clamp(max=depth - 1) + 100.0 * patient
        volumes[patient] = slices[None, :, None, None]
    return ResidentCrops(volumes, torch.tensor(DEPTHS))


def test_windows_hold_consecutive_slices_and_repeat_the_last(numbered):
    patients, starts = torch.tensor([2, 0, 1]), torch.tensor([7, 3, 0])
    windows = numbered.windows(patients, starts, 9)
    assert windows.shape == (3, 2, 9, 4, 4)
    assert windows[:, 0, :, 0, 0].tolist() == [
        list(range(207, 216)), list(range(3, 12)), [100, 101, 102, 103, 104, 104, 104, 104, 104]
    ]  # fmt: skip


def test_the_central_window_is_the_middle_one(numbered):
    cells = untile(numbered.central(9), 9)[:, 0, :, 0, 0]
    assert cells[0].tolist() == list(range(1, 10))
    assert cells[2].tolist() == list(range(205, 214))


def test_every_window_is_drawn_the_first_and_the_last_included(numbered):
    generator = torch.Generator().manual_seed(0)
    starts = set()
    for _ in range(400):
        batch = training_batch(numbered, torch.tensor([0, 2]), GridSettings(), generator)
        starts |= {int(value) for value in batch[:, 0, 0, 0]}
    assert starts == {0, 1, 2, 3} | {200 + start for start in range(12)}


def test_augmentation_moves_no_cell_and_treats_all_alike():
    """Each cell holds its number plus a corner mark: numbers must stay, marks move alike."""
    windows = torch.arange(9.0)[None, None, :, None, None].expand(64, 2, 9, 6, 6).clone()
    windows[..., 0, 1] += 0.5
    moved = augment(windows, GridSettings(), torch.Generator().manual_seed(1))
    assert torch.equal(moved.floor()[..., 3, 3], windows[..., 3, 3])
    marks = (moved % 1 == 0.5).flatten(-2).float()
    assert torch.equal(marks.sum(-1), torch.ones(64, 2, 9))
    assert (marks == marks[:, :1, :1]).all(), "channels or cells of one grid were moved apart"
    places = marks[:, 0, 0].argmax(-1)
    assert len(places.unique()) == 8, "the eight symmetries of the square"


def test_each_window_is_turned_and_mirrored_as_if_it_were_alone():
    """By torch's own turns and flips, one window after another."""
    windows = torch.rand(40, 2, 9, 6, 6)
    moved = augment(windows, GridSettings(), torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    flips = torch.randint(2, (40,), generator=generator).tolist()
    turns = torch.randint(4, (40,), generator=generator).tolist()
    for window, found, flip, turn in zip(windows, moved, flips, turns, strict=True):
        mirrored = window.flip(-1) if flip else window
        assert torch.equal(found, mirrored.rot90(turn, dims=(-2, -1)))


def test_augmentation_can_be_switched_off():
    windows = torch.rand(5, 2, 9, 6, 6)
    still = GridSettings(flip=False, rotate=False)
    assert torch.equal(augment(windows, still, torch.Generator().manual_seed(0)), windows)
    flipped = augment(windows, GridSettings(rotate=False), torch.Generator().manual_seed(0))
    same = (flipped == windows).flatten(1).all(1)
    mirrored = (flipped == windows.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert mirrored.any()


def test_contrast_changes_by_scan_and_keeps_black_and_white():
    windows = torch.rand(6, 2, 4, 5, 5)
    windows[..., 0, 0], windows[..., 1, 1] = 0, 1
    changed = change_contrast(windows, GridSettings(gamma=0.3), torch.Generator().manual_seed(0))
    assert torch.equal(changed[..., 0, 0], windows[..., 0, 0])
    assert torch.equal(changed[..., 1, 1], windows[..., 1, 1])
    powers = (changed[..., 2:, :].log() / windows[..., 2:, :].log()).flatten(2)
    torch.testing.assert_close(powers, powers[..., :1].expand_as(powers), atol=1e-2, rtol=1e-2)
    assert len(powers[..., 0].unique()) == 12
    same = change_contrast(windows, GridSettings(), torch.Generator().manual_seed(0))
    assert torch.equal(same, windows)


def test_the_same_generator_draws_the_same_batch(numbered):
    draws = [
        training_batch(numbered, torch.tensor([0, 1, 2]), GridSettings(),
                       torch.Generator().manual_seed(7))
        for _ in range(2)
    ]  # fmt: skip
    assert torch.equal(*draws)


def _prepared(crop, percentiles):
    return PreparedPatient(
        patient="p", label="low", center="", group="p", crop=crop, percentiles=percentiles,
        affine=np.eye(4), flags=(), alignment={},
    )  # fmt: skip


def test_gathered_crops_lie_in_0_1_and_do_not_see_the_scanners_scale():
    rng = np.random.default_rng(0)
    crop = rng.random((2, 7, 4, 4)).astype(np.float32)
    landmarks = np.stack([np.linspace(0.05, 0.9, 11)] * 2)
    standard = np.stack([np.linspace(0, 100, 11)] * 2)
    plain = _prepared(crop, landmarks)
    louder = _prepared(crop * 40 + 3, landmarks * 40 + 3)
    crops = gather_crops([plain, louder], (0, 1), standard, torch.device("cpu"))
    assert crops.volumes.min() == 0
    assert crops.volumes.max() == 1
    torch.testing.assert_close(crops.volumes[0], crops.volumes[1], atol=1e-5, rtol=0)
    coarse = gather_crops([plain], (0, 1), standard, torch.device("cpu"), pixels=2)
    fine = crops.volumes[:1].unflatten(-1, (2, 2)).unflatten(-3, (2, 2))
    torch.testing.assert_close(coarse.volumes, fine.mean((-1, -3)))
    with pytest.raises(SettingsError, match="at most 4"):
        gather_crops([plain], (0, 1), standard, torch.device("cpu"), pixels=8)
    only_t2 = gather_crops([plain], (1,), standard, torch.device("cpu"))
    torch.testing.assert_close(only_t2.volumes[:, 0], crops.volumes[:1, 1])


def test_a_stack_is_five_slices_and_its_windows_reach_both_ends(numbered):
    central = numbered.central(9, STACK)
    assert central.shape == (3, 2, 5, 4, 4)
    assert central[:, 0, :, 0, 0].tolist() == [
        [3, 4, 5, 6, 7], [100, 101, 102, 103, 104], [207, 208, 209, 210, 211]
    ]  # fmt: skip
    generator, starts = torch.Generator().manual_seed(0), set()
    for _ in range(300):
        batch = training_batch(numbered, torch.tensor([0, 2]), GridSettings(), generator, STACK)
        assert batch.shape == (2, 2, 5, 4, 4)
        starts |= {int(value) for value in batch[:, 0, 0, 0, 0]}
    assert starts == set(range(8)) | {200 + start for start in range(16)}


def test_a_volume_holds_the_patients_own_slices_and_no_padding(numbered):
    """Slices rise by one each: from a patient's first to its last, wherever the deepest ends."""
    cubes = numbered.central(9, volume(32))
    assert cubes.shape == (3, 2, 32, 32, 32)
    for patient, depth in enumerate(DEPTHS):
        along = cubes[patient, 0, :, 0, 0]
        assert (float(along[0]), float(along[-1])) == (100 * patient, 100 * patient + depth - 1)
        assert (along.diff() >= 0).all()
        middle = 100 * patient + (depth - 1) / 2
        assert float(along.mean()) == pytest.approx(middle, abs=0.05)
    padded = ResidentCrops(numbered.volumes[1:2, :, :5], numbered.depths[1:2])
    assert torch.equal(padded.central(9, volume(32))[0], cubes[1])


def test_resampling_keeps_a_constant_and_averages_where_it_shrinks():
    assert torch.equal(
        resample_to_cube(torch.full((1, 3, 5, 7), 0.5), 8), torch.full((1,) + (8,) * 3, 0.5)
    )
    fine = torch.rand(2, 8, 8, 8)
    halves = fine.unflatten(1, (4, 2)).unflatten(3, (4, 2)).unflatten(5, (4, 2)).mean((2, 4, 6))
    torch.testing.assert_close(resample_to_cube(fine, 4), halves)


@pytest.mark.parametrize("form", [STACK, volume(32)])
def test_in_every_form_all_slices_move_alike(form):
    """A mark in a corner of every slice is found in one corner of every slice."""
    volumes = torch.zeros(1, 2, 7, 32, 32)
    volumes[..., 1, 5] = 1.0
    crops, generator = ResidentCrops(volumes, torch.tensor([7])), torch.Generator().manual_seed(0)
    batch = training_batch(
        crops, torch.zeros(40, dtype=torch.long), GridSettings(), generator, form
    )
    places = batch.flatten(-2).argmax(-1)
    assert (places == places[:, :1, :1]).all()
    assert len(places[:, 0, 0].unique()) == 8
    still = GridSettings(flip=False, rotate=False)
    same = training_batch(crops, torch.tensor([0]), still, generator, form)
    assert torch.equal(same, crops.central(9, form))


def test_some_patients_alone_are_shown_as_among_all(numbered):
    for form in (STACK, volume(32)):
        some = numbered.central(4, form, torch.tensor([2, 0]))
        assert torch.equal(some, numbered.central(4, form)[[2, 0]])
    assert torch.equal(numbered.central(4, patients=torch.tensor([1])), numbered.central(4)[1:2])


def test_an_absent_scan_is_nan_throughout_and_disturbs_nothing():
    """Gathered, coarsened, augmented, resampled: the scan that is there is as it would be alone."""
    rng = np.random.default_rng(0)
    crop = rng.random((2, 7, 8, 8)).astype(np.float32)
    landmarks = np.stack([np.linspace(0.05, 0.9, 11)] * 2)
    standard = np.stack([np.linspace(0, 100, 11)] * 2)
    whole = _prepared(crop, landmarks)
    lacking = _prepared(
        np.stack([np.full_like(crop[0], np.nan), crop[1]]),
        np.stack([np.full(11, np.nan), landmarks[1]]),
    )
    both = gather_crops([whole, lacking], (0, 1), standard, torch.device("cpu"), pixels=4)
    assert not both.volumes[0].isnan().any()
    assert both.volumes[1, 0].isnan().all()
    assert torch.equal(both.volumes[1, 1], both.volumes[0, 1])
    settings = GridSettings(cells=4, gamma=0.5)
    for form in (STACK, volume(32)):
        batch = training_batch(both, torch.tensor([1]), settings, torch.Generator(), form)
        assert batch[:, 0].isnan().all()
        assert not batch[:, 1].isnan().any()
    grid = training_batch(both, torch.tensor([1]), settings, torch.Generator())
    assert grid[:, 0].isnan().all()
    assert not grid[:, 1].isnan().any()
