"""Cyst-X as it lies on disk: three workbooks, two kinds of images, seven centres, fold files."""

import csv
import json

import pytest

from cystgrid.cohort.importing import summary
from cystgrid.cohort.layouts import import_layout
from cystgrid.cohort.pseudonyms import pseudonymise
from cystgrid.errors import CohortError, SettingsError

BOTH = {
    "CAD_146": 1, "CAD_33": 0, "MCF_03": 1, "AHN05": 1, "AHN29": 2, "IU_18": 2, "IU_11": 0,
    "EMC007": 1, "EMC_01_051": 0, "EMC_01_002": 0, "mca_05": 1, "mca_14": 2, "nyu_0105": 2,
    "nyu_0003": 0, "NU_57": 1, "NU_57_1": 1, "northwestern_0001": 0,
}  # fmt: skip
SCAN_HEADER = ["Image", "Sex", "Age", "Size", "Histology", "Risk"]
PAIR_HEADER = ["T1", "T2", "Sex", "Age", "Size", "Histology", "Risk"]


@pytest.fixture
def cyst_x(tmp_path, nifti, xlsx):
    """The data set, small: every quirk once."""
    root = tmp_path / "Cyst-X"
    whole, cropped = root / "IPMN_images_masks", root / "IPMN_Classification"
    there = {"t1": [*BOTH, "NU_58", "CAD_900", "CAD_901"], "t2": [*BOTH, "NU_59", "CAD_900"]}
    there["t1"].remove("AHN05")
    there["t1"].append("ahn05")  # the published table of centres knows both spellings
    for modality, names in there.items():
        files = [f"{name}.nii.gz" for name in names]
        nifti(*(whole / modality / "images" / name for name in files))
        nifti(*(whole / modality / "masks" / name for name in files if name != "MCF_03.nii.gz"))
        nifti(*(cropped / modality / name for name in files))
        (whole / modality / "images" / ".DS_Store").touch()
        rows = [[f"{n}.nii.gz" if i % 2 else n, "", 60, "", "", r]
                for i, (n, r) in enumerate(BOTH.items())]  # fmt: skip
        rows += [["NU_58", "", 1, "", "", 1.0], ["CAD_900", "", 1, "", "", None]]
        rows += [["nyu_9999", "", 1, "", "", 0]]
        xlsx(cropped / f"IPMN_labels_{modality}_total.xlsx", [SCAN_HEADER, *rows])
    pairs = [[f"{n}.nii.gz", f"{n}.nii.gz", "", 60, "", "", r] for n, r in BOTH.items()]
    pairs[0][6] = 2  # CAD_146: low in its own sheets
    xlsx(cropped / "IPMN_labels_total.xlsx", [PAIR_HEADER, *pairs])
    return root


def write_folds(root, name, header, rows):
    path = root / "data splits" / "classification" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def test_pairs_get_label_centre_mask_and_group(cyst_x, round_trip):
    result = import_layout("cyst-x", cyst_x)
    patients = {patient.patient: patient for patient in result.patients}
    assert set(patients) == (set(BOTH) - {"CAD_146", "AHN05"}) | {"ahn05"}
    assert {patients[n].label for n in ("CAD_33", "MCF_03", "IU_18")} == {"normal", "low", "high"}
    centers = {n: patients[n].center for n in patients}
    assert centers["CAD_33"] == centers["MCF_03"] == "MCF"
    assert centers["northwestern_0001"] == centers["NU_57"] == "NU"
    others = ("ahn05", "nyu_0105", "EMC007", "EMC_01_051", "IU_18", "mca_05")
    assert [centers[name] for name in others] == ["AHN", "NYU", "EMC", "EMC", "IU", "MCA"]
    assert patients["NU_57"].group == patients["NU_57_1"].group == "NU_57"
    assert [p.patient for p in result.patients if p.group] == ["NU_57", "NU_57_1"]
    assert patients["IU_18"].roi.endswith("t2/masks/IU_18.nii.gz")
    assert patients["MCF_03"].roi == ""
    assert ("MCF_03", "no pancreas mask") in result.flagged
    assert len(round_trip(result).patients) == len(BOTH) - 1


