"""Where crops lie changes no bit: together on the device, or read from disk window by window."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cystgrid.errors import SettingsError, StoreError
from cystgrid.grids.batches import training_batch
from cystgrid.grids.crops import CentralGrids, ResidentCrops
from cystgrid.grids.forms import GRID, STACK, volume
from cystgrid.grids.gather import crops_bytes, gather_crops, streaming_note
from cystgrid.grids.streamed import StreamedCrops
from cystgrid.grids.tiling import GridSettings
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import Store, patient_folder, write_index, write_patient

CPU = torch.device("cpu")
SIDE, DEPTHS = 16, (12, 3, 20, 9)
STANDARD = np.stack([np.linspace(0, 100, 11), np.linspace(0, 10, 11) ** 2])


def make_patient(number, depth):
    """T1 of the third patient is absent; T2 of the second is the same everywhere."""
    rng = np.random.default_rng(number)
    crop = rng.gamma(2.0, 90.0, (2, depth, SIDE, SIDE)).astype(np.float32)
    landmarks = np.sort(rng.gamma(2.0, 90.0, (2, 11)), axis=1)
    if number == 1:
        crop[1] = 7.0
    if number == 2:
        crop[0], landmarks[0] = np.nan, np.nan
    return PreparedPatient(
        f"p{number}", "low", "c", f"p{number}", crop, landmarks, np.eye(4), (), {}
    )


@pytest.fixture
def store(tmp_path):
    patients = [make_patient(number, depth) for number, depth in enumerate(DEPTHS)]
    cards = {p.patient: write_patient(tmp_path, p, key="k") for p in patients}
    write_index(tmp_path, PreparationSettings(cell=SIDE), cards)
    return Store.open(tmp_path)


def both(store, pixels=None, channels=(0, 1)):
    """The same patients on the device and on disk."""
    found = [
        gather_crops(store.several(store.patients), channels, STANDARD, CPU, pixels, limit)
        for limit in (None, 0)
    ]
    assert [type(crops) for crops in found] == [ResidentCrops, StreamedCrops]
    return found


def same(first, second):
    """Equal to the bit, NaN for NaN."""
    return torch.equal(first.contiguous().view(torch.int32), second.contiguous().view(torch.int32))


@pytest.mark.parametrize("pixels", [None, 8, 5])
@pytest.mark.parametrize("form", [GRID, STACK, volume(18)], ids=lambda form: form.kind)
def test_every_form_is_the_same_to_the_bit(store, form, pixels):
    resident, streamed = both(store, pixels)
    assert torch.equal(resident.depths, streamed.depths)
    assert same(resident.central(9, form), streamed.central(9, form))
    some = torch.tensor([3, 1])
    assert same(resident.central(4, form, some), streamed.central(4, form, some))
    chosen, settings = torch.tensor([0, 2, 1, 3, 0]), GridSettings(gamma=0.2)
    drawn = [
        training_batch(crops, chosen, settings, torch.Generator().manual_seed(5), form)
        for crops in (resident, streamed)
    ]
    assert same(*drawn)
    assert drawn[0].isnan().any(), "the absent scan is part of the test"


@pytest.mark.parametrize("channels", [(1,), (1, 0)])
def test_channels_and_every_window_are_the_same(store, channels):
    resident, streamed = both(store, channels=channels)
    for patient, depth in enumerate(DEPTHS):
        for start in range(depth):
            asked = torch.tensor([patient]), torch.tensor([start]), 4
            assert same(resident.windows(*asked), streamed.windows(*asked))
        assert same(resident.whole(patient), streamed.whole(patient))


def test_a_window_lies_within_its_whole_crop_s_range(store):
    """0 and 1 are the crop's extremes, not the window's: part and whole agree."""
    _, streamed = both(store)
    whole = streamed.whole(0)
    assert (whole.amin(), whole.amax()) == (0, 1)
    window = streamed.windows(torch.tensor([0]), torch.tensor([2]), 4)[0]
    assert torch.equal(window, whole[:, 2:6])


def test_central_grids_are_made_one_by_one_and_again(store):
    _, streamed = both(store)
    grids = CentralGrids(streamed, 9)
    for _ in range(2):
        assert same(torch.stack(list(grids)), streamed.central(9))


@pytest.mark.parametrize("limit", [None, 0])
def test_an_altered_crop_is_refused_either_way(store, limit):
    crop = patient_folder(store.folder, "p3") / "crop.npy"
    altered = bytearray(crop.read_bytes())
    altered[-1] ^= 1
    crop.write_bytes(altered)
    with pytest.raises(StoreError, match="sha256"):
        gather_crops(store.several(store.patients), (0, 1), STANDARD, CPU, None, limit)


def test_a_crop_altered_between_two_windows_is_refused(store):
    _, streamed = both(store)
    streamed.central(9)
    crop = patient_folder(store.folder, "p0") / "crop.npy"
    np.save(crop, np.load(crop) + 1)
    with pytest.raises(StoreError, match="sha256"):
        streamed.central(9)


@pytest.mark.parametrize("limit", [None, 0])
def test_more_pixels_than_prepared_are_refused_either_way(store, limit):
    with pytest.raises(SettingsError, match="at most 16"):
        gather_crops(store.several(store.patients), (0, 1), STANDARD, CPU, 17, limit)


def test_the_limit_is_the_size_of_what_would_lie_there(store):
    resident, _ = both(store)
    size = resident.volumes.numel() * resident.volumes.element_size()
    assert size == crops_bytes(DEPTHS, 2, SIDE)
    for limit, kind in ((size, ResidentCrops), (size - 1, StreamedCrops)):
        found = gather_crops(store.several(store.patients), (0, 1), STANDARD, CPU, None, limit)
        assert isinstance(found, kind)


def test_what_stays_on_disk_is_said_and_what_fits_is_not():
    size = crops_bytes(DEPTHS, 2, SIDE)
    assert streaming_note(DEPTHS, 2, SIDE, size) == ""
    note = streaming_note([2000] * 50, 2, 64, 10**9)
    assert "all 50 patients take 3.28 GB, and 1.00 GB may lie" in note
    assert "no result changes" in note


def test_patients_in_memory_stream_as_well(store):
    loaded = [store.load(patient) for patient in store.patients]
    inside = [replace(each, crop=np.array(each.crop)) for each in loaded]
    found = [
        gather_crops(source, (0, 1), STANDARD, CPU, None, 0).central(9)
        for source in (inside, store.several(store.patients))
    ]
    assert same(*found)


def test_patients_on_demand_are_a_sequence(store):
    several = store.several(store.patients)
    assert [each.patient for each in several] == list(store.patients)
    assert len(several[1:3]) == 2
    assert several[1:3][0].patient == several[1].patient
    with pytest.raises(IndexError):
        several[len(DEPTHS)]
