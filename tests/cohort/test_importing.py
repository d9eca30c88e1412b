"""What an import writes: the same bytes for the same find, and nothing a spreadsheet would run."""

import csv
from dataclasses import replace

import pytest

from cystgrid.cohort.importing import (
    ImportedPatient,
    ImportResult,
    natural_key,
    summary,
    write_manifest,
)
from cystgrid.cohort.manifest import read_manifest
from cystgrid.errors import CohortError
from cystgrid.scans.reference import Reference


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scans" / "a, b.nii.gz"
    path.parent.mkdir()
    path.touch()
    return path


def result(*patients, **more):
    return ImportResult(tuple(patients), **more)


def test_paths_are_relative_and_what_is_chosen_after_them_stays(tmp_path, scan):
    folder = scan.parent / "=series"
    folder.mkdir()
    path = folder / "cohort.csv"
    patient = ImportedPatient("p1", t1=f"{folder}#1.2.3", t2=str(scan), roi="0,1,2,3,4,5")
    write_manifest(result(patient), path)
    row = next(csv.DictReader(path.open(newline="")))
    assert row == {
        "patient": "p1", "label": "", "t1": ".#1.2.3", "t2": "../a, b.nii.gz",
        "roi": "0,1,2,3,4,5",
    }  # fmt: skip
    write_manifest(result(patient), scan.parent / "cohort.csv")
    row = next(csv.DictReader((scan.parent / "cohort.csv").open(newline="")))
    assert row["t1"] == "./=series#1.2.3"  # no formula
    assert read_manifest(scan.parent / "cohort.csv").patients[0].t2 == str(scan)


def test_a_reference_means_the_same_from_the_manifest(tmp_path, scan):
    odd = scan.with_name("a #label=1.nii.gz")
    odd.touch()
    patients = [ImportedPatient("p1", t2=str(odd), roi=f"{scan}#label=1+2")]
    write_manifest(result(*patients), tmp_path / "cohort.csv")
    row = next(csv.DictReader((tmp_path / "cohort.csv").open(newline="")))
    assert Reference.parse(tmp_path / row["t2"]) == Reference(odd)
    assert Reference.parse(tmp_path / row["roi"]) == Reference(scan, labels=(1, 2))


def test_the_order_of_patients_changes_no_byte_and_p2_comes_before_p10(tmp_path, scan):
    patients = [ImportedPatient(f"p{i}", "low", t2=str(scan), center="x") for i in (10, 2, 1)]
    write_manifest(result(*patients), tmp_path / "a.csv")
    write_manifest(result(*patients[::-1]), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert [p.patient for p in read_manifest(tmp_path / "a.csv").patients] == ["p1", "p2", "p10"]
    assert sorted(["b2", "b", "2", "a10", "a9", "10"], key=natural_key) == [
        "2", "10", "a9", "a10", "b", "b2",
    ]  # fmt: skip


def test_a_manifest_of_other_content_is_not_overwritten_unless_told(tmp_path, scan):
    path = tmp_path / "cohort.csv"
    first = result(ImportedPatient("p1", t2=str(scan)))
    other = result(ImportedPatient("p2", t2=str(scan)))
    write_manifest(first, path)
    write_manifest(first, path)
    with pytest.raises(CohortError, match="there already and differs"):
        write_manifest(other, path)
    assert [p.patient for p in read_manifest(path).patients] == ["p1"]
    write_manifest(other, path, overwrite=True)
    assert [p.patient for p in read_manifest(path).patients] == ["p2"]


@pytest.mark.parametrize("name", ["", " p1", "p\n1", "=1+1", "@x", "-1", "+1", "p\u202e1"])
def test_ids_that_cannot_stand_in_a_cell_are_refused(tmp_path, name):
    with pytest.raises(CohortError, match="patient"):
        write_manifest(result(ImportedPatient(name)), tmp_path / "cohort.csv")
    assert not list(tmp_path.iterdir())


def test_groups_labels_and_paths_are_held_to_the_same(tmp_path):
    for fault in ({"group": "=1"}, {"center": "a\nb"}, {"label": " low"}, {"t1": "/a\nb.nii"}):
        with pytest.raises(CohortError):
            write_manifest(result(replace(ImportedPatient("p"), **fault)), tmp_path / "c.csv")


def test_two_of_one_id_and_nobody_at_all_are_refused(tmp_path):
    twice = result(ImportedPatient("p1"), ImportedPatient("p1"))
    with pytest.raises(CohortError, match="'p1' 2 times"):
        write_manifest(twice, tmp_path / "cohort.csv")
    nobody = result(left_out=(("a", "no risk"), ("b", "no risk"), ("c", "no mask")))
    with pytest.raises(CohortError, match=r"no patient .* \(2 left out: no risk\)"):
        write_manifest(nobody, tmp_path / "cohort.csv")


def test_the_summary_counts_by_reason_and_shows_examples():
    left_out = (*((f"p{i}", "no mask") for i in range(12)), ("q", "no risk"))
    text = summary(
        result(
            ImportedPatient("a", "low", t1="/x", t2="/y"),
            ImportedPatient("b", t2="/y"),
            found={"T2 images": 15},
            left_out=left_out,
            notes=("said once",),
        )
    )
    assert text.splitlines() == [
        "found          15  T2 images",
        "imported        2  patients",
        "imported        1  with T1 and T2",
        "imported        1  with T2 only",
        "imported        1  of class low",
        "imported        1  without a label",
        "left out       12  no mask: p0, p1, p2, p3, p4, ...",
        "left out        1  no risk: q",
        "note: said once",
        "note: 2 patients have no region of interest: fill the column roi with masks or boxes, "
        'or set roi = "whole" in the study',
    ]
