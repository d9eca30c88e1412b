"""DICOM results: valid, of the source study, and the same numbers and millimetres as the others."""

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.manifest import read_manifest
from cystgrid.outputs.dicom.codes import class_code, own
from cystgrid.outputs.dicom.making import Making, placed, volume_of
from cystgrid.outputs.dicom.parametric_map import parametric_map
from cystgrid.outputs.dicom.sources import Sources, read_image_header, read_sources
from cystgrid.outputs.dicom.structured_report import content_tree
from cystgrid.preparation.region_on_scan import region_on_scan
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.provenance import NOTICE, sha256_files
from cystgrid.scans.reading import read_as_stored, scan_files
from cystgrid.scans.settings import ReadSettings
from cystgrid.service import Service
from model_on_disk import write_small_model

KINDS = {"report", "map-rollout", "map-picture", "grid-picture", "region"}


def cystgrid(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model, two patients in DICOM (one with a box), their answers and DICOM results."""
    folder = tmp_path_factory.mktemp("dicom")
    new = write_small_model(folder)
    before = sha256_files(sorted((folder / "new/scans").rglob("*.dcm")))
    done = cystgrid("predict", folder / "model", new, "-o", folder / "answers",
                    "--dicom-out", folder / "results", "--workers", 0)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert sha256_files(sorted((folder / "new/scans").rglob("*.dcm"))) == before
    return folder


def made(world, patient, kind):
    return world / "results" / patient / f"{kind}.dcm"


def sources_of(world, patient):
    return {
        dcmread(path, stop_before_pixels=True).SOPInstanceUID
        for path in (world / "new/scans" / patient).rglob("*.dcm")
    }


def on_grid_of(stored, like):
    """Values of a stored object at the voxel centres of another grid."""
    index = np.stack(np.meshgrid(*map(np.arange, like.shape), indexing="ij"), axis=-1)
    nearest = stored.index(like.world(index.reshape(-1, 3)))
    rounded = np.rint(nearest).astype(int)
    assert np.abs(nearest - rounded).max() < 1e-3
    found = np.zeros(len(rounded), np.float32)
    there = ((rounded >= 0) & (rounded < stored.shape)).all(axis=1)
    found[there] = stored.voxels[tuple(rounded[there].T)]
    return found.reshape(like.shape)


@pytest.mark.parametrize("patient", ["P001", "P002"])
def test_every_object_is_there_and_belongs_to_the_study(world, patient):
    folder = world / "results" / patient
    assert {path.stem for path in folder.iterdir()} == KINDS
    source = dcmread(next((world / "new/scans" / patient / "t2").rglob("*.dcm")))
    uids = set()
    for path in folder.iterdir():
        one = dcmread(path)
        assert one.StudyInstanceUID == source.StudyInstanceUID
        assert (one.PatientID, one.PatientName) == (source.PatientID, source.PatientName)
        assert "research use only" in one.SeriesDescription
        uids |= {one.SOPInstanceUID}
    assert len(uids) == len(KINDS)
    assert not uids & sources_of(world, patient)


def test_the_map_has_the_millimetres_and_values_of_the_nifti_map(world):
    table = world / "new/cohort.csv"
    done = cystgrid("explain", world / "model", table, "-o", world / "maps", "--workers", 0)
    assert done.exit_code == 0, done.output
    for patient in ("P001", "P002"):
        nifti = nib.load(world / f"maps/{patient}/rollout.nii.gz")
        scan = read_as_stored(world / f"new/scans/{patient}/t2")
        np.testing.assert_allclose(nifti.affine, scan.affine, atol=1e-3)
        stored = volume_of(hd.imread(made(world, patient, "map-rollout")).get_volume())
        found = on_grid_of(stored, scan)
        assert found.any()
        np.testing.assert_array_equal(found, np.asarray(nifti.dataobj, np.float32))


def test_the_region_is_the_mask_or_the_box(world):
    settings = PreparationSettings()
    for patient in read_manifest(world / "new/cohort.csv").patients:
        scan = read_as_stored(patient.t2)
        stored = hd.seg.segread(made(world, patient.patient, "region"))
        volume = stored.get_volume(combine_segments=True)
        found = on_grid_of(volume_of(volume), scan)
        expected = region_on_scan(patient.roi, scan, settings).voxels
        np.testing.assert_array_equal(found, expected)
        index = np.argwhere(found)
        if patient.patient == "P002":  # every voxel of the box, and no other
            inside = scan.world(index)
            low, high = np.array([-60, -50, -40]), np.array([60, 40, 30])
            assert ((inside >= low) & (inside <= high)).all()
            volume_mm = float(np.prod(scan.spacing)) * len(index)
            assert volume_mm == pytest.approx(float(np.prod(high - low)), rel=0.15)
        else:  # the mask lies on T2's own grid
            mask = np.asarray(nib.load(patient.roi).dataobj) > 0
            assert mask.sum() == len(index)


def test_the_report_says_what_predict_says(world):
    told = json.loads((world / "answers/predictions.json").read_text("utf-8"))
    for answer in told["patients"]:
        report = hd.sr.srread(made(world, answer["patient"], "report"))
        (group,) = report.content.get_image_measurement_groups()
        said = {
            one.name.meaning.removeprefix("Probability of "): one.value
            for one in group.get_measurements()
        }
        expected = dict(zip(told["classes"], answer["probabilities"], strict=True))
        assert said == pytest.approx(expected, abs=1e-6)
        best = max(expected, key=expected.get)
        values = {one.name.value: one.value for one in group.get_qualitative_evaluations()}
        assert values["IPMN-RISK"] == class_code(best, told["classes"].index(best))
        assert values["INTENDED-USE"].meaning == NOTICE
        tree = content_tree(report)
        assert told["model_sha256"] in tree
        assert all(flag in tree for flag in answer["flags"])


def test_the_report_refers_to_source_instances_and_to_our_own(world):
    report = dcmread(made(world, "P001", "report"))
    own_uids = {dcmread(made(world, "P001", kind)).SOPInstanceUID for kind in KINDS - {"report"}}

    def referenced(sequence):
        return {
            instance.ReferencedSOPInstanceUID
            for study in report.get(sequence, [])
            for series in study.ReferencedSeriesSequence
            for instance in series.ReferencedSOPSequence
        }

    evidence = referenced("CurrentRequestedProcedureEvidenceSequence") | referenced(
        "PertinentOtherEvidenceSequence"
    )
    assert evidence == sources_of(world, "P001") | own_uids


def test_the_picture_bears_the_answer_in_colour(world):
    picture = dcmread(made(world, "P001", "map-picture"))
    pixels = picture.pixel_array
    assert picture.PhotometricInterpretation == "RGB"
    assert pixels.ndim == 3
    assert (pixels.max(axis=2).astype(int) - pixels.min(axis=2)).max() > 50


def test_the_same_question_has_the_same_uids_and_another_model_others(world, tmp_path):
    again = tmp_path / "again"
    done = cystgrid("predict", world / "model", world / "new/cohort.csv", "-o", tmp_path / "out",
                    "--dicom-out", again, "--workers", 0)  # fmt: skip
    assert done.exit_code == 0, done.output
    for kind in KINDS:
        one, two = dcmread(made(world, "P001", kind)), dcmread(again / f"P001/{kind}.dcm")
        assert one.SOPInstanceUID == two.SOPInstanceUID
        assert one.SeriesInstanceUID == two.SeriesInstanceUID
    (patient, _) = read_manifest(world / "new/cohort.csv").patients
    sources = read_sources(patient, ("t1", "t2"), "t2", ReadSettings())
    uids = {
        Making(sources, sha256, "0", question, datetime(2020, 1, 1)).uid("report", 1)
        for sha256 in "ab"
        for question in ("rollout ", "grad-cam low")
    }
    assert len(uids) == 4
    assert all(uid.is_valid for uid in uids)


def test_only_the_time_differs(world, tmp_path):
    """Two makings at one time are the same bytes."""
    service = Service.take_up(world / "model")
    patient = read_manifest(world / "new/cohort.csv").patients[0]
    reading = service.read(patient, [""])
    sources = read_sources(patient, ("t1", "t2"), "t2", ReadSettings())
    making = Making(sources, "a", "0", "q", datetime(2020, 1, 1))
    scan = reading.explanations[0].scan
    paths = []
    for name in "ab":
        paths.append(tmp_path / name)
        parametric_map(scan, "x", "rollout", making, 1).save_as(paths[-1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_service_answers_as_predict_does(world):
    service = Service.take_up(world / "model")
    told = json.loads((world / "answers/predictions.json").read_text("utf-8"))
    stages = []
    patient = read_manifest(world / "new/cohort.csv").patients[0]
    reading = service.read(patient, [""], on_stage=lambda *told: stages.append(told))
    assert reading.answer.probabilities.tolist() == told["patients"][0]["probabilities"]
    assert stages == [("scans", ""), ("answer", ""), ("map", "")]

    def stop(stage, method):
        raise InterruptedError(stage)

    with pytest.raises(InterruptedError, match="scans"):
        service.read(patient, on_stage=stop)


def test_a_map_that_the_reading_has_is_not_made_again(world, monkeypatch):
    service = Service.take_up(world / "model")
    patient = read_manifest(world / "new/cohort.csv").patients[0]
    bare, full = service.read(patient), service.read(patient, service.methods, "all")
    made = service.answers_map(patient, bare)
    monkeypatch.setattr(Service, "explain", None)
    found = service.answers_map(patient, full)
    (one,), (other,) = made.maps, found.maps
    assert one.method == other.method
    assert one.target == other.target == made.predicted
    assert one.values.tobytes() == other.values.tobytes()


def test_nifti_scans_have_no_study_that_results_could_belong_to(world, tmp_path):
    scans = world / "phantoms/scans/P001"
    done = cystgrid("predict", world / "model", "--t1", scans / "t1.nii.gz", "--t2",
                    scans / "t2.nii.gz", "--roi=-60,60,-50,40,-40,30", "-o", tmp_path / "out",
                    "--dicom-out", tmp_path / "dicom", "--workers", 0)  # fmt: skip
    assert done.exit_code == 3
    assert "got a NIfTI file, expected a DICOM series" in done.output
    assert not (tmp_path / "dicom").exists()


def test_results_of_others_are_not_replaced(world, tmp_path):
    shutil.copytree(world / "results", tmp_path / "results")
    record = tmp_path / "results/dicom.json"
    told = json.loads(record.read_text("utf-8"))
    record.write_text(json.dumps({**told, "model_sha256": "0"}), "utf-8")
    done = cystgrid("predict", world / "model", world / "new/cohort.csv", "-o", tmp_path / "out",
                    "--dicom-out", tmp_path / "results", "--workers", 0)  # fmt: skip
    assert done.exit_code == 3
    assert "DICOM results for other patients" in done.output


def faults(path):
    """What dciodvfy calls an error."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


@pytest.fixture
def dciodvfy():
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian's dicom3tools)")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_dciodvfy_finds_no_error(world, dciodvfy, kind):
    for patient in ("P001", "P002"):
        assert faults(made(world, patient, kind)) == []


def test_dciodvfy_would_find_one(world, dciodvfy, tmp_path):
    broken = dcmread(made(world, "P001", "map-rollout"))
    del broken.Rows
    broken.save_as(tmp_path / "broken.dcm")
    assert faults(tmp_path / "broken.dcm")


@pytest.mark.parametrize("name", ["pelvis_t1_t2_dicom/ProstateX-0218", "enhanced_mr_dicom"])
def test_real_series_oblique_and_enhanced(real_data, dciodvfy, tmp_path, name):
    """A map on the grid of a real series, and back: each voxel where it was."""
    for reference in series_in(real_data / name):
        scan = read_as_stored(reference)
        images = tuple(read_image_header(path) for path in scan_files(reference))
        sources = Sources({"t2": images}, "t2")
        making = Making(sources, "a", "0", "q", datetime(2020, 1, 1))
        path = tmp_path / "map.dcm"
        parametric_map(scan, "x", "rollout", making, 1).save_as(path)
        stored = volume_of(hd.imread(path).get_volume())
        np.testing.assert_array_equal(on_grid_of(stored, scan), scan.voxels)
        assert faults(path) == []


def series_in(folder: Path):
    """Folders of one readable series each."""
    found = []
    for path in sorted({file.parent for file in folder.rglob("*") if file.is_file()}):
        try:
            read_as_stored(path)
        except Exception:
            continue
        found.append(path)
    assert found
    return found


def test_voxels_are_placed_where_they_lie():
    """A corner by hand: RAS+ (10, 20, 30) is LPS+ (-10, -20, 30)."""
    affine = np.array([[2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]])
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    image = type("Image", (), {"FrameOfReferenceUID": "1.2"})()
    stored = placed(voxels, affine, Sources({"t2": (image,)}, "t2"))
    assert stored.array.shape == (4, 3, 2)
    assert stored.array[3, 2, 1] == voxels[1, 2, 3]
    np.testing.assert_array_equal(stored.affine @ [3, 2, 1, 1], [-12, -26, 42, 1])
    back = volume_of(stored)
    np.testing.assert_array_equal(back.voxels, voxels)
    np.testing.assert_array_equal(back.affine, affine)


def test_codes_stay_within_their_lengths():
    long = own("X" * 40, "y" * 100)
    assert (len(long.value), len(long.meaning)) == (16, 64)
    assert class_code("a" * 80, 0) != class_code("a" * 80, 1)
