import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.errors import ScanError
from cystgrid.scans.masks import binary_mask
from cystgrid.scans.nifti import write_nifti
from cystgrid.scans.reading import read_mask, read_scan
from cystgrid.scans.volume import Volume


@pytest.fixture
def labelled(oblique, tmp_path):
    """A mask on disk with the labels 1, 3 and 4, and its voxels."""
    voxels = np.array([0, 1, 3, 4])[oblique.voxels.astype(int) % 4]
    write_nifti(oblique.with_voxels(voxels), tmp_path / "Secret.nii.gz", dtype="u1")
    return tmp_path / "Secret.nii.gz", voxels


def test_mask_of_one_label_becomes_0_and_1(oblique, tmp_path):
    inside = oblique.voxels > 60
    write_nifti(oblique.with_voxels(inside * 3.0), tmp_path / "mask.nii.gz", dtype="u1")
    mask = read_mask(tmp_path / "mask.nii.gz")
    assert np.array_equal(mask.voxels, inside)
    assert mask.notes == ()


def test_several_labels_without_a_choice_are_refused_by_name(labelled):
    path, _ = labelled
    with pytest.raises(ScanError, match=r"3 labels: 1, 3, 4.*MASK#label=N"):
        read_mask(path)


@pytest.mark.parametrize(
    ("after", "labels", "taken"),
    [("", (3,), [3]), ("#label=3", (), [3]), ("#label=3+4", (), [3, 4]), ("#label=1", (3,), [1])],
)
def test_chosen_labels_are_inside_and_the_others_noted(labelled, after, labels, taken):
    """The reference's own choice goes before the study's."""
    path, voxels = labelled
    mask = read_mask(f"{path}{after}", labels=labels)
    assert np.array_equal(mask.voxels, np.isin(voxels, taken))
    assert mask.notes == (
        f"Of the mask's 3 labels (1, 3, 4), {' and '.join(map(str, taken))} was taken.",
    )


def test_a_choice_that_is_partly_absent_is_noted(labelled):
    mask = read_mask(labelled[0], labels=(1, 3, 4, 7))
    assert mask.notes == ("No voxel has the label 7.",)


@pytest.mark.parametrize("labels", [(2,), (2, 300)])
def test_a_choice_that_is_absent_is_refused(labelled, labels):
    with pytest.raises(ScanError, match=r"label: got only 1, 3, 4, expected 2"):
        read_mask(labelled[0], labels=labels)


def test_one_label_that_is_not_the_chosen_one_is_refused(oblique, tmp_path):
    """A liver, where the study chooses the pancreas of a mask that usually holds both."""
    write_nifti(oblique.with_voxels(oblique.voxels > 60), tmp_path / "mask.nii", dtype="u1")
    with pytest.raises(ScanError, match="got only 1, expected 4"):
        read_mask(tmp_path / "mask.nii", labels=(4,))
    assert read_mask(f"{tmp_path / 'mask.nii'}#label=1", labels=(4,)).voxels.any()


def spoilt(oblique, value, fill=1.0):
    voxels = (oblique.voxels % 2) * fill
    voxels[0, 0, :2] = value, fill
    return oblique.with_voxels(voxels)


@pytest.mark.parametrize(
    ("value", "fill", "fault"),
    [
        (np.nan, 1, "NaN"),
        (np.inf, 1, "NaN or infinite"),
        (0.25, 1, "map of probabilities.*threshold"),
        (0.25, 0.75, "map of probabilities"),
        (1.5, 1, "not whole, such as 1.5"),
        (-0.5, 1, "not whole, such as -0.5"),
        (-1, 1, "negative values, such as -1"),
    ],
)
def test_what_holds_no_labels_is_refused(oblique, tmp_path, value, fill, fault):
    scan = spoilt(oblique, value, fill)
    nib.save(nib.Nifti1Image(scan.voxels, scan.affine), tmp_path / "Secret.nii")
    with pytest.raises(ScanError, match=fault) as caught:
        read_mask(tmp_path / "Secret.nii", labels=(1,))
    assert "Secret" not in str(caught.value.naming(lambda path: "X"))


def test_a_mask_with_nan_is_refused_though_a_scan_would_not_be(oblique, tmp_path):
    scan = spoilt(oblique, np.nan)
    nib.save(nib.Nifti1Image(scan.voxels, scan.affine), tmp_path / "a.nii")
    assert read_scan(tmp_path / "a.nii").notes


def test_rgb_masks_are_refused(oblique, tmp_path):
    rgb = np.zeros(oblique.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, oblique.affine), tmp_path / "mask.nii")
    with pytest.raises(ScanError, match=r"datatype: got 128 \(RGB\)"):
        read_mask(tmp_path / "mask.nii")


def test_a_scan_in_place_of_a_mask_is_refused(oblique, tmp_path):
    voxels = np.arange(1000.0).reshape(10, 10, 10)
    write_nifti(Volume(voxels, oblique.affine), tmp_path / "t2.nii", dtype="i2")
    for labels in ((), (3,)):
        with pytest.raises(ScanError, match=r"more than 512 different values.*not a scan"):
            read_mask(tmp_path / "t2.nii", labels=labels)


def test_labels_stored_with_a_scale_factor_are_whole_again(oblique, tmp_path):
    inside = oblique.voxels % 3
    image = nib.Nifti1Image(inside.astype("f8"), oblique.affine)
    image.header.set_data_dtype("i2")  # nibabel now chooses a factor that is no power of two
    nib.save(image, tmp_path / "mask.nii")
    assert set(np.unique(read_scan(tmp_path / "mask.nii").voxels)) != {0, 1, 2}  # the control
    mask = read_mask(f"{tmp_path / 'mask.nii'}#label=2")
    assert np.array_equal(mask.voxels, inside == 2)
    assert any("rounded to whole numbers" in note for note in mask.notes)


def test_an_empty_mask_is_noted(oblique, tmp_path):
    write_nifti(oblique.with_voxels(oblique.voxels * 0), tmp_path / "mask.nii", dtype="u1")
    for labels in ((), (3,)):
        mask = read_mask(tmp_path / "mask.nii", labels=labels)
        assert mask.notes == ("The mask is empty.",)
        assert not mask.voxels.any()


@settings(max_examples=50, deadline=None)
@given(labels=st.sets(st.integers(1, 12), min_size=1), data=st.data())
def test_every_voxel_is_inside_one_choice_only(labels, data):
    """Masks of each label by itself add up to the mask of all of them."""
    order = sorted(labels)
    codes = data.draw(st.lists(st.sampled_from([0, *order]), min_size=60, max_size=60))
    mask = Volume(np.array([*codes, *order, *[0] * (12 - len(order))]).reshape(6, 4, 3), np.eye(4))
    alone = [binary_mask(mask, (label,)).voxels for label in order]
    assert np.array_equal(sum(alone), mask.voxels > 0)
    assert np.array_equal(binary_mask(mask, tuple(order)).voxels, mask.voxels > 0)
