"""What was read and what wrote it: sha256, atomic files, versions."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cystgrid.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

NOTICE = "Research use only. Not for clinical decisions."
"""Stands in every output that shows a prediction."""

RECORDED_PACKAGES = (
    "cystgrid", "torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pandas",
    "SimpleITK", "nibabel", "pydicom", "highdicom", "safetensors", "monai", "skops", "optuna",
)  # fmt: skip
READ_BYTES = 1 << 20
MARKED_BYTES = 1 << 12
"""In which a file's mark stands."""

SETTLED_SECONDS = 2.0
"""Since a file's last change, after which another change has another time: FAT counts in 2 s."""

_Stamp = tuple[int, int, int, int]
_remembered: dict[str, tuple[_Stamp, str]] = {}


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(READ_BYTES):
            state.update(piece)
    return state.hexdigest()


def remembered_sha256(path: Path) -> str:
    """``sha256_file``, worked out once in this process for a file that stays as it is.

    A file is read again when its inode, size, or time of change is another, or when it was changed
    so lately that a further change might bear the same time.
    """
    stamp = _stamp(path)
    known = _remembered.get(str(path))
    if known is not None and known[0] == stamp:
        return known[1]
    asked = time.time()
    found = sha256_file(path)
    if asked - max(stamp[2], stamp[3]) / 1e9 > SETTLED_SECONDS:
        _remembered[str(path)] = stamp, found
    return found


def _stamp(path: Path) -> _Stamp:
    """What tells one state of a file from the next: inode, size, and both times of change."""
    now = path.stat()
    return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def sha256_files(paths: Iterable[Path]) -> str:
    """Hex sha256 over several files' names and contents, in sorted order of name."""
    state = hashlib.sha256()
    for path in sorted(paths):
        state.update(f"{path.name}\0{sha256_file(path)}\n".encode())
    return state.hexdigest()


def sha256_bytes(content: bytes) -> str:
    """Hex sha256 of ``content``."""
    return hashlib.sha256(content).hexdigest()


def digest(value: Any) -> str:
    """Hex sha256 of a JSON-able value; key order does not matter."""
    return sha256_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write so that a reader sees the old file or the whole new one (see ``write_pieces``)."""
    write_pieces(path, [content], len(content))


def write_pieces(path: Path, pieces: Iterable[Buffer], size: int) -> None:
    """Write a file piece by piece; its name has the old bytes or all of the new ones.

    A temporary file, fsync, a rename, fsync of the folder.

    Args:
        path: of the file; the folder is made if need be.
        pieces: of its bytes, each made when its turn comes.
        size: of all.

    Raises:
        StoreError: something lies there that is no regular file (a folder, a device).
        OSError: the system refuses it; its ``filename`` is ``path``, and of a full disk it says how
            much room the file needs.
    """
    if path.exists() and not path.is_file():
        raise StoreError(
            path, got="something that is no file", expected="a file's name", do="choose another"
        )
    writer = f"{os.getpid()}-{threading.get_native_id()}"  # threads may write the same file at once
    temporary = path.with_name(f".{path.name}.{writer}.tmp")
    try:
        _make_folder(path.parent)
        with temporary.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:  # the temporary file's name would say nothing to a user
        _forget(temporary)
        raise OSError(error.errno, _told(error, size), str(path)) from error
    except BaseException:
        _forget(temporary)
        raise


def _told(error: OSError, size: int) -> str:
    """What the system said, and of a full disk how much room was wanted."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{error.strerror} ({size:,} bytes are needed)" if full else str(error.strerror)


def _forget(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def refuse_others_file(path: Path, mark: str, do: str) -> None:
    """Refuse to replace a file that cystgrid did not write.

    Args:
        path: about to be written.
        mark: text among the first bytes of every file of this kind that cystgrid writes.
        do: what the user can do about it.

    Raises:
        StoreError: something else lies there.
    """
    if not path.exists():
        return
    head = b""
    if path.is_file():
        with path.open("rb") as stream:
            head = stream.read(MARKED_BYTES)
    if mark.encode() not in head:
        raise StoreError(
            path,
            got="something that cystgrid did not write",
            expected="a new file, or one of this kind",
            do=do,
        )


KINDS = {
    "run.json": "a run",
    "prepared.json": "prepared patients",
    "model.json": "a model",
    "predictions.json": "answers for patients",
    "explanations.json": "explanations for patients",
    "start.json": "a pretrained start",
    "export.json": "a model for other software",
}
"""What a folder of ours holds, by the file that names it."""


def refuse_other_kind(folder: Path, own: str) -> None:
    """Refuse to write into a folder that already holds something else of ours.

    Args:
        folder: about to be written into.
        own: a key of ``KINDS``.

    Raises:
        StoreError: naming what it holds.
    """
    for name, what in KINDS.items():
        if name != own and (folder / name).exists():
            raise StoreError(
                folder,
                got=f"a folder that holds {what}",
                expected=f"a new folder, or one of {KINDS[own]}",
                do="choose another folder",
            )


def _make_folder(folder: Path) -> None:
    """Make a folder, and those that it lies in, and have them survive a power cut."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_tree(folder: Path) -> None:
    """Have a folder and everything in it survive a power cut."""
    for place, _, names in os.walk(folder):
        for name in names:
            with (Path(place) / name).open("rb+") as stream:
                os.fsync(stream.fileno())
        sync_folder(Path(place))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """``write_bytes`` of UTF-8 text; line ends are written as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """``write_bytes`` of ``json_text``."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Indented JSON; NaN is refused."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that can change a number."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
