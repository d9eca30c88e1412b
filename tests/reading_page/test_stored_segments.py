"""A Segmentation dropped with its study is offered as a region, and read as its mask is."""

import json

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.manifest import read_manifest
from reading_page.conftest import give, read
from segmentation_on_disk import write_segmentation


@pytest.fixture
def row(world):
    return next(
        one for one in read_manifest(world / "new/cohort.csv").patients if one.patient == "P001"
    )


def masks_of(client, job):
    study = client.get(f"/api/studies/{job}/series").json()
    return [one for one in study["series"] if one["weighting"] == "mask"], study["mask"]


def test_a_segment_is_the_region_as_its_mask_would_be(page, world, row, tmp_path):
    write_segmentation(row, tmp_path / "seg.dcm")
    job = give(page, world / "new/scans/P001", tmp_path)
    (mask,), chosen = masks_of(page, job)
    assert mask["usable"] and mask["description"] == "Pancreas" and chosen == mask["key"]
    assert f'value="{mask["key"]}" selected' in page.get(f"/studies/{job}").text
    study = page.get(f"/api/studies/{job}/series").json()
    asked = {"t1": study["t1"], "t2": study["t2"], "mask": mask["key"]}
    assert read(page, job, box="", **asked)["state"] == "done"
    found = page.get(f"/api/studies/{job}/result").json()
    words = ["predict", world / "model", "--t1", row.t1, "--t2", row.t2, "--roi", row.roi,
             "-o", tmp_path / "out", "--workers", 0]  # fmt: skip
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    (told,) = json.loads((tmp_path / "out/predictions.json").read_text("utf-8"))["patients"]
    assert found["probabilities"] == told["probabilities"]


def test_none_is_chosen_that_may_not_be_meant(page, world, row, tmp_path):
    (tmp_path / "two").mkdir()
    write_segmentation(row, tmp_path / "two/1.dcm")
    write_segmentation(row, tmp_path / "two/2.dcm", label="Pancreas, tail")
    masks, chosen = masks_of(page, give(page, world / "new/scans/P001", tmp_path / "two"))
    assert [one["usable"] for one in masks] == [True, True] and chosen == ""
    (tmp_path / "none").mkdir()
    write_segmentation(row, tmp_path / "none/1.dcm", label="Liver")
    write_segmentation(row, tmp_path / "none/ours.dcm", manufacturer="cystgrid")
    elsewhere = dcmread(write_segmentation(row, tmp_path / "none/2.dcm"))
    elsewhere.FrameOfReferenceUID = "1.2.3"
    elsewhere.save_as(tmp_path / "none/2.dcm")
    masks, chosen = masks_of(page, give(page, world / "new/scans/P001", tmp_path / "none"))
    assert {one["description"]: one["usable"] for one in masks} == {
        "Liver": True,
        "Pancreas": False,
    }
    assert chosen == ""
