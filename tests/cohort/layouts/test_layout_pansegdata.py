"""PanSegData: T1 and T2 number their scans independently, so nothing is paired."""

import gzip

import pytest

from cystgrid.cohort.layouts import import_layout
from cystgrid.errors import CohortError


@pytest.fixture
def panseg(tmp_path, nifti):
    root = tmp_path / "PanSegData"
    for modality, cases in {"t1": ["AHN_0001", "NYU_0002"], "t2": ["AHN_0001", "EMC_0007"]}.items():
        for case in cases:
            nifti(root / modality / "imagesTr" / f"{case}_0000.nii.gz")
            nifti(root / modality / "labelsTr" / f"{case}.nii.gz")
    return root


def test_the_same_number_is_never_the_same_patient(panseg, round_trip):
    result = import_layout("pansegdata", panseg)
    assert [p.patient for p in result.patients] == [
        "t1_AHN_0001", "t1_NYU_0002", "t2_AHN_0001", "t2_EMC_0007",
    ]  # fmt: skip
    assert all(bool(p.t1) != bool(p.t2) for p in result.patients)
    assert all(p.roi and not p.label for p in result.patients)
    assert [p.center for p in result.patients] == ["AHN", "NYU", "AHN", "EMC"]
    assert len(round_trip(result).patients) == 4
    assert not result.flagged


def test_mask_headers_that_disagree_with_their_image_are_flagged(panseg, nifti):
    labels = panseg / "t1" / "labelsTr"
    nifti(labels / "AHN_0001.nii.gz", shift=30.0)
    nifti(labels / "NYU_0002.nii.gz", shape=(5, 4, 3))
    with gzip.open(panseg / "t2" / "labelsTr" / "AHN_0001.nii.gz", "wb") as stream:
        stream.write(b"no header")
    (panseg / "t2" / "labelsTr" / "EMC_0007.nii.gz").unlink()
    assert dict(import_layout("pansegdata", panseg).flagged) == {
        "t1_AHN_0001": "the mask's header places it elsewhere than the image's",
        "t1_NYU_0002": "the mask's header states another matrix than the image's",
        "t2_AHN_0001": "a header of the image or its mask cannot be made out",
        "t2_EMC_0007": "no pancreas mask",
    }


def test_only_the_header_of_a_bomb_is_read(panseg):
    path = panseg / "t1" / "labelsTr" / "AHN_0001.nii.gz"
    header = gzip.decompress(path.read_bytes())[:352]
    path.write_bytes(gzip.compress(header + bytes(2**26)) + b"\0" * 9)  # 64 MB, and garbage after
    assert not import_layout("pansegdata", panseg).flagged


def test_odd_names_and_masks_alone_are_left_out(panseg, nifti, reasons):
    nifti(panseg / "t1/imagesTr/AHN_0009.nii.gz", panseg / "t1/labelsTr/IU_0001.nii.gz")
    found = reasons(import_layout("pansegdata", panseg))
    assert found == {
        "a name that is not SITE_NUMBER_0000": ["t1_AHN_0009"],
        "a T1 mask without its image": ["t1_IU_0001"],
    }


def test_another_folder_is_one_error(tmp_path):
    with pytest.raises(CohortError, match="neither t1 nor t2"):
        import_layout("pansegdata", tmp_path)
