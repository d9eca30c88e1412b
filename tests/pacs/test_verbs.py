"""The verbs: what is printed and written, and how they end."""

import csv
import json

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.manifest import read_manifest
from pacs.test_archive import write_study
from studies_on_disk import HASTE, VIBE, uid, write_series


@pytest.fixture
def pacs(orthanc, tmp_path):
    settings = orthanc.settings(tmp_path, "dicomweb")

    def run(verb, *words):
        return CliRunner().invoke(
            app, ["pacs", verb, *map(str, words), "--settings", str(settings)]
        )

    return run


def test_the_way_there_and_back(pacs, orthanc, tmp_path):
    study = write_study(tmp_path / "here", slices=12)
    assert "24 stored, 0 there already" in pacs("send", tmp_path / "here").output
    assert "0 stored, 24 there already" in pacs("send", tmp_path / "here").output
    assert orthanc.arrivals() == 24
    listed = pacs("find", "--patient", "Quimby-A", "-o", tmp_path / "found.json")
    assert listed.exit_code == 0
    assert study in listed.output
    (line,) = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert (line["study_uid"], line["instances"]) == (study, "24")
    done = pacs("fetch", study, "-o", tmp_path / "new", "--pair", tmp_path / "cohort.csv")
    assert done.exit_code == 0, done.output
    (patient,) = read_manifest(tmp_path / "cohort.csv").patients
    assert patient.t1 is not None
    assert patient.t1.endswith(uid("A1t1"))
    assert patient.t2 is not None
    assert patient.t2.endswith(uid("A1t2"))


def test_a_study_that_is_not_there_is_refused_and_the_others_come(pacs, tmp_path):
    study = write_study(tmp_path / "here")
    pacs("send", tmp_path / "here")
    done = pacs("fetch", "1.2.3", study, "-o", tmp_path / "new")
    assert done.exit_code == 4
    assert "refused: 1.2.3: " in done.stderr
    assert len(list((tmp_path / "new" / study).rglob("*.dcm"))) == 6


def test_another_object_of_the_same_uid_is_refused(pacs, tmp_path):
    write_study(tmp_path / "here")
    pacs("send", tmp_path / "here")
    path = next((tmp_path / "here").glob("*.dcm"))
    other = dcmread(path)
    other.SeriesDescription = "another"
    other.save_as(path)
    done = pacs("send", tmp_path / "here")
    assert done.exit_code == 4
    assert f"refused: {other.SOPInstanceUID}" in done.stderr


def test_text_of_headers_is_no_formula_and_no_markup(pacs, tmp_path):
    write_series(
        tmp_path / "here", "t1", VIBE | {"StudyDescription": "=1+[red]1[/red]"}, suffix=".dcm"
    )
    write_series(
        tmp_path / "here", "t2", HASTE | {"StudyDescription": "=1+[red]1[/red]"}, suffix=".dcm"
    )
    pacs("send", tmp_path / "here")
    listed = pacs("find", "-o", tmp_path / "found.csv")
    assert "=1+[red]1[/red]" in listed.output
    with (tmp_path / "found.csv").open(encoding="utf-8") as stream:
        (line,) = csv.DictReader(stream)
    assert line["description"] == "'=1+[red]1[/red]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fetch", "../../etc", "-o", "x"), "STUDY: got '../../etc'"),
        (("find", "--date", "January"), "--date: got 'January'"),
        (("find", "--patient", "a\\b"), "one value"),
        (("find", "-o", "found.xlsx"), ".csv or .json"),
        (("send", "."), "no DICOM file"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(pacs, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    done = pacs(*words)
    assert done.exit_code == 2
    assert told in done.stderr


def test_no_settings_are_one_line_of_error(tmp_path):
    done = CliRunner().invoke(app, ["pacs", "find", "--settings", str(tmp_path / "no.toml")])
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1
    assert "no readable file" in done.stderr
