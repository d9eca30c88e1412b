"""What no card records is on record in SHA256SUMS, which coreutils reads."""

import shutil
import subprocess

import pytest
from filelock import FileLock

from cystgrid.checksums import (
    SUMS,
    check_recorded,
    forget_sums,
    put_on_record,
    read_sums,
    record_sums,
    rewritten,
)
from cystgrid.errors import StoreError
from cystgrid.locking import is_locked


@pytest.fixture
def folder(tmp_path):
    for name in ("a.csv", "tables/t 1.csv", "figures/f.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    record_sums(tmp_path, [path for path in tmp_path.rglob("*") if path.is_file()])
    return tmp_path


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no coreutils here")
def test_coreutils_agree(folder):
    def agrees():
        command = ["sha256sum", "--check", "--strict", SUMS]
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0

    assert agrees()
    (folder / "a.csv").write_text("other")
    assert not agrees()


def test_no_bit_of_the_record_can_be_flipped(folder):
    path = folder / SUMS
    good = path.read_bytes()
    for place in range(0, 8 * len(good), 5):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        with pytest.raises(StoreError, match="altered"):
            read_sums(folder)


def test_a_file_is_checked_only_where_it_is_on_record(folder):
    check_recorded(folder / "a.csv")
    (folder / "a.csv").write_text("other")
    with pytest.raises(StoreError, match=r"a\.csv: got sha256"):
        check_recorded(folder / "a.csv")
    forget_sums(folder)
    check_recorded(folder / "a.csv")


def test_tables_made_anew_are_on_record_afterwards_and_not_while_they_are_made(folder):
    before = read_sums(folder)
    with rewritten(folder, ("tables",)) as made:
        assert sorted(read_sums(folder)) == ["a.csv", "figures/f.png"]
        (folder / "tables/new.csv").write_text("new")
        made.append(folder / "tables/new.csv")
    assert sorted(read_sums(folder)) == sorted([*before, "tables/new.csv"])


def test_a_table_that_is_removed_goes_off_record_and_one_that_is_lost_does_not(folder):
    (folder / "figures/f.png").unlink()
    with rewritten(folder, ("tables", "figures")) as made:
        (folder / "tables/t 1.csv").unlink()
        made.append(folder / "tables/t 1.csv")
    assert sorted(read_sums(folder)) == ["a.csv", "figures/f.png"]


def test_nothing_is_put_on_record_where_nothing_was(tmp_path):
    with rewritten(tmp_path, ("tables",)) as made:
        (tmp_path / "a").write_text("a")
        made.append(tmp_path / "a")
    assert not (tmp_path / SUMS).exists()


def test_a_page_goes_on_record_when_it_is_whole_and_nobody_else_writes_meanwhile(folder, tmp_path):
    page, before = folder / "report.html", read_sums(folder)
    for text in ("first", "second"):
        with put_on_record(folder, [page, tmp_path.parent / "elsewhere.html"]) as told:
            assert is_locked(folder) and read_sums(folder) == before
            page.write_text(text)
        assert not told and not is_locked(folder)
        check_recorded(page)
        assert read_sums(folder).keys() == {*before, "report.html"}


def test_a_folder_that_is_not_finished_gets_no_record_and_that_is_said(folder):
    forget_sums(folder)
    with put_on_record(folder, [folder / "tables/new.csv"]) as told:
        (folder / "tables/new.csv").write_text("new")
    assert told == [
        f"note: not on the record of {folder} (its {SUMS}): tables/new.csv; the run is not finished"
    ]
    assert not (folder / SUMS).exists()


def test_a_command_at_work_is_not_disturbed_and_that_is_said(folder):
    before = (folder / SUMS).read_bytes()
    with FileLock(folder / ".lock"):
        with put_on_record(folder, [folder / "report.html"]) as told:
            (folder / "report.html").write_text("page")
        assert "report.html; another command is writing into it" in told[0]
        with (
            pytest.raises(StoreError, match="another process writes into"),
            put_on_record(folder, [folder / "a.csv"]),
        ):
            raise AssertionError("its record would be false")
    assert (folder / SUMS).read_bytes() == before


def test_what_lies_elsewhere_leaves_the_folder_alone(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with put_on_record(folder, [folder.parent / "elsewhere.html"]) as told:
        pass
    assert not told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
