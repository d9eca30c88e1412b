"""The whole way of a study over HTTP: given, looked through, read, shown, compared, removed."""

import gzip
import io
import json
import os
import signal
import zipfile
from contextlib import contextmanager, suppress

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from cystgrid.page.settings import PageSettings
from cystgrid.predicting import run_predict, single_patient
from cystgrid.provenance import NOTICE
from cystgrid.scans.reading import read_scan
from reading_page.conftest import BOX, files_of, give, opened, read, wait_for
from reading_page.live import reading


def scans(world, patient="P001"):
    return world / "new/scans" / patient


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    """A page with one study that was read: client, id, folder of the studies."""
    folder = tmp_path_factory.mktemp("read") / "studies"
    with opened(world / "model", folder) as client:
        job = give(client, scans(world))
        assert read(client, job)["state"] == "done"
        yield client, job, folder


def test_the_same_study_gives_the_same_answer_by_predict(done, world, tmp_path):
    client, job, _ = done
    result = client.get(f"/api/studies/{job}/result").json()
    place = scans(world)
    run_predict(world / "model", single_patient("one", str(place / "t1"), str(place / "t2"), BOX),
                tmp_path, quiet=True)  # fmt: skip
    told = json.loads((tmp_path / "predictions.json").read_text("utf-8"))
    assert result["probabilities"] == told["patients"][0]["probabilities"]
    assert result["calibrated"]["probabilities"] == told["patients"][0]["calibrated"]
    assert result["notice"] == NOTICE


def test_the_pair_is_chosen_by_the_headers(done):
    client, job, _ = done
    held = client.get(f"/api/studies/{job}/series").json()
    kinds = {one["key"]: one["weighting"] for one in held["series"]}
    assert (kinds[held["t1"]], kinds[held["t2"]]) == ("t1", "t2")


def test_every_page_says_research_use_only(done):
    client, job, _ = done
    for path in ("/", f"/studies/{job}", f"/studies/{job}?change=1", "/help", "/none"):
        assert NOTICE in client.get(path).text


def test_pictures_are_of_every_plane_and_of_no_other(done):
    client, job, _ = done
    key = client.get(f"/api/studies/{job}/series").json()["t2"]
    frame = client.get(f"/api/studies/{job}/frame/{key}").json()
    count = dict(zip(("sagittal", "coronal", "axial"), frame["count"], strict=True))
    for axis, planes in count.items():
        path = f"/api/studies/{job}/scans/{key}/{axis}"
        assert client.get(f"{path}/{planes}.png").status_code == 404
        assert client.get(f"{path}/-1.png").status_code == 404
        with Image.open(io.BytesIO(client.get(f"{path}/{planes - 1}.png").content)) as image:
            assert image.size[0] in frame["count"]
        over = client.get(f"/api/studies/{job}/maps/0/0/{axis}/{planes // 2}.png")
        with Image.open(io.BytesIO(over.content)) as image:
            assert image.mode == "RGBA"
    assert client.get(f"/api/studies/{job}/scans/{key}/oblique/0.png").status_code == 422
    assert client.get("/api/scale.png").headers["content-type"] == "image/png"


