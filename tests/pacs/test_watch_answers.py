"""The watcher sends what `predict` says of the same study, with regions from every source."""

import json
import shutil

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.manifest import read_manifest
from cystgrid.errors import CohortError, SettingsError
from cystgrid.pacs.archive import open_archive
from cystgrid.pacs.settings import PacsSettings
from cystgrid.pacs.watch_answer import StudyAnswers
from cystgrid.pacs.watch_region import region_of
from cystgrid.pacs.watch_settings import WatchSettings
from cystgrid.provenance import NOTICE
from cystgrid.service import Service
from model_on_disk import write_small_model
from segmentation_on_disk import write_segmentation

BOX = "-60,60,-50,40,-40,30"
WATCH = """
[watch]
days = 100000
poll_seconds = 0.1
quiet_seconds = 0
roi_folder = "regions"
"""


def cystgrid(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model, and two patients in DICOM: the region of P001 is a mask, of P002 a box."""
    folder = tmp_path_factory.mktemp("watched")
    write_small_model(folder)
    return folder


class New:
    """One of the new patients."""

    def __init__(self, trained, name):
        (self.row,) = [
            each
            for each in read_manifest(trained / "new/cohort.csv").patients
            if each.patient == name
        ]
        self.scans = trained / "new/scans" / name
        self.study_uid = str(dcmread(next(self.scans.rglob("*.dcm"))).StudyInstanceUID)

    def segmentation(self, path, **described):
        """Its mask as a DICOM Segmentation of the study."""
        return write_segmentation(self.row, path, **described)

    def laid_out(self, folder):
        """The study as `pacs fetch` lays it."""
        place = folder / self.study_uid
        for path in self.scans.rglob("*.dcm"):
            header = dcmread(path, stop_before_pixels=True)
            (place / header.SeriesInstanceUID).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / header.SeriesInstanceUID / f"{header.SOPInstanceUID}.dcm")
        return place


def told(path):
    report = hd.sr.srread(path)
    (group,) = report.content.get_image_measurement_groups()
    return {
        one.name.meaning.removeprefix("Probability of "): one.value
        for one in group.get_measurements()
    }


def test_the_same_study_has_the_same_answer_by_predict_and_by_the_watcher(
    trained, orthanc, tmp_path
):
    one, two = New(trained, "P002"), New(trained, "P001")
    settings = orthanc.settings(tmp_path, "dicomweb", WATCH)
    regions = tmp_path / "regions"
    regions.mkdir()
    (regions / f"{one.study_uid}.txt").write_text(BOX)
    shutil.copy(two.row.roi, regions / f"{two.study_uid}.nii.gz")
    orthanc.put([*one.scans.rglob("*.dcm"), *two.scans.rglob("*.dcm")])
    sources = orthanc.uids()
    watched = tmp_path / "watched"
    command = (
        "pacs", "watch", trained / "model", "-o", watched, "--settings", settings, "--once",
    )  # fmt: skip
    done = cystgrid(*command)
    assert done.exit_code == 0, done.output
    answers = {}
    for each, roi in ((one, BOX), (two, two.row.roi)):
        out = tmp_path / each.row.patient
        done = cystgrid(
            "predict", trained / "model", "--t1", each.row.t1, "--t2", each.row.t2, f"--roi={roi}",
            "-o", out, "--dicom-out", out / "dicom", "--workers", 0,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        record = json.loads((out / "predictions.json").read_text("utf-8"))
        (answer,) = record["patients"]
        theirs = json.loads(
            (watched / "results" / each.study_uid / "predictions.json").read_text("utf-8")
        )
        assert theirs["patients"][0]["probabilities"] == answer["probabilities"]
        assert theirs["notice"] == NOTICE
        made = {path.stem: dcmread(path) for path in (out / "dicom").rglob("*.dcm")}
        back = open_archive(PacsSettings.read(settings)).fetch(each.study_uid, tmp_path / "back")
        for name, ours in made.items():  # the same objects: the same UIDs, out of the archive
            (path,) = back.rglob(f"{ours.SOPInstanceUID}.dcm")
            if name == "report":
                answers[each.study_uid] = told(path)
                expected = dict(zip(record["classes"], answer["probabilities"], strict=True))
                assert told(path) == pytest.approx(expected, abs=1e-6)
    assert answers[one.study_uid] != answers[two.study_uid]
    assert len(orthanc.uids()) == len(sources) + 2 * len(made)
    assert set(sources) < set(orthanc.uids())
    arrived = orthanc.arrivals()
    shutil.rmtree(watched)  # all that the watcher knew
    done = cystgrid(*command)
    assert done.exit_code == 0, done.output
    assert orthanc.arrivals() == arrived  # the same answers, made again, are there already


def test_a_segmentation_in_the_study_is_the_region(trained, tmp_path):
    patient = New(trained, "P001")
    study = patient.laid_out(tmp_path)
    (study / "seg").mkdir()
    patient.segmentation(study / "seg/1.dcm")
    answers = StudyAnswers.by(
        Service.take_up(trained / "model"), WatchSettings(), tmp_path / "watched"
    )
    made = answers.answer(study)
    mask = nib.load(tmp_path / "watched/regions" / f"{patient.study_uid}.nii.gz")
    ours, theirs = (np.asarray(each.dataobj) > 0 for each in (mask, nib.load(patient.row.roi)))
    places = [
        np.round(nib.affines.apply_affine(image.affine, np.argwhere(voxels)), 2)
        for image, voxels in ((mask, ours), (nib.load(patient.row.roi), theirs))
    ]
    assert {tuple(one) for one in places[0]} == {tuple(one) for one in places[1]}
    done = cystgrid(
        "predict", trained / "model", "--t1", patient.row.t1, "--t2", patient.row.t2,
        "--roi", patient.row.roi, "-o", tmp_path / "out", "--workers", 0,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out/predictions.json").read_text("utf-8"))
    assert list(told(made[0]).values()) == pytest.approx(
        record["patients"][0]["probabilities"], abs=1e-6
    )
    (tmp_path / f"{study.name}.txt").write_text(BOX)  # another question has other UIDs
    boxed = WatchSettings(roi=("folder",), roi_folder=tmp_path)
    other = StudyAnswers.by(Service.take_up(trained / "model"), boxed, tmp_path / "boxed")
    assert not uids(made) & uids(other.answer(study))


def uids(paths):
    return {dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in paths}


def region(study, tmp_path, **rules):
    settings = WatchSettings(**{"roi_folder": tmp_path / "regions", **rules})
    series = [path.name for path in study.iterdir() if path.name != "seg"]
    return region_of(study, series, settings, tmp_path / "work")


def test_regions_come_from_the_first_source_that_has_one(trained, tmp_path):
    patient = New(trained, "P001")
    study = patient.laid_out(tmp_path)
    (tmp_path / "regions").mkdir()
    (study / "seg").mkdir()
    with pytest.raises(CohortError, match="no region of interest"):
        region(study, tmp_path)
    assert region(study, tmp_path, roi=("folder", "whole")) is None
    (tmp_path / "regions" / f"{study.name}.txt").write_text(f"{BOX}\n")
    assert region(study, tmp_path) == BOX
    patient.segmentation(study / "seg/1.dcm")
    assert region(study, tmp_path) == str(tmp_path / "work" / f"{study.name}.nii.gz")
    assert region(study, tmp_path, segment="liver") == BOX
    patient.segmentation(study / "seg/2.dcm", label="PANCREAS head")
    with pytest.raises(CohortError, match="2 Segmentations"):
        region(study, tmp_path)
    assert region(study, tmp_path, segment="head").endswith(".nii.gz")
    (tmp_path / "regions" / f"{study.name}.nii.gz").write_bytes(b"")
    with pytest.raises(CohortError, match="a mask and a box"):
        region(study, tmp_path, roi=("folder",))


def test_our_own_region_and_one_of_another_frame_are_none(trained, tmp_path):
    patient = New(trained, "P001")
    study = patient.laid_out(tmp_path)
    (study / "seg").mkdir()
    patient.segmentation(study / "seg/1.dcm", manufacturer="cystgrid")
    made = dcmread(patient.segmentation(study / "seg/2.dcm"))
    made.FrameOfReferenceUID = "1.2.3"
    made.save_as(study / "seg/2.dcm")
    with pytest.raises(CohortError, match="no region of interest"):
        region(study, tmp_path)


def test_a_study_without_a_pair_is_refused_with_the_reason(trained, tmp_path):
    patient = New(trained, "P001")
    study = patient.laid_out(tmp_path)
    for folder in study.iterdir():
        if dcmread(next(folder.glob("*.dcm"))).SeriesDescription.lower().startswith("t1"):
            shutil.rmtree(folder)
    answers = StudyAnswers.by(Service.take_up(trained / "model"), WatchSettings(), tmp_path / "w")
    with pytest.raises(CohortError, match="no T1 series"):
        answers.answer(study)


def test_the_whole_scan_only_where_the_model_takes_it(trained, tmp_path):
    with pytest.raises(SettingsError, match="trained on regions"):
        StudyAnswers.by(Service.take_up(trained / "model"), WatchSettings(roi=("whole",)), tmp_path)
