"""A hospital's tree becomes a cohort, with an account of all that did not."""

import shutil
from pathlib import Path

import pytest

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.dicom_tree import chosen_table, import_dicom, left_out_table
from cystgrid.cohort.importing import summary, write_manifest
from cystgrid.cohort.manifest import read_manifest
from cystgrid.cohort.pairing_rules import PairingRules
from cystgrid.cohort.pseudonyms import pseudonymise
from cystgrid.cohort.study_labels import read_labels
from cystgrid.errors import CohortError
from cystgrid.scans.reading import read_scan, scan_files
from cystgrid.scans.reference import Reference
from cystgrid.scans.settings import ReadLimits
from studies_on_disk import CANARY, CORONAL, DWI, HASTE, VIBE, uid, write_series


@pytest.fixture
def tree(tmp_path):
    """Two patients, three studies, all files in one folder, as an archive's export may be."""
    folder = tmp_path / "export"
    for patient, study in (("A", "1"), ("A", "2"), ("B", "3")):
        of = {"patient": patient, "study": study}
        write_series(folder, f"{study}t2", HASTE, number=3, **of)
        write_series(folder, f"{study}t1", VIBE, number=4, slices=30, gap=3.0, **of)
        write_series(folder, f"{study}cor", HASTE, number=5, orientation=CORONAL, **of)
        write_series(folder, f"{study}dwi", DWI, number=6, **of)
    (folder / "README.txt").write_text("")
    return folder


def labels_of(path, text):
    path.write_text(text)
    return read_labels(path)


def test_every_study_is_a_row_that_can_be_read(tree, tmp_path):
    result = import_dicom(tree).result
    assert len(result.patients) == 3
    assert len({patient.group for patient in result.patients}) == 2
    assert result.found["series that are not MR"] == 0
    assert (result.found["T1 series"], result.found["T2 series"]) == (3, 6)
    manifest = tmp_path / "cohort.csv"
    write_manifest(result, manifest)
    for patient in read_manifest(manifest, CohortSettings()).patients:
        t1, t2 = read_scan(patient.t1), read_scan(patient.t2)
        assert (t1.shape, t2.shape) == ((4, 3, 30), (4, 3, 12))
        assert len(scan_files(patient.t1)) == 30
    assert CANARY not in manifest.read_text()


def test_every_series_is_taken_or_left_out_with_a_reason(tree):
    found = import_dicom(tree)
    left_out = [why for _, why in found.result.left_out]
    assert sorted(set(left_out)) == [
        "series: T2: coronal",
        "series: neither T1 nor T2 (diffusion)",
    ]
    chosen = sum(bool(verdict.chosen_as) for verdict in found.pairing.verdicts)
    assert chosen + len(left_out) == len(found.survey.series) == 12


def test_tables_show_both_and_nobody(tree):
    found = import_dicom(tree)
    chosen, left_out = chosen_table(found.pairing), left_out_table(found.pairing)
    assert len(chosen.splitlines()) == 2 + 6
    assert len(left_out.splitlines()) == 2 + 6
    assert "T1, the only one that fits" in chosen
    assert "t1 vibe fs tra" in chosen
    assert "T2: coronal" in left_out
    for shown in (chosen, left_out, summary(found.result), repr(found.pairing), repr(found.survey)):
        assert CANARY.lower() not in shown.lower()
        assert str(tree) not in shown
    for patient in found.result.patients:
        assert CANARY not in repr(patient)
    assert CANARY not in repr(found.result.left_out + found.result.flagged + found.result.notes)


def test_the_same_tree_elsewhere_gives_the_same_rows(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "sub" / "copy")
    one, two = import_dicom(tree).result, import_dicom(tmp_path / "sub" / "copy").result
    assert [p.patient for p in one.patients] == [p.patient for p in two.patients]
    assert (one.left_out, one.found, one.notes) == (two.left_out, two.found, two.notes)


