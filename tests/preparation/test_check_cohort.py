"""Every planted fault is reported, nothing else is, and nobody's name or path is shown."""

import csv
import gzip
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.errors import CohortError
from cystgrid.outputs.quality.check_page import check_page, write_check_page
from cystgrid.outputs.quality.check_text import check_lines
from cystgrid.outputs.quality.page import render_page
from cystgrid.preparation.check import check_cohort
from cystgrid.preparation.settings import PreparationSettings

PATIENTS = 14
CANARY = "CANARY-DOE-JANE"
COHORT, SETTINGS = CohortSettings(), PreparationSettings()


class Tree:
    """A cohort on disk whose rows and files a test can spoil."""

    def __init__(self, manifest):
        self.manifest, self.folder = manifest, manifest.parent
        with manifest.open(encoding="utf-8", newline="") as stream:
            self.rows = list(csv.DictReader(stream))

    def path(self, patient, column):
        return self.folder / self.row(patient)[column]

    def row(self, patient):
        return next(row for row in self.rows if row["patient"] == patient)

    def line(self, patient):
        return 2 + self.rows.index(self.row(patient))

    def add(self, patient, like):
        """Another patient with copies of someone's files."""
        row = {**self.row(like), "patient": patient}
        for column in ("t1", "t2", "roi"):
            source = self.path(like, column)
            target = self.folder / f"{patient}-{column}-{CANARY}.nii.gz"
            shutil.copy(source, target)
            row[column] = target.name
        row["lesion"] = ""
        self.rows.append(row)

    def save(self):
        with self.manifest.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, self.rows[0].keys())
            writer.writeheader()
            writer.writerows(self.rows)
        return self.manifest


def rewrite(path, change_voxels=lambda v: v, change_affine=lambda a: a):
    image = nib.load(path)
    affine = change_affine(image.affine.copy())
    made = nib.Nifti1Image(change_voxels(np.asanyarray(image.dataobj)), affine)
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    made.header.set_xyzt_units("mm")
    nib.save(made, path)


def moved(by):
    def move(affine):
        affine[:3, 3] += by
        return affine

    return move


def stretched(affine):
    """Slices three times as far apart, about the same middle of the body."""
    return np.diag([1.0, 1.0, 3.0, 1.0]) @ affine


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check") / CANARY
    write_phantom_cohort(folder, patients=PATIENTS, seed=2, reduction=4, quiet=True)
    tree = Tree(folder / "cohort.csv")
    for row in tree.rows:
        for column in ("t1", "t2", "roi"):
            path = tree.folder / row[column]
            row[column] = str(path.rename(path.with_name(f"{CANARY}-{path.name}")))
            row[column] = str(Path(row[column]).relative_to(tree.folder))
    tree.save()
    return tree.manifest


@pytest.fixture
def tree(clean, tmp_path):
    shutil.copytree(clean.parent, tmp_path / CANARY)
    return Tree(tmp_path / CANARY / "cohort.csv")


def lines_with_something(check):
    named = {row.name: row.line for row in check.rows}
    found = {finding.line for finding in (*check.problems, *check.warnings)}
    found |= {outlier.line for outlier in check.outliers}
    for each in (*check.copies, *check.groups):
        found |= {named[patient] for patient in each.patients}
    return found


def shown(check):
    return check_lines(check) + render_page(check_page(check))


def test_a_good_cohort_gives_nothing(clean):
    check = check_cohort(clean, COHORT, SETTINGS)
    assert (len(check.rows), check.fine) == (PATIENTS, PATIENTS)
    assert lines_with_something(check) == set()
    assert check.notes == ()
    row = check.rows[0]
    assert [facts.modality for facts in row.scans] == ["t1", "t2"]
    assert row.roi.kind == "mask"
    assert row.roi.inside_percent["t2"] == pytest.approx(100)
    assert 50 < row.overlap_percent <= 100
    assert all(thumbnail.mask.any() for thumbnail in row.thumbnails)


