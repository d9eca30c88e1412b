"""The folder of an export: written beside its place, then put there whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cystgrid.errors import StoreError
from cystgrid.provenance import refuse_other_kind

RECORD = "export.json"
"""In the folder: what it is, and the sha256 of every other file."""


@contextmanager
def new_place(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` if all goes well, and is gone else.

    Args:
        folder: of the export; an older export there gives way.

    Raises:
        StoreError: something else lies there.
    """
    refuse_others(folder)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def refuse_others(folder: Path) -> None:
    """Refuse a folder that holds what no export of ours put there.

    Raises:
        StoreError: naming what lies there.
    """
    refuse_other_kind(folder, RECORD)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise _other(folder, "a file")
    known = {RECORD, *_recorded(folder / RECORD)}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known:
            raise _other(folder, f"a folder that holds {name}")


def _recorded(path: Path) -> list[str]:
    try:
        return list(json.loads(path.read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _other(folder: Path, got: str) -> StoreError:
    return StoreError(
        folder,
        got=got,
        expected="a new folder, or an export that may be replaced",
        do="choose another folder",
    )
