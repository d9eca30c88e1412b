"""A path is said only if it names nobody: every word of it is the id's, or one of a closed list."""

import pytest

from cystgrid.cohort.shown_paths import names_nobody, whereabouts


@pytest.mark.parametrize(
    ("path", "patient"),
    [
        ("scans/P003/t1.nii.gz", "P003"),
        ("IU_18/IU_18_0000.nii.gz", "IU_18"),
        ("../t2/images/NU_57.nii.gz", "NU_57"),
        ("case2/dicom-t1", "case2"),
        ("mask.nii.gz", ""),
    ],
)
def test_an_id_and_plain_words_are_said(path, patient):
    assert names_nobody(path, patient)


@pytest.mark.parametrize(
    "path",
    [
        "Mueller_Hans/t1.nii.gz",
        "scans/hansmueller.nii.gz",
        "scans/t1mueller.nii.gz",
        "scans/19500412/t1.nii.gz",
        "12-04-50/t1.nii.gz",
        "患者/t1.nii.gz",
        "/home/mueller/P003/t1.nii.gz",
    ],
)
def test_a_name_or_a_date_is_not(path, tmp_path):
    assert not names_nobody(path, "P003")
    assert path not in whereabouts(path, tmp_path, "P003")


def test_another_patients_id_is_not_this_ones():
    assert names_nobody("Smith/t1.nii.gz", "Smith")
    assert not names_nobody("Smith/t1.nii.gz", "P003")


def test_where_the_way_ends_is_said(tmp_path):
    (tmp_path / "P003").mkdir()
    assert whereabouts("P003/t1.nii.gz", tmp_path, "P003").endswith("(its folder is there)")
    assert whereabouts("P003/scans/t1.nii", tmp_path, "P003").endswith("is not there either)")
    assert "not shown" in whereabouts("Mueller/t1.nii.gz", tmp_path, "P003")