def test_whoever_is_left_out_is_named_with_the_reason(cyst_x, reasons):
    result = import_layout("cyst-x", cyst_x)
    found = reasons(result)
    assert found["the sheets disagree on the risk"] == ["CAD_146"]
    assert found["no risk in any sheet"] == ["CAD_900"]
    assert found["in the sheets, but there is no T1 image"] == ["nyu_9999"]
    alone = "only {}, and a pair is wanted (single=keep keeps it)"
    assert found[alone.format("T1")] == ["CAD_901", "NU_58"]
    assert found[alone.format("T2")] == ["NU_59"]
    everyone = {p.patient for p in result.patients} | {name for name, _ in result.left_out}
    assert {*BOTH, "NU_58", "NU_59", "CAD_900", "CAD_901"} - {"AHN05"} <= everyone
    assert result.found["T1 images"] == 20
    assert result.found["T2 images"] == 19
    text = summary(result)
    assert "left out        1  the sheets disagree on the risk: CAD_146" in text
    assert "imported       16  patients" in text


def test_a_scan_alone_is_kept_when_asked_for(cyst_x, round_trip, reasons):
    result = import_layout("cyst-x", cyst_x, {"single": "keep"})
    alone = {p.patient: p for p in result.patients if not (p.t1 and p.t2)}
    assert set(alone) == {"NU_58"}
    assert alone["NU_58"].roi.endswith("t1/masks/NU_58.nii.gz")
    assert reasons(result)["in none of the sheets"] == ["CAD_901", "NU_59"]
    round_trip(result)


def test_cropped_scans_have_no_mask_and_say_so(cyst_x, round_trip):
    result = import_layout("cyst-x", cyst_x, {"images": "cropped"})
    assert all("IPMN_Classification/t1/" in p.t1 and not p.roi for p in result.patients)
    assert any('roi = "whole"' in note for note in result.notes)
    round_trip(result)
    (cyst_x / "IPMN_Classification" / "t1").rename(cyst_x / "IPMN_Classification" / "t1_clean_ROI")
    again = import_layout("cyst-x", cyst_x, {"images": "cropped"})  # as the OSF zip unpacks
    assert [p.patient for p in again.patients] == [p.patient for p in result.patients]


def test_t1_and_t2_under_different_ids_are_paired_by_the_sheet(cyst_x, xlsx, nifti):
    whole = cyst_x / "IPMN_images_masks"
    nifti(whole / "t1/images/IU_70a.nii.gz", whole / "t2/images/IU_70b.nii.gz")
    rows = [["IU_70a.nii.gz", "IU_70b.nii.gz", "", 1, "", "", 2]]
    xlsx(cyst_x / "IPMN_Classification/IPMN_labels_total.xlsx", [PAIR_HEADER, *rows])
    result = import_layout("cyst-x", cyst_x)
    paired = next(p for p in result.patients if p.patient == "IU_70a")
    assert paired.t2.endswith("IU_70b.nii.gz")
    assert ("IU_70a", "T1 and T2 are paired by the sheet, under different ids") in result.flagged
    assert {"CAD_146", "IU_18"} <= {p.patient for p in result.patients}  # the rest by equal ids


def with_channels(root, *parts, names=BOTH):
    """Give files the name that nnU-Net gives them: ``X_0000.nii.gz``."""
    for part in parts:
        for path in sorted((root / "IPMN_images_masks" / part).glob("*.nii.gz")):
            name = path.name.removesuffix(".nii.gz")
            if name in names or name == "ahn05":
                path.rename(path.with_name(f"{name}_0000.nii.gz"))


@pytest.mark.parametrize("parts", [["t1/images"], ["t1/images", "t2/images"],
                                   ["t1/images", "t1/masks", "t2/images", "t2/masks"]])  # fmt: skip
def test_channel_numbers_of_nnunet_change_no_patient_and_are_noted(cyst_x, parts, round_trip):
    write_folds(cyst_x, "3-class/t1.csv", ["n", "fold"],
                [[f"{n}_0000.nii.gz", i % 5] for i, n in enumerate(sorted(BOTH))])  # fmt: skip
    plain = import_layout("cyst-x", cyst_x)
    with_channels(cyst_x, *parts)
    result = import_layout("cyst-x", cyst_x)
    facts = [
        [(p.patient.casefold(), p.label, p.center, p.group, bool(p.roi)) for p in found.patients]
        for found in (plain, result)
    ]
    assert sorted(facts[0]) == sorted(facts[1])
    assert result.patients[0].t1.endswith("_0000.nii.gz")
    assert [len(found.splits["3-class/t1"].outer) for found in (plain, result)] == [5, 5]
    said = [note for note in result.notes if "channel's number" in note]
    assert len(said) == len(parts)
    assert not any("channel's number" in note for note in plain.notes)
    round_trip(result)


