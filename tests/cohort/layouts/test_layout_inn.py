"""INN's folders: a patient a folder, four image formats, a ground truth without a header."""

import pytest

from cystgrid.cohort.layouts import import_layout
from cystgrid.errors import CohortError

LABELS = {"CAD-01": 0, "CAD-02": 1, "CAD-03": 2, "CAD-04": 3, "CAD-05": 1, "CAD-06": 0}


@pytest.fixture
def inn(tmp_path, nifti):
    """Six readable patients; CAD-07 in .mhd, CAD-08 in .hdr, CAD-09 with two readers, -1 for 10."""
    root = tmp_path / "INN"
    scans = root / "Whole_Scans"
    for folder in ("T1", "T2", "T2_Masks"):
        for name in LABELS:
            nifti(scans / folder / name / ("image.nii" if name < "CAD-04" else "image.nii.gz"))
        for name in ("CAD-09", "CAD-10"):
            nifti(scans / folder / name / "irene_a.nii")
        nifti(scans / folder / "CAD-09" / "greece_a.nii")
    for folder in ("T1", "T2"):
        for name, files in {"CAD-07": ("a.mhd", "a.raw"), "CAD-08": ("a.hdr", "a.img")}.items():
            (scans / folder / name).mkdir()
            for file in files:
                (scans / folder / name / file).write_bytes(b"ObjectType = Image\n")
    (scans / "T1" / "readme.txt").touch()
    rows = [f"{n},{label}" for n, label in LABELS.items()]
    rows += ["CAD-07,1", "CAD-08,1", "CAD-09,2", "CAD-10,-1", "CAD-11,1"]
    (root / "IPMN_Ground_Truth.csv").write_bytes(("\r\n".join(rows) + "\r\n").encode())
    return root


def test_patients_get_scans_mask_and_merged_label(inn, round_trip):
    result = import_layout("inn", inn)
    labels = {p.patient: p.label for p in result.patients}
    assert labels == {
        "CAD-01": "normal", "CAD-02": "low", "CAD-03": "high", "CAD-04": "high",
        "CAD-05": "low", "CAD-06": "normal",
    }  # fmt: skip
    assert result.patients[0].t1.endswith("Whole_Scans/T1/CAD-01/image.nii")
    assert result.patients[0].roi.endswith("Whole_Scans/T2_Masks/CAD-01/image.nii")
    assert {p.center for p in result.patients} == {"MCF"}
    assert "1 patients of label 3 were merged into high, as published" in result.notes
    assert len(round_trip(result).patients) == 6


def test_what_cannot_be_read_is_left_out_with_the_reason(inn, reasons):
    found = reasons(import_layout("inn", inn))
    unread = "only .hdr/.img or .mhd among the {} images; convert them to .nii.gz"
    assert found[unread.format("T1")] == found[unread.format("T2")] == ["CAD-07", "CAD-08"]
    assert found["2 T1 images in one folder (choose by reader=)"] == ["CAD-09"]
    assert found["a label that is none of 0, 1, 2, 3, or rows that disagree"] == ["CAD-10"]
    assert "CAD-11" in found["labelled, but there is no image that can be read"]


def test_one_of_two_readers_is_chosen(inn):
    result = import_layout("inn", inn, {"reader": "irene"})
    assert [p.patient for p in result.patients] == ["CAD-09"]


def test_folds_of_inns_own_code_become_splits(inn, round_trip):
    folder = inn / "split_lists" / "NvsLRvsHR"
    folder.mkdir(parents=True)
    names = [*LABELS, "CAD-07"]
    for fold in range(3):
        for side in ("train", "test"):
            listed = [n for i, n in enumerate(names) if (i % 3 == fold) == (side == "test")]
            rows = [f"T1/{n}/image.nii,T2\\{n}\\image.nii,Masks/{n}/image.nii,1" for n in listed]
            (folder / f"{side}_split_{fold}.csv").write_text("\n".join(rows))
    result = import_layout("inn", inn)
    outer = result.splits["NvsLRvsHR"].outer
    assert [fold.test for fold in outer] == [
        ("CAD-01", "CAD-04"), ("CAD-02", "CAD-05"), ("CAD-03", "CAD-06"),
    ]  # fmt: skip
    assert (
        "folds 'NvsLRvsHR': 1 of their 7 ids are not among the patients and are dropped"
        in result.notes
    )
    round_trip(result)


def test_folders_are_named_by_the_user_where_two_could_be_meant(inn):
    scans = inn / "Whole_Scans"
    (scans / "T1").rename(scans / "Resized_T1_Registered")
    assert len(import_layout("inn", inn).patients) == 6
    (scans / "Resized_T1").mkdir()
    with pytest.raises(CohortError, match=r"2 folders named after T1.*t1=FOLDER"):
        import_layout("inn", inn)
    assert len(import_layout("inn", inn, {"t1": "Resized_T1_Registered"}).patients) == 6


def test_missing_parts_are_one_error(inn):
    with pytest.raises(CohortError, match="no folder that can be read"):
        import_layout("inn", inn, {"images": "cropped"})
    (inn / "IPMN_Ground_Truth.csv").unlink()
    with pytest.raises(CohortError, match=r"IPMN_Ground_Truth\.csv: got no such file"):
        import_layout("inn", inn)