def test_references_name_the_deepest_folder_and_the_series(tmp_path):
    t1 = write_series(tmp_path / "s" / "4", "t1", VIBE, number=4)
    t2 = write_series(tmp_path / "s" / "3", "t2", HASTE, number=3)
    (patient,) = import_dicom(tmp_path).result.patients
    assert patient.t1 == f"{tmp_path / 's' / '4'}#{t1}"
    assert Reference.parse(patient.t2) == Reference(tmp_path / "s" / "3", series=str(t2))


def test_a_chosen_volume_stands_in_the_reference(tmp_path):
    def echoes(k, dataset):
        dataset.ImagePositionPatient = [0, 0, 5.0 * (k // 2)]
        dataset.EchoTime = "2.3" if k % 2 else "1.1"

    write_series(tmp_path, "t1", VIBE, slices=24, edit=echoes)
    write_series(tmp_path, "t2", HASTE)
    rules = PairingRules.parse({"t1": {"volume": 1}}, "rules")
    (patient,) = import_dicom(tmp_path, rules).result.patients
    assert Reference.parse(patient.t1).volume == 1
    assert Reference.parse(patient.t2).volume is None


def test_labels_by_patient_study_or_accession_the_narrowest_first(tree, tmp_path):
    (tmp_path / "mask.nii.gz").write_bytes(b"")
    labels = labels_of(
        tmp_path / "labels.csv",
        "\ufeffstudy_or_patient_id,label,roi,center,age\n"
        f"{CANARY}-A,low,,MCF,60\n"
        f"{uid('study2')},high,mask.nii.gz,MCF,62\n"
        f"{CANARY}3,normal,,NU,\n"
        f"{CANARY}-nobody,low,,,\n",
    )
    result = import_dicom(tree, labels=labels).result
    by_study = {patient.t2.rpartition("#")[2]: patient for patient in result.patients}
    first = by_study[uid("A11t2")]
    second, third = by_study[uid("A22t2")], by_study[uid("B33t2")]
    assert (first.label, first.center, first.age, first.roi) == ("low", "MCF", "60", "")
    assert (second.label, second.roi) == ("high", str(tmp_path / "mask.nii.gz"))
    assert (third.label, third.age) == ("normal", "")
    assert any("1 rows of the labels match no study (rows 4," in note for note in result.notes)
    assert CANARY not in repr(labels)
    assert CANARY not in repr(result.notes)


def test_studies_without_a_label_are_counted(tree, tmp_path):
    labels = labels_of(tmp_path / "labels.csv", f"id,label\n{CANARY}-B,low\n")
    result = import_dicom(tree, labels=labels).result
    assert sorted(patient.label for patient in result.patients) == ["", "", "low"]
    assert "2 imported studies have no row in the labels." in result.notes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "patient,label\na,low\n",
            "header: got the unknown column 'patient'; no column 'id' (the ",
        ),
        ("patient,label\na,low\n", "(the columns are 'patient', 'label'), expected id,label and"),
        ("id,study_or_patient_id,label\na,a,low\n", "both study_or_patient_id and id"),
        ("id,label,label\na,low,low\n", "'label' twice"),
        (f"{CANARY},low\n{CANARY}b,low\n", "2 columns, none of them of a known name"),
        (
            f"id,label,roi\n{CANARY},low,nowhere.nii\n",
            "row 1: its roi is neither an existing mask nor a box",
        ),
        (f'id,label,roi\n{CANARY},low,"9,1,0,1,0,1"\n', "row 1: its roi is no box"),
        (f"id,label\n{CANARY},=1+1\n", "row 1: its label begins like a formula"),
        (f"id;label\n{CANARY};low\n", "separated by ';'"),
        (f"id,label\n{CANARY},low\nb,low\n{CANARY},high\n", "rows 1, 3: one id"),
        ("id,label\n,low\n", "row 1: no id"),
        ("id,label,lable\na,low,low\n", "the unknown column 'lable' (did you mean 'label'?)"),
    ],
)
def test_faults_of_the_labels_are_named_by_row(tmp_path, text, told):
    with pytest.raises(CohortError) as caught:
        labels_of(tmp_path / "labels.csv", text)
    assert told in str(caught.value)
    assert CANARY not in str(caught.value)