def test_the_map_is_shown_where_the_nifti_has_it(done):
    """Pixels that are drawn are the voxels above the threshold, of the same plane."""
    client, job, folder = done
    result = client.get(f"/api/studies/{job}/result").json()
    scan = read_scan(folder / job / "result" / result["maps"][0]["files"][0])
    ground = client.get(f"/api/studies/{job}/series").json()[result["reference"]]
    frame = client.get(f"/api/studies/{job}/frame/{ground}").json()
    slices = [k for k in range(scan.shape[2]) if (scan.voxels[..., k] > 1).any()]
    assert slices
    for k in slices:
        z = scan.world(np.array([0, 0, k]))[2]
        step = (frame["high"][2] - frame["low"][2]) / frame["count"][2]
        number = int((z - frame["low"][2]) // step)
        path = f"/api/studies/{job}/maps/0/0/axial/{number}.png?threshold=1"
        with Image.open(io.BytesIO(client.get(path).content)) as image:
            drawn = np.asarray(image)[..., 3] > 0
        expected = np.flip((scan.voxels[..., k] > 1).T)  # right on the left, front at the top
        np.testing.assert_array_equal(drawn, expected)


def test_what_can_be_taken_away(done):
    client, job, _ = done
    report = client.get(f"/api/studies/{job}/report.pdf")
    assert report.content.startswith(b"%PDF")
    with zipfile.ZipFile(io.BytesIO(client.get(f"/api/studies/{job}/maps.zip").content)) as maps:
        assert any(name.endswith(".nii.gz") for name in maps.namelist())
        assert json.loads(maps.read("result.json"))["notice"] == NOTICE
    with zipfile.ZipFile(io.BytesIO(client.get(f"/api/studies/{job}/dicom.zip").content)) as dicom:
        kinds = {dcmread(io.BytesIO(dicom.read(name))).Modality for name in dicom.namelist()}
    assert {"SR", "SEG"} <= kinds
    key = client.get(f"/api/studies/{job}/series").json()["t1"]
    volume = client.get(f"/api/studies/{job}/volumes/{key}.nii.gz").content
    assert nib.Nifti1Image.from_bytes(gzip.decompress(volume)).ndim == 3
    again = client.get(f"/api/studies/{job}/map-volumes/0/0.nii.gz")
    assert again.content[:2] == b"\x1f\x8b"


def test_two_studies_of_a_patient_are_compared_and_of_two_are_not(done, world):
    client, job, _ = done
    later = give(client, scans(world))
    other = give(client, scans(world, "P002"))
    for one in (later, other):
        assert read(client, one)["state"] == "done"
    page = client.get("/compare", params={"earlier": job, "later": later})
    assert "+0.0 points" in page.text
    assert job in client.get(f"/studies/{later}").text
    assert client.get("/compare", params={"earlier": job, "later": other}).status_code == 422


def test_hostile_text_of_a_header_is_text(page, world, tmp_path):
    for kind in ("t1", "t2"):
        for path in sorted((scans(world) / kind).rglob("*.dcm")):
            one = dcmread(path)
            one.PatientName = '<script>alert(1)</script>^"><img src=x onerror=y>'
            one.SeriesDescription = f"{kind} </option><script>x()</script>"
            (tmp_path / kind).mkdir(exist_ok=True)
            dcmwrite(tmp_path / kind / path.name, one)
    job = give(page, tmp_path / "t1", tmp_path / "t2")
    for path in ("/", f"/studies/{job}"):
        text = page.get(path).text
        assert "alert(1)" in text
        assert "<script>" not in text
        assert "<img src=x" not in text


def test_nothing_that_can_be_read_is_told_plainly_and_leaves_nothing(page, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/Jane Doe.txt").write_text("hello")
    answer = page.post("/api/studies", files=files_of(tmp_path / "notes"))
    assert answer.status_code == 400
    assert "got 1 file" in answer.json()["error"]
    assert "Jane" not in answer.text
    assert page.get("/api/studies").json() == []
    assert [path.name for path in (tmp_path / "studies").iterdir() if path.is_dir()] == []


def test_a_study_whose_scan_cannot_be_decoded_may_be_read_by_the_other_or_removed(
    page, world, tmp_path
):
    for path in sorted((scans(world) / "t2").rglob("*.dcm")):
        one = dcmread(path)
        one.file_meta.TransferSyntaxUID = JPEG2000Lossless
        one.PixelData = encapsulate([b"no image at all " * 8])
        dcmwrite(tmp_path / path.name, one)
    job = give(page, scans(world) / "t1", tmp_path)
    text = page.get(f"/studies/{job}").text
    assert "cannot be decoded" in text
    assert 'id="planes"' not in text
    assert f'action="/studies/{job}/delete"' in text
    other = page.get(f"/studies/{job}", params={"change": 1, "t2": ""})
    assert 'id="planes"' in other.text
    standing = read(page, job)
    assert (standing["state"], "cannot be decoded" in standing["error"]) == ("failed", True)
    assert "cannot be decoded" in page.get(f"/studies/{job}").text
    page.post(f"/studies/{job}/delete", data={"sure": "yes"})
    assert page.get("/api/studies").json() == []


def test_a_box_beside_the_scan_fails_by_name_and_may_be_corrected(page, world):
    job = give(page, scans(world))
    standing = read(page, job, box="500,600,500,600,500,600")
    assert standing["state"] == "failed"
    assert "roi" in standing["error"]
    assert str(world) not in standing["error"]
    assert standing["error"].split(":")[0] in page.get(f"/studies/{job}").text
    assert read(page, job)["state"] == "done"


@pytest.mark.parametrize(
    ("asked", "status"),
    [({"box": ""}, 400), ({"box": "1,2,3"}, 400), ({"t1": "s9", "box": BOX}, 400),
     ({"t1": "s1", "t2": "s1", "box": BOX}, 400), ({"methods": ["magic"], "box": BOX}, 422),
     ({"unknown": 1}, 422)],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_at_once(page, world, asked, status):
    job = give(page, scans(world))
    answer = page.post(f"/api/studies/{job}/run", json=asked)
    assert answer.status_code == status, answer.text
    assert page.get(f"/api/studies/{job}").json()["state"] == "new"


@pytest.mark.parametrize("job", ["0" * 16, "../../etc", "%2e%2e", "0" * 15])
def test_no_other_study_and_no_other_file(page, job):
    for path in (f"/studies/{job}", f"/api/studies/{job}", f"/api/studies/{job}/report.pdf"):
        assert page.get(path).status_code in (404, 422)


@contextmanager
def held(model):
    """Within it, the process that reads studies stands still, wherever it is."""
    number = reading(model).number
    os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGCONT)


def test_cancelling_stops_at_the_next_step_and_the_queue_goes_on(page, world):
    one, two = give(page, scans(world)), give(page, scans(world, "P002"))
    with held(world / "model"):
        for job in (one, two):
            page.post(f"/api/studies/{job}/run", json={"box": BOX})
        wait_for(page, one, "running")
        assert page.get(f"/api/studies/{two}").json()["ahead"] == 1
        assert "Waiting: 1 before" in page.get(f"/studies/{two}").text
        page.post(f"/api/studies/{one}/cancel")
        assert page.get(f"/api/studies/{one}").json()["state"] == "cancelling"
    assert wait_for(page, one, "cancelled", "done")["state"] == "cancelled"
    assert wait_for(page, two, "done")["state"] == "done"
    assert page.get(f"/api/studies/{one}/result").status_code == 404


@pytest.mark.parametrize(("asked", "state"), [(False, "failed"), (True, "cancelled")])
def test_a_killed_reader_costs_its_study_alone(page, world, asked, state):
    one, two = give(page, scans(world)), give(page, scans(world, "P002"))
    with held(world / "model"):
        for job in (one, two):
            page.post(f"/api/studies/{job}/run", json={"box": BOX, "methods": ["rollout"]})
        wait_for(page, one, "running")
        if asked:
            page.post(f"/api/studies/{one}/cancel")
        before = reading(world / "model").number
        os.kill(before, signal.SIGKILL)
        found = wait_for(page, one, "failed", "cancelled", "done")
        assert found["state"] == state
        assert "Run it again" in found["error"] or asked
        assert page.get("/").status_code == 200
        assert wait_for(page, two, "done", "failed")["state"] == "done"
        assert reading(world / "model").number not in (None, before)
        os.kill(reading(world / "model").number, 0)


def test_a_full_queue_says_when_to_come_again(world, tmp_path):
    bounds = PageSettings(max_waiting=1, max_studies=2)
    with opened(world / "model", tmp_path / "s", bounds) as client:
        one, two = give(client, scans(world)), give(client, scans(world, "P002"))
        assert client.post(f"/api/studies/{one}/run", json={"box": BOX}).status_code == 202
        answer = client.post(f"/api/studies/{two}/run", json={"box": BOX})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert client.post("/api/studies", files=files_of(scans(world))).status_code == 503
        wait_for(client, one, "done")
        assert client.delete(f"/api/studies/{one}").status_code == 204
        assert client.get("/api/studies").json()[0]["id"] == two


def test_a_restart_in_the_middle_reads_to_the_same_answer(done, world, tmp_path, monkeypatch):
    client, finished, _ = done
    expected = client.get(f"/api/studies/{finished}/result").json()["probabilities"]
    with opened(world / "model", tmp_path / "s") as first:
        # the page ends as if its machine had gone: nothing is told to the database
        monkeypatch.setattr("cystgrid.page.jobs.Jobs.end", lambda *_: None)
        job = give(first, scans(world))
        first.post(f"/api/studies/{job}/run", json={"box": BOX})
        wait_for(first, job, "running")
    monkeypatch.undo()
    with opened(world / "model", tmp_path / "s") as second:
        assert wait_for(second, job, "done")["state"] == "done"
        found = second.get(f"/api/studies/{job}/result").json()
    assert found["probabilities"] == expected


def give_nifti(page, world, folder):
    """A study without a name: two scans and a mask; its id."""
    place = world / "phantoms"
    folder.mkdir()
    for name, path in (("T1.nii.gz", place / "scans/P001/t1.nii.gz"),
                       ("t2.nii.gz", place / "scans/P001/t2.nii.gz"),
                       ("mask.nii.gz", place / "truth/P001/pancreas.nii.gz")):  # fmt: skip
        (folder / name).write_bytes(path.read_bytes())
    return give(page, folder)


def test_a_name_is_kept_with_what_is_granted_alone(page, world, tmp_path):
    one, two = [give_nifti(page, world, tmp_path / name) for name in ("one", "two")]

    def ask(job, name, **asked):
        found = page.get(f"/api/studies/{job}/series").json()
        fields = {"region": "mask", **{name: found[name] for name in ("t1", "t2", "mask")}}
        told = page.post(f"/studies/{job}/run", data={**fields, "patient": name, **asked})
        return told.status_code, page.get(f"/api/studies/{job}/series").json()["patient"]

    assert ask(one, "A slip", mask="n9") == (400, "")
    assert ask(one, "A slip", methods="magic") == (422, "")
    with held(world / "model"):
        assert ask(one, "Somebody") == (200, "Somebody")
        wait_for(page, one, "running")
        page.app.state.site.jobs.queue(two, "key", {})  # by another, a moment before
        assert ask(two, "Somebody") == (409, "")
    wait_for(page, one, "done")
    wait_for(page, two, "failed", "done")


def test_what_a_killed_page_left_of_a_study_goes_with_the_next_start_and_nothing_else(
    world, tmp_path, monkeypatch
):
    place = tmp_path / "s"
    with opened(world / "model", place) as first:
        kept, removed = give(first, scans(world)), give(first, scans(world, "P002"))
        _, taken_in = first.app.state.site.jobs.begin()  # as in the middle of an upload
        (taken_in / "files").mkdir()
        (taken_in / "files/000001").write_text("half a scan")
        monkeypatch.setattr("shutil.rmtree", lambda *_, **__: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            first.app.state.site.jobs.delete(removed)
        monkeypatch.undo()
    for name in ("0123456789abcdef", "notes"):  # of somebody else
        (place / name).mkdir()
        (place / name / "scan").write_text("x")
    assert {path.name for path in place.iterdir()} >= {taken_in.name, removed}
    with opened(world / "model", place) as second:
        assert [one["id"] for one in second.get("/api/studies").json()] == [kept]
    there = {path.name for path in place.iterdir() if path.is_dir()}
    assert there == {kept, "0123456789abcdef", "notes"}
    assert (place / kept / "files").is_dir()


def test_nifti_files_and_a_mask_are_found_by_their_names(page, world, tmp_path):
    job = give_nifti(page, world, tmp_path / "nifti")
    held = page.get(f"/api/studies/{job}/series").json()
    names = {one["key"]: one["description"] for one in held["series"]}
    assert names[held["t1"]] == "T1.nii.gz"
    assert names[held["mask"]] == "mask.nii.gz"
    assert read(page, job, box="", mask=held["mask"])["state"] == "done"
    result = page.get(f"/api/studies/{job}/result").json()
    assert result["dicom"] == []
    assert "NIfTI" in result["no_dicom"]
    assert page.get(f"/api/studies/{job}/dicom.zip").status_code == 404


def test_forms_alone_do_it_too(page, world):
    """Without a script: the same as through the interface for programs."""
    sent = page.post("/studies", files=files_of(scans(world)))
    job = sent.url.path.rpartition("/")[2]
    x0, x1, y0, y1, z0, z1 = BOX.split(",")
    held = page.get(f"/api/studies/{job}/series").json()
    page.post(f"/studies/{job}/run", data={"t1": held["t1"], "t2": held["t2"], "x0": x0, "x1": x1,
              "y0": y0, "y1": y1, "z0": z0, "z1": z1, "region": "box"})  # fmt: skip
    assert wait_for(page, job, "done", "failed")["state"] == "done"
    text = page.get(f"/studies/{job}").text
    assert "The model's answer" in text.replace("&#39;", "'")
    result = page.get(f"/api/studies/{job}/result").json()
    inside = (result["calibrated"] or {"inside": []})["inside"]
    _, predicted = max(zip(result["probabilities"], result["classes"], strict=True))
    possible = [name for name in inside if name != predicted]
    told = f", and {' and '.join(possible)} cannot be ruled out</h2>"
    assert (told if possible else f"{predicted}</h2>") in text
    assert " on T1+T2 early (" in text
    assert (f"{' and '.join(possible)} not ruled out" in page.get("/").text) == bool(possible)
    assert page.post(f"/studies/{job}/delete").status_code == 422
    page.post(f"/studies/{job}/delete", data={"sure": "yes"})
    assert page.get(f"/studies/{job}").status_code == 404