def plant(tree):
    """Ten faults; returns what must be found: line, column, and words."""
    expected = {}

    def expect(patient, column, words):
        expected[tree.line(patient)] = (column, words)

    tree.row("P003")["t1"] = f"{CANARY}/nowhere.nii.gz"
    expect("P003", "t1", "does not exist")
    tree.row("P004")["label"] = "hihg"
    expect("P004", "label", "unknown: 'hihg'")
    path = tree.path("P005", "t2")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    expect("P005", "t2", "got")
    rewrite(tree.path("P006", "roi"), change_affine=moved((600, 0, 0)))
    expect("P006", "roi", "outside the scan")

    def holes(voxels):
        voxels = voxels.astype(np.float32)
        voxels[::4] = np.nan
        return voxels

    rewrite(tree.path("P008", "t1"), holes)
    expect("P008", "t1", "NaN")
    for column in ("t2", "roi"):
        rewrite(tree.path("P010", column), change_affine=stretched)
    expect("P010", "t2", "slice spacing")
    rewrite(tree.path("P011", "roi"), np.zeros_like)
    expect("P011", "roi", "empty mask")
    tree.add("mirror", like="P012")
    for column in ("t1", "t2", "roi"):
        rewrite(tree.path("mirror", column), lambda voxels: voxels[::-1])
    expect("mirror", "", "mirrored")
    tree.add("twin", like="P013")
    with gzip.open(tree.path("P013", "t2")) as stream:
        tree.path("twin", "t2").write_bytes(gzip.compress(stream.read(), compresslevel=1))
    expect("twin", "", "same voxels")
    expected[tree.line("P012")] = ("", "mirrored")
    expected[tree.line("P013")] = ("", "same voxels")
    twice = tree.row("P002")
    expect("P002", "patient", "'P001' stands on line 2 already")
    twice["patient"] = "P001"
    return expected


def test_ten_planted_faults_are_all_found_and_nothing_else(tree):
    expected = plant(tree)
    check = check_cohort(tree.save(), COHORT, SETTINGS)
    assert lines_with_something(check) == set(expected)
    text = check_lines(check)
    names = {row.line: row.name for row in check.rows}
    for line, (column, words) in expected.items():
        said = [each for each in text.splitlines() if words in each]
        if column:
            assert any(f"line {line}:" in each and column in each for each in said), (line, words)
        else:
            assert any(names[line] in each for each in said), (line, words)
    assert {finding.line for finding in check.problems} == {
        tree_line for tree_line, (column, words) in expected.items()
        if column and words != "slice spacing"
    }  # fmt: skip
    assert {each.kind for each in check.copies} == {"mirrored", "same voxels"}
    assert {each.patients for each in check.groups} == {("P012", "mirror"), ("P013", "twin")}
    assert check.fine == len(check.rows) - 7


def test_no_path_and_no_file_name_is_shown(tree, tmp_path):
    plant(tree)
    text = shown(check_cohort(tree.save(), COHORT, SETTINGS))
    assert "P005" in text  # the control: what may be shown is
    for secret in (CANARY, str(tmp_path), "t1.nii", "t2.nii", "cohort.csv"):
        assert secret not in text


def test_workers_change_nothing(tree, tmp_path):
    plant(tree)
    manifest = tree.save()
    for workers in (0, 2):
        check = check_cohort(manifest, COHORT, SETTINGS, workers=workers)
        write_check_page(check, tmp_path / f"{workers}.html")
    assert (tmp_path / "0.html").read_bytes() == (tmp_path / "2.html").read_bytes()


@pytest.mark.parametrize("value", [0, 7])
def test_a_scan_of_one_value_is_a_problem(tree, value):
    rewrite(tree.path("P001", "t2"), lambda voxels: np.full_like(voxels, value))
    tree.rows = tree.rows[:2]
    (problem,) = check_cohort(tree.save(), COHORT, SETTINGS).problems
    assert (problem.patient, problem.column) == ("P001", "t2")
    assert "nothing to standardise" in problem.message


