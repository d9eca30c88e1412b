"""cohort.csv: read whole, every fault named with its line, and nobody's path shown."""

import pytest

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.manifest import is_box, manifest_faults, read_manifest
from cystgrid.errors import CohortError

HEADER = "patient,label,t1,t2,roi,center\n"
THERE = "its folder is there"
NOT_SHOWN = "the path may hold a name and is not shown"


@pytest.fixture
def write(tmp_path):
    (tmp_path / "a.nii.gz").touch()
    (tmp_path / "segmented").mkdir()

    def _write(text, encoding="utf-8"):
        path = tmp_path / "cohort.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return _write


def said(path):
    return [str(fault) for fault in manifest_faults(path)[1]]


def test_rows_become_patients_with_absolute_paths(write):
    path = write(HEADER + 'p1,low,a.nii.gz,a.nii.gz,"0,1,2,3,4,5",x\np2,,a.nii.gz,,a.nii.gz,\n')
    first, second = read_manifest(path).patients
    assert first.t1 == str(path.parent / "a.nii.gz")
    assert first.roi == "0,1,2,3,4,5"
    assert (first.group, first.center, first.label) == ("p1", "x", "low")
    assert (second.label, second.t2, second.roi) == (None, None, str(path.parent / "a.nii.gz"))
    assert (first.line, second.line) == (2, 3)


def test_sex_and_age_are_kept_and_unknown_columns_ignored(write):
    path = write("patient,label,t1,t2,roi,sex,age,remark\np1,low,,,,F,61,=SUM(A1)\np2,low,,,,,,\n")
    first, second = read_manifest(path).patients
    assert (first.sex, first.age) == ("F", "61")
    assert (second.sex, second.age) == ("", "")


def test_excluded_labels_are_left_out_and_counted(write):
    path = write(HEADER + "p1,low,a.nii.gz,,,\np2,adenocarcinoma,a.nii.gz,,,\n")
    manifest = read_manifest(path)
    assert [p.patient for p in manifest.patients] == ["p1"]
    assert manifest.excluded == {"adenocarcinoma": 1}


def test_all_faults_are_reported_in_one_go_with_their_lines(write):
    path = write(HEADER + "p1,lwo,a.nii.gz,,,\n,low,b.nii.gz,,,\np1,low,,,nowhere.nii,\n")
    assert said(path) == [
        "line 2: p1: label is unknown: 'lwo' (known: normal, low, high, adenocarcinoma)",
        "line 3: patient is empty: every row needs an id",
        f"line 3: t1 does not exist ({THERE}; {NOT_SHOWN})",
        "line 4: patient 'p1' stands on line 2 already",
        "line 4: p1: roi is neither an existing mask nor x0,x1,y0,y1,z0,z1 in mm, separated by "
        f"commas ({THERE}; {NOT_SHOWN})",
    ]
    with pytest.raises(CohortError) as caught:
        read_manifest(path)
    assert all(line in str(caught.value) for line in said(path))
    assert "5 faults" in str(caught.value)


def test_what_can_be_read_of_a_faulty_row_is(write):
    path = write(HEADER + "p1,lwo,a.nii.gz,b.nii.gz,,\np1,low,,,,\nonly,two\n")
    first, second = manifest_faults(path)[0].patients
    assert first.t1 is not None
    assert (first.label, first.t2, second.patient) == (None, None, "p1")


def test_without_faults_both_ways_of_reading_agree(write):
    path = write(HEADER + "p1,low,a.nii.gz,,,\np2,adenocarcinoma,,,,\n")
    manifest, faults = manifest_faults(path)
    assert faults == ()
    assert manifest == read_manifest(path)


