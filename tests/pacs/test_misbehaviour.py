"""Archives that break off, lie, stall or forget: an error or another try, never half a study."""

import logging
import socket
import struct
import threading
import time

import pytest
from pydicom import dcmread

from cystgrid.errors import ArchiveDownError, ArchiveError
from cystgrid.pacs.archive import Archive
from cystgrid.pacs.dimse import Dimse
from cystgrid.pacs.patience import Patience, patiently
from cystgrid.pacs.rows import Query
from cystgrid.pacs.settings import DimseSettings
from pacs.fake_archive import FakeArchive
from pacs.orthanc import free_port
from pacs.test_archive import write_study

PATIENCE = Patience(
    connect_seconds=2, answer_seconds=2, attempts=3, first_wait_seconds=0, longest_wait_seconds=0
)


def to(port):
    settings = DimseSettings(host="127.0.0.1", port=port, called="FAKE")
    return Archive(Dimse(settings, PATIENCE), PATIENCE, time.sleep)


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "theirs")


@pytest.fixture
def files(study, tmp_path):
    return sorted((tmp_path / "theirs").glob("*.dcm"))


def test_an_association_aborted_in_mid_transfer_goes_on_behind_what_came(study, files, tmp_path):
    with FakeArchive(files, aborts=2).running() as fake:
        came = []
        folder = to(fake.port).fetch(study, tmp_path / "new", came.append)
    assert sum(came) == len(list(folder.rglob("*.dcm"))) == 6  # none came twice
    assert fake.aborts == 0


def test_a_study_that_never_comes_whole_has_no_folder_of_its_name(study, files, tmp_path):
    with (
        FakeArchive(files, aborts=99, after=0).running() as fake,
        pytest.raises(ArchiveDownError, match="3 times in a row"),
    ):
        to(fake.port).fetch(study, tmp_path / "new")
    assert not (tmp_path / "new" / study).exists()


def test_a_transfer_that_is_broken_off_in_sending_stores_each_once_in_the_end(tmp_path, files):
    write_study(tmp_path / "ours", "2")
    with FakeArchive(list(files), aborts=1, after=2).running() as fake:
        report = to(fake.port).send([tmp_path / "ours"])
    assert len(report.stored) == 6
    there = [dcmread(path).SOPInstanceUID for path in fake.files]
    assert len(there) == len(set(there)) == 12


def test_what_the_archive_takes_and_forgets_is_not_called_stored(tmp_path, files):
    write_study(tmp_path / "ours", "2")
    with (
        FakeArchive(list(files), forgets=True).running() as fake,
        pytest.raises(ArchiveDownError, match="6 of 6 stored objects not listed"),
    ):
        to(fake.port).send([tmp_path / "ours"])


@pytest.mark.parametrize(("status", "kind"), [(0xC000, ArchiveError), (0xA702, ArchiveDownError)])
def test_a_failed_get_is_a_clear_error(study, files, tmp_path, status, kind):
    with (
        FakeArchive(files, get_status=status).running() as fake,
        pytest.raises(ArchiveError, match=f"status {status:04X} for series") as error,
    ):
        to(fake.port).fetch(study, tmp_path / "new")
    assert type(error.value) is kind


@pytest.mark.parametrize("status", [0xC000, 0x0124])
def test_a_refused_store_is_a_clear_error(tmp_path, files, status):
    write_study(tmp_path / "ours", "2")
    with (
        FakeArchive(list(files), store_status=status).running() as fake,
        pytest.raises(ArchiveError, match=f"status {status:04X} for instance"),
    ):
        to(fake.port).send([tmp_path / "ours"])
    assert len(fake.stored) == 1


def without_uid(one):
    del one.SeriesInstanceUID


def of_another_study(one):
    one.StudyInstanceUID = "1.2.3"


@pytest.mark.parametrize(
    ("edit", "told"),
    [(without_uid, "without SeriesInstanceUID"), (of_another_study, "did not list there")],
)
def test_an_instance_that_is_another_is_a_clear_error(study, files, tmp_path, edit, told):
    with FakeArchive(files, edit=edit).running() as fake, pytest.raises(ArchiveError, match=told):
        to(fake.port).fetch(study, tmp_path / "new")
    assert list(tmp_path.glob("new/**/*.dcm")) == []


def test_an_answer_without_a_uid_is_a_clear_error(study, files, tmp_path):
    def edit(answer, level):
        if level == "IMAGE":
            answer.SOPInstanceUID = ""

    with (
        FakeArchive(files, edit_answer=edit).running() as fake,
        pytest.raises(ArchiveError, match="an instance without SOPInstanceUID"),
    ):
        to(fake.port).fetch(study, tmp_path / "new")


def listening(answer):
    """A server that answers one connection after another by ``answer``; returns its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    return server


def huge_pdu(connection):
    """An A-ASSOCIATE-AC that says it is 4 GB long, of which a little comes."""
    connection.recv(4096)
    connection.sendall(struct.pack(">BBL", 2, 0, 0xFFFFFFFF) + bytes(100))
    connection.close()


def no_dicom(connection):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.close()


def silent(connection):
    connection.recv(4096)


@pytest.mark.parametrize("answer", [huge_pdu, no_dicom, silent])
def test_a_port_where_no_archive_speaks_is_given_up_in_time(answer):
    server = listening(answer)
    begun = time.monotonic()
    with pytest.raises(ArchiveDownError):
        to(server.getsockname()[1]).find(Query())
    assert time.monotonic() - begun < 20
    server.close()


def test_an_archive_that_is_not_there_is_a_clear_error():
    with pytest.raises(ArchiveDownError, match="firewall"):
        to(free_port()).find(Query())


def test_waits_grow_up_to_the_longest_and_progress_begins_them_anew():
    patience = Patience(attempts=4, first_wait_seconds=1, longest_wait_seconds=3)
    waited, done = [], [0]

    def step():
        if len(waited) == 2:
            done[0] += 1
        raise ArchiveDownError("a", got="b", expected="c", do="d")

    with pytest.raises(ArchiveDownError, match="4 times in a row"):
        patiently(step, patience, done=lambda: done[0], sleep=waited.append)
    assert waited[:2] == [1, 2]
    assert waited[-1] == 3


def test_what_waiting_cannot_mend_is_not_waited_for():
    def step():
        raise ArchiveError("a", got="b", expected="c", do="d")

    with pytest.raises(ArchiveError):
        patiently(step, Patience(), sleep=lambda _: pytest.fail("waited"))


def test_nobody_is_named_in_what_is_logged(study, files, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with FakeArchive(files).running() as fake:
        to(fake.port).fetch(study, tmp_path / "new")
        to(fake.port).find(Query(patient="Quimby-A"))
    assert "Quimby" not in caplog.text
