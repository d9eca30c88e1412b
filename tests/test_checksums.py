"""What no card records is on record in SHA256SUMS, which coreutils reads."""

import shutil
import subprocess

import pytest

from cystgrid.checksums import SUMS, check_recorded, forget_sums, read_sums, record_sums, rewritten
from cystgrid.errors import StoreError


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


def test_nothing_is_put_on_record_where_nothing_was(tmp_path):
    with rewritten(tmp_path, ("tables",)) as made:
        (tmp_path / "a").write_text("a")
        made.append(tmp_path / "a")
    assert not (tmp_path / SUMS).exists()