@pytest.mark.parametrize(
    ("text", "encoding", "words"),
    [
        ("", "utf-8", "header"),
        ("p1,low,a.nii.gz,,\n", "utf-8", "header"),
        (HEADER.replace(",", ";"), "utf-8", "separated by ';'"),
        (HEADER.replace(",", "\t"), "utf-8", "separated by tabs"),
        (HEADER.title(), "utf-8", "lower case"),
        (HEADER.replace("center", "roi"), "utf-8", "each once"),
        (HEADER + "p1,low,a.nii.gz,,0,1,2,3,4,5,x\n", "utf-8", "line 2: holds 11 cells"),
        (HEADER + "p1,low,,,\n", "utf-8", "line 2: holds 5 cells"),
        (HEADER + 'p1,"low,,,\n', "utf-8", "line 2: a quote is not closed"),
        (HEADER + "pé,low,,,,\n", "latin-1", "not UTF-8"),
        (HEADER, "utf-16", "not UTF-8"),
    ],
)
def test_files_of_another_form_are_refused(write, text, encoding, words):
    with pytest.raises(CohortError, match=words):
        read_manifest(write(text, encoding))


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_line_ends_and_blank_lines_change_nothing(write, mark, end):
    plain = read_manifest(write(HEADER + "p1,low,a.nii.gz,,,\np2,low,a.nii.gz,,,\n")).patients
    other = mark + HEADER + "p1,low,a.nii.gz,,,\np2,low,a.nii.gz,,,\n \n,,,,,\n"
    assert read_manifest(write(other.replace("\n", end))).patients == plain


@pytest.mark.parametrize("column", ["patient", "label", "center", "group", "sex"])
@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+49", "@SUM(A1)", "-2+3", "\t=1", " =HYPERLINK(1)", "＝1", "-cmd|' /C calc'!A0"],  # noqa: RUF001
)
def test_formulas_are_refused(write, column, cell):
    row = {"patient": "p1", "label": "low", "center": "c", "group": "g", "sex": "F", column: cell}
    header = "patient,label,t1,t2,roi,center,group,sex\n"
    text = (
        f'"{row["patient"]}","{row["label"]}",,,,"{row["center"]}","{row["group"]}",{row["sex"]}\n'
    )
    (fault,) = manifest_faults(write(header + text))[1]
    assert (fault.line, fault.column) == (2, column)
    assert "formula" in fault.message or "control" in fault.message


def test_a_harmless_minus_is_no_formula(write):
    text = 'patient,label,t1,t2,roi,age,center\n-1,low,,,"-60,60,-40.5,4,-30,0",-3,-\n'
    (patient,) = read_manifest(write(text)).patients
    assert (patient.patient, patient.roi, patient.age) == ("-1", "-60,60,-40.5,4,-30,0", "-3")


@pytest.mark.parametrize("letter", ["\0", "\x07", "\x0b", "\u200b", "\u202e", "\u2028", "\ufeff"])
def test_letters_that_cannot_be_seen_are_refused(write, letter):
    (fault,) = manifest_faults(write(HEADER + f"p{letter}1,low,,,,\n"))[1]
    assert "control or invisible" in fault.message
    assert letter not in str(fault)


def test_ids_in_any_script_are_fine(write):
    path = write(HEADER + "患者１,low,,,,\nПациент-7,low,,,,\nJosé 3,low,,,,\n")  # noqa: RUF001
    assert len(read_manifest(path).patients) == 3


@pytest.mark.parametrize("twin", ["P1É", "p1é", "p1e\u0301"])
def test_ids_that_some_systems_cannot_tell_apart_are_refused(write, twin):
    (fault,) = manifest_faults(write(HEADER + f"p1é,low,,,,\n{twin},low,,,,\n"))[1]
    assert fault.line == 3
    assert "line 2" in fault.message


def test_a_line_break_in_quotes_costs_its_own_lines_only(write):
    path = write(HEADER + '"p\n1",low,,,,\np2,lwo,,,,\np3,low,,,,\n')
    assert [fault.line for fault in manifest_faults(path)[1]] == [2, 4]


def test_references_may_choose_and_folders_may_be_regions(write):
    text = (
        HEADER + "p1,low,a.nii.gz#volume=1,segmented#1.2.3,a.nii.gz#label=3,\np2,low,,,segmented,\n"
    )
    first, second = read_manifest(write(text)).patients
    assert first.roi.endswith("a.nii.gz#label=3")
    assert second.roi.endswith("segmented")
    assert said(write(HEADER + "p1,low,p1.nii.gz#volume=1,,,\n")) == [
        f"line 2: p1: t1 does not exist: 'p1.nii.gz#volume=1' ({THERE})"
    ]


