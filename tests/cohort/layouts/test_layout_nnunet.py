"""nnU-Net's raw data: channels and labels mean what dataset.json says, never what we assume."""

import csv
import json

import pytest

from cystgrid.cohort.importing import write_manifest
from cystgrid.cohort.layouts import import_layout
from cystgrid.errors import CohortError, SettingsError
from cystgrid.scans.reference import Reference

V2 = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "pancreas": 1},
    "numTraining": 2,
    "file_ending": ".nii.gz",
}


@pytest.fixture
def dataset(tmp_path, nifti):
    """Two whole cases, one without T2, one without a mask, and a test case."""

    def _make(described):
        root = tmp_path / "Dataset210_Pancreas"
        for case in ("NU_57", "NU_58", "NU_60"):
            nifti(
                root / "imagesTr" / f"{case}_0000.nii.gz", root / "imagesTr" / f"{case}_0001.nii.gz"
            )
        nifti(root / "imagesTr" / "NU_59_0000.nii.gz", root / "imagesTs" / "NU_70_0000.nii.gz")
        nifti(root / "imagesTs" / "NU_70_0001.nii.gz", root / "imagesTr" / "odd.nii.gz")
        nifti(*(root / "labelsTr" / f"{case}.nii.gz" for case in ("NU_57", "NU_58", "NU_59")))
        (root / "dataset.json").write_text(json.dumps(described))
        return root

    return _make


def test_channels_are_paired_and_the_pancreas_label_chosen(dataset, reasons):
    root = dataset(V2)
    result = import_layout("nnunet", root.parent)
    assert [p.patient for p in result.patients] == ["NU_57", "NU_58"]
    assert result.patients[0].t1.endswith("NU_57_0000.nii.gz")
    assert result.patients[0].t2.endswith("NU_57_0001.nii.gz")
    assert result.patients[0].roi.endswith("labelsTr/NU_57.nii.gz#label=1")
    assert reasons(result) == {
        "only T1, and a pair is wanted (single=keep keeps it)": ["NU_59"],
        "no mask": ["NU_60", "NU_70"],
        "a name that is not CASE_0000": ["odd"],
    }
    write_manifest(result, root / "cohort.csv")
    row = next(csv.DictReader((root / "cohort.csv").open(newline="")))
    assert row["t1"] == "imagesTr/NU_57_0000.nii.gz"
    mask = Reference(root / "labelsTr" / "NU_57.nii.gz", labels=(1,))
    assert Reference.parse(root / row["roi"]) == mask


def test_channels_the_other_way_round_are_believed(dataset):
    root = dataset({**V2, "channel_names": {"0": "T2w", "1": "T1w"}})
    assert import_layout("nnunet", root).patients[0].t1.endswith("NU_57_0001.nii.gz")


def test_names_that_are_no_t1_and_t2_need_the_users_word(dataset):
    root = dataset({**V2, "channel_names": {"0": "MRI", "1": "MRI2"}})
    with pytest.raises(CohortError, match=r"dataset\.json: channel_names.*channels=0=t1,1=t2"):
        import_layout("nnunet", root)
    result = import_layout("nnunet", root, {"channels": "0=t2,1=t1"})
    assert result.patients[0].t1.endswith("NU_57_0001.nii.gz")
    with pytest.raises(SettingsError, match="channels"):
        import_layout("nnunet", root, {"channels": "0=t1,1=t1"})


def test_one_channel_is_a_study_of_one_modality(dataset, reasons):
    result = import_layout("nnunet", dataset({**V2, "channel_names": {"0": "T1"}}))
    assert [p.patient for p in result.patients] == ["NU_57", "NU_58", "NU_59"]
    assert not any(p.t2 for p in result.patients)
    assert "NU_57" in reasons(result)["a channel that is neither T1 nor T2"]


@pytest.mark.parametrize(
    ("labels", "choice"),
    [
        ({"background": 0, "organ": 2}, "2"),
        ({"0": "background", "1": "liver", "3": "pancreas"}, "3"),  # version 1
        ({"background": 0, "liver": 1, "pancreas": 2, "IPMN cyst": 4}, "2+4"),
        ({"background": 0, "whole": [1, 2], "pancreas": [2], "ignore": 5}, None),
        ({"background": 0, "liver": 1, "spleen": 2}, None),
    ],
)
def test_the_region_of_interest_is_the_pancreas_and_what_lies_in_it(dataset, labels, choice):
    root = dataset({**V2, "labels": labels})
    if choice is None:
        with pytest.raises(CohortError, match="a label named pancreas"):
            import_layout("nnunet", root)
        choice = "1+2"
        result = import_layout("nnunet", root, {"label": choice})
    else:
        result = import_layout("nnunet", root)
    assert result.patients[0].roi.endswith(f"#label={choice}")


def test_no_data_set_is_one_error(tmp_path):
    with pytest.raises(CohortError, match=r"no dataset\.json"):
        import_layout("nnunet", tmp_path)
    (tmp_path / "dataset.json").write_text("[]")
    with pytest.raises(CohortError, match="no object"):
        import_layout("nnunet", tmp_path)
    with pytest.raises(SettingsError, match="label"):
        import_layout("nnunet", tmp_path, {"label": "pancreas"})
