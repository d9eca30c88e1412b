"""What a browser sends, as numbered files in one folder: bounded; no name of theirs is a path."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cystgrid.errors import ScanError
from cystgrid.page.settings import PageSettings
from cystgrid.scans.nifti import SUFFIXES

PIECE = 2**20
ZIP_MAGIC = b"PK\x03\x04"
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
    UnicodeDecodeError,
)  # fmt: skip
"""What reading a damaged or unusual archive ends in."""

LONGEST_NAME = 120
"""Characters of a file's name that are kept, to be shown."""

UPLOAD = "the upload"
"""What messages call it: names of files may be names of persons."""


@dataclass
class Unpacking:
    """Files written so far, under numbers of our own.

    Attributes:
        folder: where they lie.
        settings: how many and how large they may be together.
        names: what each was called, to be shown.
    """

    folder: Path
    settings: PageSettings
    names: dict[str, str] = field(default_factory=dict)
    _bytes: int = 0

    def take(self, name: str, stream: BinaryIO) -> None:
        """Take one file of the browser's, or every file of an archive.

        Raises:
            ScanError: too many, too large, or an archive that is not to be trusted.
        """
        head = stream.read(len(ZIP_MAGIC))
        stream.seek(0)
        if head != ZIP_MAGIC:
            self._write(name, iter(lambda: stream.read(PIECE), b""))
            return
        try:
            with zipfile.ZipFile(stream) as archive:
                members = _checked(archive.infolist())
                for member in members:
                    with archive.open(member) as content:
                        self._write(member.filename, _pieces(content))
        except DAMAGED as error:
            raise _damaged() from error
        except OSError as error:
            if error.errno is None:  # bz2's word for damage; a full disk has its number
                raise _damaged() from error
            raise

    def _write(self, name: str, pieces: Iterable[bytes]) -> None:
        if len(self.names) >= self.settings.max_files:
            raise _too_much(f"more than {self.settings.max_files} files")
        number = f"{len(self.names) + 1:06d}{_suffix(name)}"
        self.names[number] = PurePosixPath(name.replace("\\", "/")).name[-LONGEST_NAME:]
        with (self.folder / number).open("xb") as file:
            for piece in pieces:
                self._bytes += len(piece)
                if self._bytes > self.settings.max_unpacked_bytes:
                    raise _too_much(f"over {self.settings.max_unpacked_bytes / 2**20:.0f} MiB")
                file.write(piece)


def _damaged() -> ScanError:
    return ScanError(
        UPLOAD, got="a damaged or unusual zip archive", expected="a plain zip archive",
        do="make it again, or drop the folder itself",
    )  # fmt: skip


def _pieces(content: object) -> Iterator[bytes]:
    read = content.read  # type: ignore[attr-defined]
    return iter(lambda: read(PIECE), b"")


def _checked(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The archive's files.

    Raises:
        ScanError: a member that leads out of the archive, a link, or one that is encrypted. Names
            are never used as paths; an archive with such members is not what a scanner wrote.
    """
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if member.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise _distrusted("a file whose name leads out of it")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _distrusted("a link or device")
        if member.flag_bits & 1:
            raise _distrusted("an encrypted file")
    return [member for member in members if not member.is_dir()]


def _distrusted(what: str) -> ScanError:
    return ScanError(
        UPLOAD, got=f"a zip archive with {what}", expected="plain files",
        do="drop the folder itself",
    )  # fmt: skip


def _too_much(what: str) -> ScanError:
    return ScanError(
        UPLOAD, got=what, expected="the scans of one study", do="drop the T1 and T2 series alone"
    )


def _suffix(name: str) -> str:
    lower = name.lower()
    return next((suffix for suffix in sorted(SUFFIXES, reverse=True) if lower.endswith(suffix)), "")