def test_a_channel_number_that_may_be_part_of_an_id_is_not_taken_off(cyst_x, nifti, reasons):
    images = cyst_x / "IPMN_images_masks/t1/images"
    nifti(images / "IU_18_0000.nii.gz")  # IU_18 has a file of its own
    (images / "IU_11.nii.gz").rename(images / "IU_11_0000.nii.gz")
    nifti(images / "IU_11_0001.nii.gz")  # two channels: which one is it?
    result = import_layout("cyst-x", cyst_x)
    patients = {p.patient: p for p in result.patients}
    assert patients["IU_18"].t1.endswith("IU_18.nii.gz")
    assert "IU_11" not in patients
    alone = reasons(result)["only T1, and a pair is wanted (single=keep keeps it)"]
    assert {"IU_11_0000", "IU_11_0001", "IU_18_0000"} <= set(alone)


def test_a_scan_in_two_pairs_is_left_out(cyst_x, xlsx, reasons):
    rows = [["IU_18", "IU_18", "", 1, "", "", 2], ["IU_18", "IU_11", "", 1, "", "", 2]]
    xlsx(cyst_x / "IPMN_Classification/IPMN_labels_total.xlsx", [PAIR_HEADER, *rows])
    found = reasons(import_layout("cyst-x", cyst_x))
    assert found["a T1 paired with 2 others"] == ["IU_18"]


def test_two_files_of_one_id_are_left_out(cyst_x, nifti, reasons):
    nifti(cyst_x / "IPMN_images_masks/t1/images/IU_18.nii")
    result = import_layout("cyst-x", cyst_x)
    assert reasons(result)["2 files of one id among the T1 images"] == ["IU_18"]
    assert "IU_18" not in {p.patient for p in result.patients}


@pytest.mark.parametrize("form", ["fold column", "roles", "long", "lists"])
def test_published_folds_become_splits_in_every_form(cyst_x, form, round_trip):
    folds = {name: i % 4 for i, name in enumerate([*sorted(BOTH), "NU_58"])}
    if form == "fold column":
        header = ["image_t1", "image_t2", "label", "center", "fold"]
        rows = [[f"{n}.nii.gz", f"{n}.nii.gz", 0, "x", f] for n, f in folds.items()]
    elif form == "roles":
        header = ["image", *(f"fold{f}" for f in range(4))]
        rows = [[n, *("test" if f == g else "train" for g in range(4))] for n, f in folds.items()]
    elif form == "long":
        header = ["fold", "split", "image", "label"]
        rows = [
            [g, "test" if f == g else "train", n, 1] for g in range(4) for n, f in folds.items()
        ]
    else:
        header = [f"fold{f}_{side}" for f in range(4) for side in ("train", "test")]
        lists = [[n for n, f in folds.items() if (f == g) == (side == "test")]
                 for g in range(4) for side in ("train", "test")]  # fmt: skip
        rows = [[c[i] if i < len(c) else "" for c in lists] for i in range(max(map(len, lists)))]
    write_folds(cyst_x, "2-class/two_inputs.csv", header, rows)
    result = import_layout("cyst-x", cyst_x)
    splits = result.splits["2-class/two_inputs"]
    imported = {p.patient for p in result.patients}
    assert [set(fold.test) for fold in splits.outer] == [
        {n for n in imported if folds[n.upper() if n == "ahn05" else n] == g} for g in range(4)
    ]
    for fold in splits.outer:
        assert len(fold.inner) == 3  # the other published folds take turns
        for turn in fold.inner:
            assert set(turn.train) | set(turn.validation) | set(fold.test) == imported
    # CAD_146 and NU_58 are published, but were not imported
    assert any("2 of their 18 ids are not among" in note for note in result.notes)
    assert any("1 groups" in note and "as published" in note for note in result.notes)
    round_trip(result)


def test_t1_folds_know_t1_ids(cyst_x):
    rows = [[f"{n}.nii.gz", i % 5] for i, n in enumerate(sorted(BOTH))]
    write_folds(cyst_x, "3-class/t1.csv", ["name", "fold"], rows)
    splits = import_layout("cyst-x", cyst_x).splits["3-class/t1"]
    assert len(splits.outer) == 5
    assert "ahn05" in {p for fold in splits.outer for p in fold.test}


