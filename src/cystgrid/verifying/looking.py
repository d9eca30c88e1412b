"""Looks at a folder's files one by one; reads only, and follows no link that leads out of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from cystgrid.checksums import SUMS, check_sum, read_sums
from cystgrid.errors import StoreError
from cystgrid.locking import HALF_WRITTEN, LOCK
from cystgrid.progress import Advance
from cystgrid.verifying.findings import Finding, State

OURS = "cystgrid did not record it"
LINK = "a link that leads out of the folder; not followed"


class Look:
    """One pass over a folder; gathers what was found.

    Attributes:
        folder: looked at.
        locked: whether a process is writing into it.
        findings: so far.
    """

    def __init__(self, folder: Path, *, locked: bool, advance: Advance) -> None:
        self.folder, self.locked, self._advance = folder, locked, advance
        self.findings: list[Finding] = []
        self._seen: set[str] = set()

    def file(self, name: str, sha256: str, artefact: str, cost: str) -> bool:
        """Check a file by the sha256 on record; returns whether it is sound."""
        return self.checked(name, lambda path: check_sum(path, sha256), artefact, cost) is not None

    def checked(
        self, name: str, read: Callable[[Path], Any], artefact: str, cost: str
    ) -> Any | None:
        """Have ``read`` read a file and judge it.

        Args:
            name: path within the folder.
            read: given the path; raises StoreError or OSError where it is not sound.
            artefact: what the file belongs to.
            cost: of its loss.

        Returns:
            What it read, True for nothing; None where the file is not sound.
        """
        self._seen.add(name)
        self._advance(1)
        fault = self._unreadable(name)
        if fault is None:
            try:
                found = read(self.folder / name)
            except StoreError as error:
                fault = State.DAMAGED, f"{error.got}, expected {error.expected}"
            except OSError as error:
                fault = State.DAMAGED, str(error.strerror)
            except (KeyError, TypeError, ValueError):
                fault = State.DAMAGED, "a record of another form"
            else:
                self.findings.append(Finding(artefact, name, State.SOUND))
                return True if found is None else found
        self.findings.append(Finding(artefact, name, *fault, cost))
        return None

    def _unreadable(self, name: str) -> tuple[State, str] | None:
        """Why a file is not even opened."""
        path = self.folder / name
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            return State.DAMAGED, "a name that leads out of the folder"
        if not self._within(path):
            return State.DAMAGED, LINK
        if path.is_file():
            return None
        if path.exists():
            return State.DAMAGED, "something that is no file"
        return State.MISSING, "no such file"

    def _within(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.folder.resolve())

    def there(self, name: str) -> bool:
        """Whether something has this name, be it what it may."""
        return os.path.lexists(self.folder / name)

    def absent(self, name: str, state: State, artefact: str, cost: str) -> None:
        """Note something of which there is nothing."""
        why = "not there yet" if state is State.UNFINISHED else "no such file"
        self._seen.add(name)
        self.findings.append(Finding(artefact, name, state, why, cost))

    def pass_over(self, place: str, artefact: str) -> None:
        """Note the files of a subfolder whose record is lost: nothing says what they were."""
        for name in self._names():
            if name.startswith(f"{place}/") and name not in self._seen:
                self._note(name, artefact, "its record is lost")

    def recorded(self, artefact_of: Callable[[str], tuple[str, str]]) -> None:
        """Check every file in ``SHA256SUMS`` that was not looked at.

        Args:
            artefact_of: of a name: what it belongs to, and what its loss costs.
        """
        sums = self._sums(artefact_of(SUMS)[1])
        for name, sha256 in sums.items():
            if name not in self._seen:
                self.file(name, sha256, *artefact_of(name))

    def _sums(self, cost: str) -> dict[str, str]:
        """What ``SHA256SUMS`` says; nothing where it is not there or not sound."""
        if not self.there(SUMS):
            return {}
        found = self.checked(SUMS, lambda path: read_sums(path.parent), "checksums", cost)
        return found if isinstance(found, dict) else {}

    def foreign(self) -> None:
        """Note every file that nothing spoke of."""
        for name in self._names():
            if name in self._seen:
                continue
            if HALF_WRITTEN.fullmatch(PurePosixPath(name).name):
                self.left_over(name)
            else:
                self._note(name, "no artefact on record", OURS)

    def left_over(self, name: str) -> None:
        """Note what a killed command left, and what one at work will take away itself."""
        self._seen.add(name)
        if not self.locked:
            self._note(name, "left by a killed command", "the next one takes it away")

    def _note(self, name: str, artefact: str, why: str) -> None:
        self._seen.add(name)
        self._advance(1)
        self.findings.append(Finding(artefact, name, State.UNKNOWN, why))

    def _names(self) -> list[str]:
        return file_names(self.folder)


def file_names(folder: Path) -> list[str]:
    """All files of a folder and of its subfolders but its lock; links unfollowed; sorted."""
    found = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in (*files, *links):
            found.append((Path(place) / name).relative_to(folder).as_posix())
    return sorted(name for name in found if name != LOCK)
