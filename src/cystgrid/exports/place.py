"""The folder of an export: written beside its place, then put there whole.

The older export stays until the new one lies there. A command that is killed between the two leaves
it beside, from where the next one puts it back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cystgrid.errors import StoreError
from cystgrid.locking import sole_writer
from cystgrid.provenance import refuse_other_kind, sync_folder, sync_tree

RECORD = "export.json"
"""In the folder: what it is, and the sha256 of every other file."""


BESIDE = ".{}.export"
"""Beside a folder of this name while it is written: a lock, the new export, then the old one."""

NEW, OLD = "new", "old"


@contextmanager
def new_place(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``folder`` if all goes well, and is gone else.

    Args:
        folder: of the export; an older export there gives way.

    Raises:
        StoreError: something else lies there, or another process exports to it.
    """
    place = folder.resolve()
    with _alone(folder, place) as beside:
        _clear(place, beside)
        refuse_others(folder)
        (beside / NEW).mkdir()
        try:
            yield beside / NEW
            _exchange(place, beside)
        finally:
            _clear(place, beside)


@contextmanager
def _alone(folder: Path, place: Path) -> Iterator[Path]:
    """The folder beside a place, in which no other process writes meanwhile."""
    beside = place.with_name(BESIDE.format(place.name))
    with ExitStack() as held:
        try:
            held.enter_context(sole_writer(beside))
        except StoreError as error:  # a user knows nothing of the folder beside
            raise StoreError(folder, got=error.got, expected=error.expected, do=error.do) from error
        yield beside


def _exchange(place: Path, beside: Path) -> None:
    """Put the new export in its place; an older one goes aside, and is not deleted yet."""
    sync_tree(beside / NEW)
    if place.exists():
        place.rename(beside / OLD)
    (beside / NEW).rename(place)
    for each in (place.parent, beside):
        sync_folder(each)


def _clear(place: Path, beside: Path) -> None:
    """Put back an older export whose place is empty, and take away what else lies beside."""
    if (beside / OLD).exists() and not place.exists():
        (beside / OLD).rename(place)
        for each in (place.parent, beside):
            sync_folder(each)
    for name in (NEW, OLD):
        if (beside / name).exists():
            shutil.rmtree(beside / name)


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
