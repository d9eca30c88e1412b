"""Yao's folders and label.csv, whose fourth class is cancer."""

import pytest

from cystgrid.cohort.layouts import import_layout
from cystgrid.errors import CohortError

LABELS = {"CAD_01": 0, "MCA03": 1, "nyu_Patient5": 2, "NU_7": 3, "CAD_09": "?"}


@pytest.fixture
def yao(tmp_path, nifti):
    root = tmp_path / "data"
    for name in LABELS:
        for folder in ("t1", "t2", "t1_segmentation", "t2_segmentation"):
            nifti(
                root / folder / "raw" / f"{name}.nii.gz", root / folder / "preprocessed" / "x.nii"
            )
    (root / "t2_segmentation" / "raw" / "MCA03.nii.gz").unlink()
    (root / "t2" / "raw" / "CAD_01.nii.gz").rename(root / "t2" / "raw" / "CAD_02.nii.gz")
    rows = [f"{name},{label}" for name, label in LABELS.items()]
    text = "\ufeffpatient,label\n" + "\n".join([*rows, "CAD_77,1"])
    (root / "label.csv").write_text(text, encoding="utf-8")
    return root


def test_patients_get_scans_mask_and_label(yao, round_trip, reasons):
    result = import_layout("yao", yao)
    assert {p.patient: (p.label, p.center) for p in result.patients} == {
        "MCA03": ("low", "MCA"), "NU_7": ("high", "NU"), "nyu_Patient5": ("high", "NYU"),
    }  # fmt: skip
    roi = {p.patient: p.roi for p in result.patients}
    assert roi["NU_7"].endswith("t2_segmentation/raw/NU_7.nii.gz")
    assert roi["MCA03"].endswith("t1_segmentation/raw/MCA03.nii.gz")
    assert reasons(result) == {
        "only T1, and a pair is wanted (single=keep keeps it)": ["CAD_01"],
        "only T2, and a pair is wanted (single=keep keeps it)": ["CAD_02"],
        "a label that is none of 0, 1, 2, 3, or rows that disagree": ["CAD_09"],
        "labelled, but there is no image": ["CAD_77"],
    }
    assert len(round_trip(result).patients) == 3


def test_cancer_is_merged_unless_it_is_to_be_left_out(yao, round_trip):
    assert "1 rows of label 3 were merged into high, as published" in (
        import_layout("yao", yao.parent).notes
    )
    result = import_layout("yao", yao, {"cancer": "adenocarcinoma"})
    assert round_trip(result).excluded == {"adenocarcinoma": 1}


def test_columns_of_other_names_are_one_error(yao):
    (yao / "label.csv").write_text("who,what\nCAD_01,1\n")
    with pytest.raises(CohortError, match="a column patient or"):
        import_layout("yao", yao)