def test_scans_of_two_places_are_told_with_their_overlap(tree):
    rewrite(tree.path("P001", "t1"), change_affine=moved((0, 0, 90)))
    rewrite(tree.path("P002", "t1"), change_affine=moved((0, 0, 900)))
    tree.rows = tree.rows[:2]
    check = check_cohort(tree.save(), COHORT, SETTINGS)
    said = [(w.patient, w.column, w.message) for w in check.warnings]
    assert ("P001", "t1") in [each[:2] for each in said]
    assert any("of the region" in message for *_, message in said)
    (problem,) = check.problems
    assert (problem.patient, problem.column) == ("P002", "t1")
    assert "does not overlap" in problem.message
    assert 0 < check.rows[0].overlap_percent < 70
    assert check.rows[1].overlap_percent == 0


def test_what_the_study_does_not_use_is_not_missed(tree):
    for row in tree.rows:
        row["t1"] = row["roi"] = ""
    tree.rows = tree.rows[:2]
    manifest = tree.save()
    missed = check_cohort(manifest, COHORT, SETTINGS)
    assert [(p.line, p.column) for p in missed.problems] == [
        (2, "roi"), (2, "t1"), (3, "roi"), (3, "t1"),
    ]  # fmt: skip
    check = check_cohort(manifest, COHORT, PreparationSettings(modalities=("t2",), roi="whole"))
    assert check.problems == ()
    assert check.rows[0].roi.kind == "whole"


def test_a_box_and_a_chosen_label_are_measured(tree):
    tree.rows = tree.rows[:2]
    rewrite(tree.path("P002", "roi"), lambda voxels: voxels * 3)
    tree.row("P002")["roi"] += "#label=3"
    tree.row("P001")["roi"] = "-30,30,-20,20,-25,25"
    box, mask = check_cohort(tree.save(), COHORT, SETTINGS).rows
    assert box.roi.kind == "box"
    assert box.roi.volume_ml == pytest.approx(60 * 40 * 50 / 1000)
    shown_box = box.thumbnails[1]
    assert shown_box.mask.sum() * shown_box.pixel_mm**2 == pytest.approx(60 * 40, rel=0.15)
    assert mask.roi.kind == "mask"


def test_excluded_patients_are_counted_and_not_read(tree):
    tree.row("P001")["label"] = "adenocarcinoma"
    tree.path("P001", "t1").write_bytes(b"")
    tree.rows = tree.rows[:2]
    check = check_cohort(tree.save(), COHORT, SETTINGS)
    assert check.excluded == {"adenocarcinoma": 1}
    assert [row.name for row in check.rows] == ["P002"]
    assert check.problems == ()


