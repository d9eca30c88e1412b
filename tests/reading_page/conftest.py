"""A small model behind the page, and a way to talk to it that a browser would have."""

import time
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from cystgrid.page.app import page_app
from model_on_disk import write_small_model
from reading_page.live import reading

HOST = "127.0.0.1:8765"
TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """``model`` and ``new/scans/P00N/{t1,t2}`` in DICOM."""
    folder = tmp_path_factory.mktemp("page")
    write_small_model(folder)
    return folder


def app_of(model, studies, settings=None, archive=None):
    """The page's application."""
    return page_app(reading(model), studies, TOKEN, frozenset([HOST]), settings, archive)


@contextmanager
def opened(model, studies, settings=None):
    """The page as a browser sees it that has opened the printed link."""
    app = app_of(model, studies, settings)
    headers = {"Origin": f"http://{HOST}"}
    with TestClient(app, base_url=f"http://{HOST}", headers=headers) as client:
        client.get("/", params={"token": TOKEN})
        yield client


@pytest.fixture
def page(world, tmp_path):
    with opened(world / "model", tmp_path / "studies") as client:
        yield client


def files_of(*folders):
    """A form's files, named as a browser names those of a folder: without it."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [("files", (path.name, path.read_bytes())) for path in paths]


def give(client, *folders):
    """Upload; the study's id."""
    answer = client.post("/api/studies", files=files_of(*folders))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def wait_for(client, job, *states, seconds=300):
    """Until it stands in one of some states; its standing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        standing = client.get(f"/api/studies/{job}").json()
        if standing["state"] in states:
            return standing
        time.sleep(0.05)
    raise AssertionError(standing)


BOX = "-60,60,-50,40,-40,30"


def read(client, job, **asked):
    """Ask for a reading and wait for its end; the standing."""
    answer = client.post(f"/api/studies/{job}/run", json={"box": BOX, **asked})
    assert answer.status_code == 202, answer.text
    return wait_for(client, job, "done", "failed", "cancelled")
