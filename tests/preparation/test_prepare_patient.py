from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cystgrid.cohort.manifest import Patient
from cystgrid.errors import CohortError, ScanError, SettingsError
from cystgrid.preparation.bias import N4Settings
from cystgrid.preparation.correct import SmoothingSettings
from cystgrid.preparation.patient import prepare_patient
from cystgrid.preparation.settings import PreparationSettings

PLAIN = PreparationSettings(n4=N4Settings(enabled=False), smoothing=SmoothingSettings(iterations=0))
"""Geometry alone: what is cropped can be told from what the scans hold."""


@pytest.fixture
def patient(scans):
    return Patient("p1", "low", scans.t1, scans.t2, scans.roi_t2, "alpha", "g1")


def pixel_world(prepared):
    slices, rows, columns = np.indices(prepared.crop.shape[1:])
    index = np.stack([columns, rows, slices, np.ones_like(rows)], axis=-1)
    return (index @ prepared.affine.T)[..., :3]


def test_both_scans_show_the_anatomy_where_it_is(space, patient):
    """The crop's two channels are the same world: each equals the anatomy at its own positions."""
    prepared = prepare_patient(patient, PLAIN)
    world = pixel_world(prepared)
    for channel, contrast in zip(prepared.crop, [(0.7, 1.2, 0.3), (1.0, 0.6, 1.8)], strict=True):
        truth = space.anatomy(world, contrast)
        assert np.corrcoef(channel.ravel(), truth.ravel())[0, 1] > 0.95
    # the control: one slice off, which is what stacking by index does, is clearly worse
    truth = space.anatomy(world, (0.7, 1.2, 0.3))
    wrong = np.corrcoef(prepared.crop[0, 1:].ravel(), truth[:-1].ravel())[0, 1]
    assert wrong < np.corrcoef(prepared.crop[0].ravel(), truth.ravel())[0, 1] - 0.03


def test_shapes_types_and_what_is_known(patient):
    prepared = prepare_patient(patient, PreparationSettings())
    assert prepared.crop.shape[0::2] == (2, 64)
    assert prepared.crop.dtype == np.float32
    assert prepared.percentiles.shape == (2, 11)
    assert prepared.percentiles.dtype == prepared.affine.dtype == np.float64
    assert (prepared.patient, prepared.label) == ("p1", "low")
    assert (prepared.center, prepared.group) == ("alpha", "g1")
    assert {"overlap_percent", "t1_coverage", "t2_coverage", "roi_kept"} <= set(prepared.alignment)
    assert prepared.alignment["roi_kept"] == 1
    assert set(prepared.fingerprints) == {"t1", "t2"}
    assert np.isfinite(prepared.crop).all()
    assert str(Path(patient.t2).parent) not in repr(prepared)


def test_scans_that_are_corrected_side_by_side_have_the_same_bytes(patient):
    alone, side_by_side = (
        prepare_patient(patient, PreparationSettings(), threads=threads) for threads in (1, 2)
    )
    assert side_by_side.crop.tobytes() == alone.crop.tobytes()
    assert side_by_side.percentiles.tobytes() == alone.percentiles.tobytes()
    assert side_by_side.flags == alone.flags


def test_all_48_orientations_give_the_same_crop(patient, tmp_path):
    settings = PreparationSettings(modalities=("t2",), n4=N4Settings(iterations=(3,)))
    expected = prepare_patient(patient, settings)
    image = nib.load(patient.t2)
    for number, (order, flips) in enumerate(
        product(permutations(range(3)), product((1, -1), repeat=3))
    ):
        turned = image.as_reoriented(np.array([order, flips]).T)
        path = tmp_path / f"{number}.nii.gz"
        turned.set_qform(turned.affine, 1)
        turned.set_sform(turned.affine, 1)
        nib.save(turned, path)
        found = prepare_patient(replace(patient, t2=str(path)), settings)
        np.testing.assert_allclose(found.crop, expected.crop, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)


def test_mask_on_either_grid_and_its_box_give_the_same_crop(scans, patient):
    crops = [
        prepare_patient(replace(patient, roi=roi), PLAIN)
        for roi in (scans.roi_t2, scans.roi_t1, "-30,30,-24,24,-20,20")
    ]
    for other in crops[1:]:
        apart = np.abs(pixel_world(other)[0, [0, -1]] - pixel_world(crops[0])[0, [0, -1]])
        assert apart[..., :2].max() < 3.5  # one voxel
        assert abs(other.crop.shape[1] - crops[0].crop.shape[1]) <= 1


