"""cohort.csv: read whole, every fault named with its line."""

import pytest

from cystgrid.cohort.manifest import CohortSettings, is_box, read_manifest
from cystgrid.errors import CohortError

HEADER = "patient,label,t1,t2,roi,center\n"


@pytest.fixture
def write(tmp_path):
    (tmp_path / "a.nii.gz").touch()

    def _write(text, encoding="utf-8"):
        path = tmp_path / "cohort.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return _write


def test_rows_become_patients_with_absolute_paths(write):
    path = write(HEADER + 'p1,low,a.nii.gz,a.nii.gz,"0,1,2,3,4,5",x\np2,,a.nii.gz,,a.nii.gz,\n')
    first, second = read_manifest(path).patients
    assert first.t1 == str(path.parent / "a.nii.gz")
    assert first.roi == "0,1,2,3,4,5"
    assert (first.group, first.center, first.label) == ("p1", "x", "low")
    assert (second.label, second.t2, second.roi) == (None, None, str(path.parent / "a.nii.gz"))


def test_excluded_labels_are_left_out_and_counted(write):
    path = write(HEADER + "p1,low,a.nii.gz,,,\np2,adenocarcinoma,a.nii.gz,,,\n")
    manifest = read_manifest(path)
    assert [p.patient for p in manifest.patients] == ["p1"]
    assert manifest.excluded == {"adenocarcinoma": 1}


def test_all_faults_are_reported_in_one_go_with_their_lines(write):
    path = write(HEADER + "p1,lwo,a.nii.gz,,,\n,low,b.nii.gz,,,\np1,low,,,nowhere.nii,\n")
    with pytest.raises(CohortError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "line 2: unknown label 'lwo' (known: normal, low, high, adenocarcinoma)" in message
    assert "line 3: no patient id" in message
    assert "line 3: t1 does not exist: b.nii.gz" in message
    assert "line 4: roi is neither" in message
    assert "lines 2, 4: patient 'p1' stands 2 times" in message
    assert "5 faults" in message


@pytest.mark.parametrize(
    ("text", "encoding", "words"),
    [
        ("", "utf-8", "header"),
        ("p1,low,a.nii.gz,,\n", "utf-8", "header"),
        (HEADER.replace(",", ";"), "utf-8", "separated by ';'"),
        (HEADER.replace("center", "roi"), "utf-8", "each once"),
        (HEADER + "p1,low,a.nii.gz,,0,1,2,3,4,5,x\n", "utf-8", "line 2"),
        (HEADER + "p1,low,,,\n", "utf-8", "line 2"),
        (HEADER + 'p1,"low,,,\n', "utf-8", "well-formed CSV"),
        (HEADER + "pé,low,,,,\n", "latin-1", "not UTF-8"),
    ],
)
def test_files_of_another_form_are_refused(write, text, encoding, words):
    with pytest.raises(CohortError, match=words):
        read_manifest(write(text, encoding))


def test_excels_byte_order_mark_changes_nothing(write):
    text = HEADER + "p1,low,a.nii.gz,,,\n"
    assert read_manifest(write(text)).patients == read_manifest(write("\ufeff" + text)).patients


def test_no_file_is_said_so(tmp_path):
    with pytest.raises(CohortError, match="no such file"):
        read_manifest(tmp_path / "cohort.csv")


def test_classes_come_from_the_study(write):
    path = write(HEADER + "p1,benign,a.nii.gz,,,\n")
    manifest = read_manifest(path, CohortSettings(classes=("benign", "malignant"), exclude=()))
    assert manifest.patients[0].label == "benign"
    with pytest.raises(ValueError, match="differ"):
        CohortSettings(classes=("a", "a"))


@pytest.mark.parametrize(
    ("text", "box"),
    [("1,2,3,4,5,6", True), ("-1.5, 2,3,4,5,6", True), ("1,2,3", False), ("a.nii", False)],
)
def test_a_box_is_told_from_a_path(text, box):
    assert is_box(text) is box