def test_a_manifest_that_cannot_be_told_apart_is_refused(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("patient;label\n")
    with pytest.raises(CohortError, match="separated by ';'"):
        check_cohort(path, COHORT, SETTINGS)


@pytest.fixture(scope="session")
def dicom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check-dicom")
    write_phantom_cohort(folder, patients=3, seed=4, image_format="dicom", reduction=8, quiet=True)
    return folder / "cohort.csv"


def tag(folder, **values):
    for path in folder.iterdir():
        item = pydicom.dcmread(path)
        for keyword, value in values.items():
            setattr(item, keyword, value)
        item.save_as(path)


def test_what_dicom_says_of_persons_is_compared_and_never_shown(dicom, tmp_path):
    shutil.copytree(dicom.parent, tmp_path / "d")
    tree = Tree(tmp_path / "d" / "cohort.csv")
    clean = check_cohort(tree.manifest, COHORT, SETTINGS)
    assert (clean.warnings, clean.groups, clean.problems) == ((), (), ())
    secret = {"PatientName": "Canary^Jane", "PatientBirthDate": "19331224"}
    for column in ("t1", "t2"):
        tag(tree.path("P001", column), PatientID="CANARY-7", **secret)
    tag(tree.path("P002", "t1"), PatientID="CANARY-7", **secret)
    check = check_cohort(tree.manifest, COHORT, SETTINGS)
    (problem,) = check.problems
    assert (problem.patient, problem.column) == ("P002", "t1")
    assert "PatientID (0010,0020)) got two patients" in problem.message
    flagged = check_cohort(
        tree.manifest, COHORT, SETTINGS.model_copy(update={"patient_ids": "flag"})
    )
    assert (flagged.problems, [w.patient for w in flagged.warnings]) == ((), ["P002"])
    (group,) = check.groups
    assert group.patients == ("P001", "P002")
    assert group.reason == "one DICOM patient id"
    for word in ("CANARY", "Canary", "1933"):
        assert word not in shown(check)
        assert word not in repr(check)


def test_the_file_at_fault_of_a_series_is_told_by_its_place(dicom, tmp_path):
    shutil.copytree(dicom.parent, tmp_path / "d")
    tree = Tree(tmp_path / "d" / "cohort.csv")
    files = sorted(tree.path("P003", "t2").iterdir())
    files[4].write_bytes(files[4].read_bytes()[:700])
    (problem,) = check_cohort(tree.manifest, COHORT, SETTINGS).problems
    assert (problem.patient, problem.column) == ("P003", "t2")
    assert f"file 5 of {len(files)} by name" in problem.message
    assert files[4].name not in problem.message


def test_a_scan_that_the_study_lets_be_absent_is_a_warning(tree):
    """Absent is what the row does not name; what it names and nobody finds is a problem."""
    tree.rows = tree.rows[:5]
    tree.row("P001")["t1"] = ""
    tree.row("P002")["t2"] = ""
    tree.row("P003")["t1"] = tree.row("P003")["t2"] = ""
    tree.row("P004")["t1"] = "nowhere.nii"
    tree.row("P005")["t1"], tree.row("P005")["t2"] = "", "nowhere.nii"
    manifest = tree.save()
    allow = PreparationSettings(missing_modality="allow")
    check = check_cohort(manifest, COHORT, allow)
    missing = [(w.patient, w.column) for w in check.warnings if "is used alone" in w.message]
    assert missing == [("P001", "t1"), ("P002", "t2"), ("P005", "t1")]
    problems = [(p.patient, p.column) for p in check.problems if p.column != "roi"]
    assert problems == [("P003", "t1"), ("P003", "t2"), ("P004", "t1"), ("P005", "t2")]
    assert [len(row.scans) for row in check.rows] == [1, 1, 0, 1, 0]
    refused = check_cohort(manifest, COHORT, SETTINGS)
    assert {p.patient for p in refused.problems} == {"P001", "P002", "P003", "P004", "P005"}


def test_merged_labels_are_counted_in_words(tree):
    tree.rows = tree.rows[:3]
    tree.row("P001")["label"] = tree.row("P002")["label"] = "cancer"
    check = check_cohort(tree.save(), CohortSettings(merge={"high": ("cancer",)}), SETTINGS)
    assert check.problems == ()
    assert [str(each) for each in check.merged] == ["2 cancer as high"]
    assert "2 cancer as high" in check_lines(check).splitlines()[0]
    assert "cancer as high" in render_page(check_page(check))


@pytest.mark.parametrize(
    ("column", "sound", "odd"),
    [
        ("age", ["", "0", "61", "61.5", "120"], ["061Y", "-1", "121", "nan", "inf", "old", "6 1"]),
        ("sex", ["", "F", "m", "O", "Female", "MALE", "other", "unknown"], ["w", "1", "man"]),
    ],
)
def test_ages_and_sexes_that_tables_cannot_use_are_warnings(tree, column, sound, odd):
    row = {**tree.rows[0], "t1": "", "t2": "", "roi": ""}
    values = [*sound, *odd]
    tree.rows = [{**row, "patient": f"x{n}", column: value} for n, value in enumerate(values)]
    check = check_cohort(tree.save(), COHORT, SETTINGS)
    assert [w.line - 2 for w in check.warnings if w.column == column] == [
        n for n, value in enumerate(values) if value in odd
    ]
    assert column not in {problem.column for problem in check.problems}