@pytest.mark.parametrize("cell", ["x" * 5000, "a.nii.gz/b", "#"])
def test_names_that_no_file_can_have_do_not_exist(write, cell):
    (fault,) = said(write(HEADER + f"p1,low,{cell},,,\n"))
    assert fault.startswith("line 2: p1: t1 does not exist")


def test_hints_at_what_may_be_meant(write):
    rows = 'p1,low,a.nii.gz#nonsense,,,\np2,low,scans\\a.nii,,,\np3,low,a.nii.gz,,"1,0,0,1,0,1",\n'
    first, second, third = said(write(HEADER + rows))
    assert "t1 has something after '#' that is no choice: expected SeriesInstanceUID" in first
    assert "separated by '/'" in second
    assert "roi is no box: x0 < x1" in third
    with pytest.raises(CohortError, match="Excel's `sep=`"):
        read_manifest(write("sep=,\n" + HEADER))


def test_a_manifest_of_nobody_is_refused(write):
    with pytest.raises(CohortError, match="a header and no patient"):
        read_manifest(write(HEADER))


def test_no_message_shows_a_scans_path(write):
    rows = "p1,/home/CANARY/x,CANARY.nii,CANARY,CANARY.nii,\nCANARY/scan.nii\n"
    with pytest.raises(CohortError) as caught:
        read_manifest(write(HEADER + rows))
    assert "CANARY" not in str(caught.value)
    with pytest.raises(CohortError) as caught:
        read_manifest(write("p1,low,/home/CANARY/t1.nii,,\n"))
    assert "CANARY" not in str(caught.value)


def test_a_hundred_thousand_rows_are_read_with_all_their_faults(write):
    rows = (f"p{n},low,scans/{n}/t1.nii.gz,a.nii.gz,,c\n" for n in range(100_000))
    path = write(HEADER + "".join(rows))
    manifest, faults = manifest_faults(path)
    assert len(manifest.patients) == len(faults) == 100_000


def test_a_message_stays_short_however_many_faults_there_are(write):
    with pytest.raises(CohortError) as caught:
        read_manifest(write(HEADER + "".join(f"p{n},low,nowhere.nii,,,\n" for n in range(3000))))
    assert "3000 faults" in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_file_beyond_all_bounds_is_not_read(write, monkeypatch):
    monkeypatch.setattr("cystgrid.cohort.manifest_file.MAX_BYTES", 50)
    with pytest.raises(CohortError, match="at most 50"):
        read_manifest(write(HEADER + "p1,low,,,,\n" * 9))


def test_no_file_is_said_so(tmp_path):
    with pytest.raises(CohortError, match="no such file"):
        read_manifest(tmp_path / "cohort.csv")


def test_a_folder_is_said_to_be_one_and_its_manifest_is_named(tmp_path):
    with pytest.raises(CohortError, match=r"got a folder, .* there is no cohort\.csv in this"):
        read_manifest(tmp_path)
    (tmp_path / "cohort.csv").write_text(HEADER)
    with pytest.raises(CohortError) as caught:
        read_manifest(tmp_path)
    assert caught.value.do == f"give {tmp_path / 'cohort.csv'}"


def test_a_missing_file_is_named_with_its_patient_and_what_to_do(write):
    with pytest.raises(CohortError) as caught:
        read_manifest(write(HEADER + "p1,low,scans/p1/t1.nii.gz,a.nii.gz,,\n"))
    message = "line 2: p1: t1 does not exist: 'scans/p1/t1.nii.gz' (its folder is not there either)"
    assert message in caught.value.got
    assert "paths begin in the folder of this file" in caught.value.do
    with pytest.raises(CohortError) as caught:
        read_manifest(write(HEADER + "p1,lwo,,,,\n"))
    assert "paths" not in caught.value.do


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
