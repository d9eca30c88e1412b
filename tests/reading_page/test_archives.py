"""A study out of a real archive onto the page, its answer back into the archive."""

import pytest
from starlette.testclient import TestClient

from cystgrid.pacs.archive import open_archive
from cystgrid.pacs.settings import PacsSettings
from cystgrid.page.settings import PageSettings
from pacs.conftest import orthanc, running_orthanc  # noqa: F401 (fixtures)
from reading_page.conftest import HOST, TOKEN, app_of, give, opened, read


@pytest.fixture
def page_of(orthanc, world, tmp_path):  # noqa: F811
    """Makes a client of a page beside an archive that holds P001's study."""
    archive = open_archive(PacsSettings.read(orthanc.settings(tmp_path, "dicomweb")))
    archive.send(sorted((world / "new/scans/P001").rglob("*.dcm")))

    def make(settings=None):
        app = app_of(world / "model", tmp_path / "studies", settings, archive)
        headers = {"Origin": f"http://{HOST}", "Authorization": f"Bearer {TOKEN}"}
        return TestClient(app, base_url=f"http://{HOST}", headers=headers)

    return archive, make


def study_of(client):
    """The UID of the one study that the page lists."""
    text = client.get("/archive").text
    assert text.count('name="study"') == 1
    return text.split('name="study" value="')[1].split('"')[0]


def test_a_study_is_taken_read_and_its_results_are_sent_once(page_of, world, tmp_path):
    archive, make = page_of
    with make() as client:
        assert "take one from the archive" in client.get("/").text
        study = study_of(client)
        before = len(archive.instances(study))
        taken = client.post("/archive", data={"study": study})
        job = taken.url.path.rpartition("/")[2]
        assert read(client, job)["state"] == "done"
        found = client.get(f"/api/studies/{job}/result").json()
        sent = client.post(f"/studies/{job}/send")
        assert f"stored {len(found['dicom'])} objects; 0 were there" in sent.text
        again = client.post(f"/studies/{job}/send")
        assert f"stored 0 objects; {len(found['dicom'])} were there" in again.text
        assert len(archive.instances(study)) == before + len(found["dicom"])
        assert "No study" in client.get("/archive", params={"patient": "nobody"}).text
    with opened(world / "model", tmp_path / "dropped") as client:
        job = give(client, world / "new/scans/P001")
        read(client, job)
        dropped = client.get(f"/api/studies/{job}/result").json()
    assert dropped["probabilities"] == found["probabilities"]


BOUNDS = {"at most 3": {"max_files": 3}, "over 100,000 bytes": {"max_unpacked_bytes": 100_000}}


@pytest.mark.parametrize("told", BOUNDS)
def test_a_study_that_is_too_large_or_unknown_leaves_nothing(page_of, tmp_path, told):
    _, make = page_of
    with make(PageSettings(**BOUNDS[told])) as client:
        large = client.post("/archive", data={"study": study_of(client)})
        assert (large.status_code, told in large.text) == (400, True)
        unknown = client.post("/archive", data={"study": "1.2.3"})
        assert unknown.status_code == 400
        assert [path for path in (tmp_path / "studies").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("study", ["../../x", "1.2/../3", "", "1" * 65])
def test_nothing_but_a_uid_is_asked_for(page_of, monkeypatch, study):
    archive, make = page_of
    monkeypatch.setattr(archive.connection, "instances", lambda uid: pytest.fail(f"{uid!r} asked"))
    with make() as client:
        assert client.post("/archive", data={"study": study}).status_code in (400, 422)


def test_an_archive_that_is_down_is_told_in_a_sentence(page_of, orthanc):  # noqa: F811
    _, make = page_of
    with make() as client:
        orthanc.stop()
        try:
            answer = client.get("/archive")
        finally:
            orthanc.start()
        assert answer.status_code == 503
        assert "archive" in answer.text


def test_without_an_archive_there_is_nothing_to_take(world, tmp_path):
    with opened(world / "model", tmp_path / "studies") as client:
        assert client.get("/archive").status_code == 404
        assert "take one from the archive" not in client.get("/").text
