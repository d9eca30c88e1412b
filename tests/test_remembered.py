"""A file's sha256 is worked out once a process, and yet no change is missed."""

import os

import pytest

from cystgrid import provenance
from cystgrid.provenance import remembered_sha256, sha256_bytes

LONG_AGO = 1_600_000_000


@pytest.fixture
def counted(monkeypatch):
    """Names of the files that were read."""
    read = []
    genuine = provenance.sha256_file

    def counting(path):
        read.append(path.name)
        return genuine(path)

    monkeypatch.setattr(provenance, "sha256_file", counting)
    return read


def settle(monkeypatch):
    """Let a minute pass: the inode's own time cannot be set back."""
    genuine = provenance.time.time
    monkeypatch.setattr(provenance.time, "time", lambda: genuine() + 60)


def test_a_settled_file_is_read_once(tmp_path, counted, monkeypatch):
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert {remembered_sha256(path) for _ in range(3)} == {sha256_bytes(b"one")}
    assert counted == ["a"]


@pytest.mark.parametrize("settled", [False, True])
def test_a_change_of_the_same_size_is_seen(tmp_path, settled, monkeypatch):
    if settled:
        settle(monkeypatch)
    path = tmp_path / "a"
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))  # a copy may bring its old time along
        assert remembered_sha256(path) == sha256_bytes(content)


def test_a_file_in_its_place_is_seen(tmp_path, monkeypatch):
    settle(monkeypatch)
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    assert remembered_sha256(path) == sha256_bytes(b"one")
    other.replace(path)
    assert remembered_sha256(path) == sha256_bytes(b"two")


def test_a_file_just_written_is_read_each_time(tmp_path, counted):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    for _ in range(2):
        remembered_sha256(path)
    assert counted == ["a", "a"]