@pytest.mark.parametrize("modality", ["t1", "t2"])
def test_one_modality_is_its_own_reference(scans, patient, modality):
    settings = PLAIN.model_copy(update={"modalities": (modality,)})
    alone = replace(patient, t1=None, t2=None, roi="-30,30,-24,24,-20,20")
    prepared = prepare_patient(replace(alone, **{modality: getattr(scans, modality)}), settings)
    assert prepared.crop.shape[0] == 1
    thickness = {"t1": 4.0, "t2": 6.0}[modality]
    assert np.linalg.norm(prepared.affine[:3, 2]) == pytest.approx(thickness)


def test_channels_follow_the_settings_order(patient):
    one = prepare_patient(patient, PLAIN)
    other = prepare_patient(patient, PLAIN.model_copy(update={"modalities": ("t2", "t1")}))
    assert (one.crop[::-1] == other.crop).all()
    assert (one.percentiles[::-1] == other.percentiles).all()


def test_scans_apart_are_refused(space, scans, patient, tmp_path):
    far = nib.load(scans.t1)
    affine = far.affine.copy()
    affine[2, 3] += 500
    moved = space.write_nifti(tmp_path / "far.nii.gz", far.get_fdata(), affine)
    with pytest.raises(ScanError, match="does not overlap"):
        prepare_patient(replace(patient, t1=moved), PLAIN)


def test_a_scan_that_misses_most_of_the_crop_is_refused_and_part_of_it_flagged(
    space, scans, patient, tmp_path
):
    image = nib.load(scans.t1)
    for shift, refused in ((60, True), (30, False)):
        affine = image.affine.copy()
        affine[2, 3] += shift
        moved = space.write_nifti(tmp_path / f"{shift}.nii.gz", image.get_fdata(), affine)
        shifted = replace(patient, t1=moved)
        if refused:
            with pytest.raises(ScanError, match="of the crop"):
                prepare_patient(shifted, PLAIN)
            continue
        prepared = prepare_patient(shifted, PLAIN)
        assert 0.5 < prepared.alignment["t1_coverage"] < 1
        assert any("covers" in flag for flag in prepared.flags)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"t1": None}, "t1: got nothing"), ({"t2": None}, "t2: got nothing"), ({"roi": None}, "roi")],
)
def test_what_is_missing_is_named(patient, change, words):
    with pytest.raises(CohortError, match=words):
        prepare_patient(replace(patient, **change), PLAIN)


def test_whole_scan_stands_in_for_a_missing_region(patient):
    settings = PLAIN.model_copy(update={"roi": "whole"})
    prepared = prepare_patient(replace(patient, roi=None), settings)
    assert prepared.crop.shape[1] == 16


def test_few_slices_are_flagged(space, patient, tmp_path):
    image = nib.load(patient.t2)
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 2] * 5
    thin = space.write_nifti(tmp_path / "thin.nii.gz", image.get_fdata()[:, :, 5:11], affine)
    prepared = prepare_patient(replace(patient, t2=thin), PLAIN)
    assert prepared.crop.shape[1] == 6
    assert "crop: 6 slices, fewer than 9; a grid of more repeats the last." in prepared.flags


def test_constant_scan_is_refused(space, patient, tmp_path):
    flat = space.write_nifti(
        tmp_path / "flat.nii.gz", np.full((40, 40, 12), 7.0), np.diag([4, 4, 8, 1])
    )
    with pytest.raises(ScanError, match="nothing to standardise"):
        prepare_patient(Patient("p", None, None, flat, "20,100,20,100,20,60"),
                        PreparationSettings(modalities=("t2",)))  # fmt: skip


def test_settings_are_checked():
    for values in ({"modalities": ["t1", "t1"]}, {"margin_mm": float("nan")}, {"cel": 64}):
        with pytest.raises(SettingsError):
            PreparationSettings.parse(values, "study.toml")


def test_real_pair_on_different_grids(real_data):
    folder = real_data / "brain_t1_t2" / "patient04"
    patient = Patient(
        "p", None, str(folder / "study1_T1W.nii.gz"), str(folder / "study1_T2W.nii.gz")
    )
    prepared = prepare_patient(patient, PreparationSettings(roi="whole"))
    assert prepared.crop.shape == (2, 44, 64, 64)
    assert prepared.alignment["overlap_percent"] > 99
    heads = [
        channel > np.median(channel[channel > channel.mean()]) * 0.3 for channel in prepared.crop
    ]
    dice = 2 * (heads[0] & heads[1]).sum() / (heads[0].sum() + heads[1].sum())
    assert dice > 0.85