def test_labels_of_which_none_matches_are_refused(tree, tmp_path):
    labels = labels_of(tmp_path / "labels.csv", f"id,label\n{CANARY}-nobody,low\n")
    with pytest.raises(CohortError, match="1 rows of which none matches"):
        import_dicom(tree, labels=labels)


def test_an_id_of_two_patients_is_refused(tmp_path):
    for issuer in ("X", "Y"):
        write_series(tmp_path / issuer, "t2", HASTE, study=issuer, IssuerOfPatientID=issuer)
    labels = labels_of(tmp_path / "labels.csv", f"id,label\n{CANARY}-A,low\n")
    with pytest.raises(CohortError, match="rows 1"):
        import_dicom(tmp_path, labels=labels)


def test_what_may_trouble_reading_is_flagged(tree):
    whole = next(tree.iterdir())
    (tree / "cut.dcm").write_bytes(whole.read_bytes()[:200])
    result = import_dicom(tree, limits=ReadLimits(max_files=100)).result
    flags = {why for _, why in result.flagged}
    assert "a DICOM file that cannot be used lies in its folder" in flags
    assert "its folder holds more than 100 files (max_files)" in flags
    assert any(not what and why.startswith("file: ") for what, why in result.left_out)
    assert {why for _, why in import_dicom(tree).result.flagged} == {
        "a DICOM file that cannot be used lies in its folder"
    }


def test_one_patient_id_with_several_birth_dates_is_flagged(tmp_path):
    for study, born in (("1", "19500607"), ("2", "19800101")):
        for name, headers in (("t1", VIBE), ("t2", HASTE)):
            write_series(tmp_path / study, name, headers, study=study, PatientBirthDate=born)
    flagged = import_dicom(tmp_path).result.flagged
    assert len(flagged) == 2
    assert all("several birth dates" in why and "1980" not in why for _, why in flagged)


def test_studies_without_a_patient_id_are_patients_of_their_own(tmp_path):
    for study in ("1", "2"):
        for name, headers in (("t1", VIBE), ("t2", HASTE)):
            write_series(tmp_path / study, name, headers, study=study, PatientID="")
    result = import_dicom(tmp_path).result
    assert len({patient.group for patient in result.patients}) == 2
    assert any(note.startswith("2 studies without PatientID") for note in result.notes)


def test_pseudonyms_take_the_place_of_every_id(tree):
    result = import_dicom(tree).result
    hidden = pseudonymise(result, b"k" * 32)
    assert all(patient.patient.startswith("P-") for patient in hidden.patients)
    assert len({patient.group for patient in hidden.patients}) == 2
    assert not {patient.patient for patient in result.patients} & {n for n, _ in hidden.left_out}


def test_real_trees(real_data):
    pelvis = import_dicom(real_data / "pelvis_t1_t2_dicom").result
    (patient,) = pelvis.patients
    assert read_scan(patient.t1).shape == (160, 160, 20)
    assert read_scan(patient.t2).shape == (320, 320, 20)
    assert sum(why == "series: neither T1 nor T2 (diffusion)" for _, why in pelvis.left_out) == 1
    knee = import_dicom(real_data / "knee_jpeg2000_dicom")
    assert not knee.result.patients
    assert {verdict.reason for verdict in knee.pairing.verdicts} == {"T1: coronal", "T2: sagittal"}
    anyhow = PairingRules.parse({"t1": {"planes": ["coronal"]}, "t2": {"planes": ["sagittal"]}}, "")
    assert len(import_dicom(real_data / "knee_jpeg2000_dicom", anyhow).result.patients) == 1
    everything = import_dicom(real_data)
    assert len(everything.result.patients) == 1
    text = chosen_table(everything.pairing) + left_out_table(everything.pairing)
    assert "ProstateX" not in text
    assert not any(Path(word).exists() for word in text.split() if word.startswith("/"))
