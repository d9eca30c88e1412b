"""One Orthanc for all tests of the archive; emptied before each."""

import pytest

from cystgrid.pacs.archive import open_archive
from cystgrid.pacs.settings import PacsSettings
from pacs.orthanc import INSTALLED, MISSING, PASSWORD, PASSWORD_ENV, Orthanc

PROTOCOLS = ("dicomweb", "dimse")


@pytest.fixture(scope="session")
def running_orthanc(tmp_path_factory):
    if not INSTALLED:
        pytest.skip(MISSING)
    orthanc = Orthanc(tmp_path_factory.mktemp("orthanc")).start()
    yield orthanc
    orthanc.stop()


@pytest.fixture
def orthanc(running_orthanc, monkeypatch):
    monkeypatch.setenv(PASSWORD_ENV, PASSWORD)
    running_orthanc.clear()
    return running_orthanc


@pytest.fixture(params=PROTOCOLS)
def protocol(request):
    return request.param


@pytest.fixture
def archive(orthanc, protocol, tmp_path):
    return open_archive(PacsSettings.read(orthanc.settings(tmp_path, protocol)))
