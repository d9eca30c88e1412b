"""What a browser sends: bounded, under names of ours, and nothing of it outside its folder."""

import io
import stat
import zipfile

import pytest

from cystgrid.errors import ScanError
from cystgrid.page.settings import PageSettings
from cystgrid.page.uploads import Unpacking


def unpacking(folder, **bounds):
    folder.mkdir(exist_ok=True)
    return Unpacking(folder, PageSettings(**bounds))


def archive(*members, compression=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as made:
        for member, data in members:
            made.writestr(member, data)
    content.seek(0)
    return content


def written(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_and_archives_become_numbered_files(tmp_path):
    taking = unpacking(tmp_path / "files")
    taking.take("Jane Doe T1.nii.gz", io.BytesIO(b"one"))
    taking.take("export.zip", archive(("a/b/IM0001", b"two"), ("a/t2.NII", b"three"), ("c/", b"")))
    assert written(tmp_path) == {
        "000001.nii.gz": b"one", "000002": b"two", "000003.nii": b"three",
    }  # fmt: skip
    assert taking.names["000001.nii.gz"] == "Jane Doe T1.nii.gz"


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../out", "..\\out", "C:\\out"])
def test_a_member_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(ScanError, match="leads out"):
        unpacking(tmp_path / "files").take("a.zip", archive((name, b"x")))
    assert written(tmp_path) == {}


@pytest.mark.parametrize("name", ["../../out.nii", "/etc/out.nii", "..\\..\\out.nii"])
def test_a_files_own_name_is_no_path(tmp_path, name):
    unpacking(tmp_path / "files").take(name, io.BytesIO(b"x"))
    assert list(written(tmp_path)) == ["000001.nii"]


def test_links_and_encrypted_members_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ScanError, match="link"):
        unpacking(tmp_path / "files").take("a.zip", archive((link, b"/etc/passwd")))
    content = bytearray(archive(("a", b"x"), compression=zipfile.ZIP_STORED).getvalue())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    with pytest.raises(ScanError, match="encrypted"):
        unpacking(tmp_path / "files").take("a.zip", io.BytesIO(bytes(content)))


def test_a_bomb_is_stopped_by_what_comes_out(tmp_path):
    """20 MB of zeros pack to 20 kB; the stated size is not asked."""
    bomb = archive(("zeros", bytes(20_000_000)))
    assert len(bomb.getvalue()) < 50_000
    with pytest.raises(ScanError, match="MiB"):
        unpacking(tmp_path / "files", max_unpacked_bytes=2_000_000).take("a.zip", bomb)
    assert sum(map(len, written(tmp_path).values())) <= 2_000_000


def test_too_many_files_are_refused_however_they_come(tmp_path):
    many = [(f"{number}", b"") for number in range(6)]
    with pytest.raises(ScanError, match="5 files"):
        unpacking(tmp_path / "files", max_files=5).take("a.zip", archive(*many))


def test_a_damaged_archive_is_refused(tmp_path):
    content = bytearray(archive(("a", bytes(range(256)) * 20)).getvalue())
    content[60] ^= 255
    with pytest.raises(ScanError, match="damaged"):
        unpacking(tmp_path / "files").take("a.zip", io.BytesIO(bytes(content)))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_damage_is_damage_however_it_was_packed(tmp_path, compression):
    content = bytearray(archive(("a", bytes(range(256)) * 40), compression=compression).getvalue())
    content[40:60] = b"\xff" * 20  # in the member's own bytes
    (tmp_path / "files").mkdir()
    with pytest.raises(ScanError, match="damaged or unusual zip archive"):
        unpacking(tmp_path / "files").take("a.zip", io.BytesIO(bytes(content)))