def test_the_json_folds_of_the_repository_are_read_too(cyst_x, tmp_path):
    names = [f"{name}.nii.gz" for name in sorted(set(BOTH) - {"CAD_146"})]
    items = [{"image": name, "label": 0} for name in names]
    folds = [
        {
            "fold": g,
            "train": [item for i, item in enumerate(items) if i % 4 != g],
            "test": items[g::4],
            "val": [],
        }
        for g in range(4)
    ]
    path = tmp_path / "splits_internal_t2.json"
    path.write_text(json.dumps({"label_mapping": {"HDG": 1}, "folds": folds}))
    result = import_layout("cyst-x", cyst_x, {"folds": str(path)})
    assert len(result.splits["splits_internal_t2"].outer) == 4


def test_folds_that_leak_or_of_no_known_form_are_noted_and_not_taken(cyst_x):
    rows = [[n, i % 4] for i, n in enumerate(sorted(BOTH))]
    write_folds(cyst_x, "2-class/t1.csv", ["image", "part"], rows)
    rows = [[g, "train" if g % 2 else "test", n] for g in range(4) for n in BOTH]
    write_folds(cyst_x, "2-class/t2.csv", ["fold", "split", "image"], rows)
    result = import_layout("cyst-x", cyst_x)
    assert set(result.splits) == {"leave-one-center-out"}
    notes = " ".join(result.notes)
    assert "folds '2-class/t1' not taken" in notes
    assert "folds '2-class/t2' not taken" in notes


def test_each_centre_is_left_out_once(cyst_x):
    result = import_layout("cyst-x", cyst_x)
    center = {p.patient: p.center for p in result.patients}
    outer = result.splits["leave-one-center-out"].outer
    assert len(outer) == 7
    for fold in outer:
        tested = {center[name] for name in fold.test}
        assert len(tested) == 1
        for turn in fold.inner:
            assert not tested & {center[n] for n in (*turn.train, *turn.validation)}


def test_missing_or_broken_parts_are_one_error(cyst_x, tmp_path, xlsx):
    sheets = cyst_x / "IPMN_Classification"
    sheet = sheets / "IPMN_labels_t1_total.xlsx"
    xlsx(sheet, [["Image", "Risk"], ["CAD_146", 1]])
    with pytest.raises(CohortError, match=r"t1_total\.xlsx: header: got 2 columns"):
        import_layout("cyst-x", cyst_x)
    xlsx(sheet, [SCAN_HEADER, ["CAD_146", "", 1, "", "", "=1+1"]])
    with pytest.raises(CohortError, match=r"row 2, column 6: got a formula"):
        import_layout("cyst-x", cyst_x)
    sheet.write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(CohortError, match="cannot be read"):
        import_layout("cyst-x", cyst_x)
    sheet.unlink()
    with pytest.raises(CohortError, match="no such file"):
        import_layout("cyst-x", cyst_x)
    with pytest.raises(CohortError, match="nothing there"):
        import_layout("cyst-x", tmp_path / "nowhere")
    with pytest.raises(CohortError, match="no folder that can be read"):
        import_layout("cyst-x", tmp_path / "Cyst-X" / "IPMN_Classification")


def test_unknown_layouts_and_options_name_the_nearest(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'cyst-x'"):
        import_layout("cystx", tmp_path)
    with pytest.raises(SettingsError, match="did you mean 'single'"):
        import_layout("cyst-x", tmp_path, {"singel": "keep"})


def test_under_pseudonyms_no_id_is_left_but_in_the_paths(cyst_x):
    write_folds(cyst_x, "3-class/t1.csv", ["n", "fold"], [[n, i % 5] for i, n in enumerate(BOTH)])
    result = import_layout("cyst-x", cyst_x)
    hidden = pseudonymise(result, bytes(32))
    fields = [(p.patient, p.label, p.center, p.group) for p in hidden.patients]
    text = repr((fields, hidden.left_out, hidden.flagged, hidden.notes, hidden.splits))
    text = (text + summary(hidden)).casefold()
    ids = {p.patient for p in result.patients} | {name for name, _ in result.left_out}
    assert not [name for name in ids if name.casefold() in text]
    assert all(name.casefold() in (repr(result)).casefold() for name in ids)
    assert len(hidden.splits) == len(result.splits) == 2
