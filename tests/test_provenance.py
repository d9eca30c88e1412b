"""What was read and written: digests, atomic files."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cystgrid import provenance
from cystgrid.errors import ScanError
from cystgrid.processes import worker_count


def test_files_are_known_by_bytes_and_values_by_content(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert provenance.sha256_file(tmp_path / "a") == provenance.sha256_bytes(b"x" * 3_000_000)
    assert provenance.digest({"a": 1, "b": 2}) == provenance.digest({"b": 2, "a": 1})
    assert provenance.digest([1, 2]) != provenance.digest([2, 1])


def test_several_files_order_does_not_matter_and_names_do(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    paths = [tmp_path / "a", tmp_path / "b"]
    assert provenance.sha256_files(paths) == provenance.sha256_files(paths[::-1])
    before = provenance.sha256_files(paths)
    (tmp_path / "b").rename(tmp_path / "c")
    assert provenance.sha256_files([tmp_path / "a", tmp_path / "c"]) != before


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    provenance.write_json(path, {"a": 1})

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        provenance.write_json(path, {"a": 2})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names of open files are in /proc")
def test_bytes_are_on_disk_before_the_name_and_the_name_before_it_is_told(tmp_path, monkeypatch):
    calls = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(handle):
        calls.append(("fsync", Path(f"/proc/self/fd/{handle}").resolve().name))
        real_sync(handle)

    def replace(path, target):
        calls.append(("rename", target.name))
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    provenance.write_bytes(tmp_path / "new" / "deep" / "file", b"content")
    temporary = f".file.{os.getpid()}-{threading.get_native_id()}.tmp"
    folders = [("fsync", "new"), ("fsync", tmp_path.name)]  # the new folders' names
    assert calls == [*folders, ("fsync", temporary), ("rename", "file"), ("fsync", "deep")]


def test_two_threads_may_write_one_file_at_once(tmp_path):
    both_there = threading.Barrier(2, timeout=30)

    def pieces(letter):
        yield letter * 1000
        both_there.wait()
        yield letter * 1000

    with ThreadPoolExecutor(2) as threads:
        writes = [
            threads.submit(provenance.write_pieces, tmp_path / "file", pieces(letter), 2000)
            for letter in (b"a", b"b")
        ]
    assert [write.result() for write in writes] == [None, None]
    assert (tmp_path / "file").read_bytes() in (b"a" * 2000, b"b" * 2000)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_told_with_the_room_that_is_needed(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space .* \(1,234 bytes are needed\)") as error:
        provenance.write_bytes(tmp_path / "file", bytes(1234))
    assert error.value.filename == str(tmp_path / "file")


def test_not_a_number_is_never_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        provenance.write_json(tmp_path / "x.json", float("nan"))


def test_versions_name_what_can_change_a_number():
    assert {"python", "torch", "numpy", "cystgrid"} <= set(provenance.versions())


def test_errors_survive_the_way_back_from_a_worker():
    import pickle

    error = ScanError("file", got="a", expected="b", do="c")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ScanError
    assert str(again) == str(error) == "file: got a, expected b; c"


def test_workers_are_as_many_as_cores_carry():
    assert worker_count(3) == 3
    assert worker_count(0) == 0
    assert worker_count(None, threads=10_000) == 1
