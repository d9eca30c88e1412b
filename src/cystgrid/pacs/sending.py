"""Objects into the archive, confirmed: each once, and none in another's place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cystgrid.errors import ArchiveDownError, ScanError, UsageError
from cystgrid.pacs.connection import Connection
from cystgrid.pacs.instance import Instance, read_content, same_object
from cystgrid.pacs.patience import Patience, Sleep, patiently
from cystgrid.pacs.pieces import pieces
from cystgrid.pacs.rows import InstanceRow

AT_A_TIME = 16
"""Objects stored between two looks at what is confirmed."""


@dataclass(frozen=True)
class SendReport:
    """What became of every object.

    Attributes:
        stored: UIDs that were not there, were stored, and are listed by the archive now.
        already: UIDs that were there with the same content; they were not sent.
        refused: UIDs that were there with other content, and why; nothing was overwritten.
    """

    stored: tuple[str, ...]
    already: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]

    @property
    def complete(self) -> bool:
        """Whether the archive holds all of it."""
        return not self.refused


@dataclass(frozen=True)
class _Item:
    path: Path
    instance: Instance


@dataclass
class _Study:
    """The objects of one study on their way."""

    connection: Connection
    study_uid: str
    items: dict[str, _Item]
    attempted: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    already: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def decided(self) -> int:
        return len(self.stored) + len(self.already) + len(self.refused)

    def _open(self) -> list[_Item]:
        closed = self.stored | self.already | set(self.refused)
        return [item for uid, item in self.items.items() if uid not in closed]

    def step(self) -> None:
        """One try: see what is there, store the rest, look again.

        Raises:
            ArchiveDownError: the archive broke off, or does not list what was stored.
        """
        self._look()
        for some in pieces(self._open(), AT_A_TIME):
            self.attempted |= {item.instance.uid for item in some}
            self.connection.store([read_content(item.path, ScanError) for item in some])
        if self._open():
            self._look()
        if left := self._open():
            raise ArchiveDownError(
                self.connection.name,
                got=f"{len(left)} of {len(self.items)} stored objects not listed",
                expected="to find there what was stored",
                do="look into the archive's log: it may have thrown them away",
            )

    def _look(self) -> None:
        there = {row.uid: row for row in self.connection.instances(self.study_uid)}
        for item in self._open():
            row = there.get(item.instance.uid)
            if row is None:
                continue
            if row.uid in self.attempted:  # it was not there before we stored it
                self.stored.add(row.uid)
            elif self._same(item, row):
                self.already.add(row.uid)
            else:
                self.refused[row.uid] = "the archive holds another object of this UID"

    def _same(self, item: _Item, row: InstanceRow) -> bool:
        found: list[bytes] = []
        self.connection.retrieve(self.study_uid, [row], found.append)
        if not found:
            raise ArchiveDownError(
                self.connection.name,
                got=f"no instance {row.uid}, which it lists",
                expected="to compare it with what is to be sent",
                do="look into the archive's log",
            )
        return same_object(found[0], read_content(item.path, ScanError))


def send(
    connection: Connection,
    paths: Sequence[Path],
    patience: Patience,
    sleep: Sleep,
    advance: Callable[[int], None],
) -> SendReport:
    """Store DICOM files and see that they are there. Doing it twice stores nothing twice.

    Args:
        connection: to the archive.
        paths: files, and folders with ``*.dcm`` at any depth.
        patience: how long it is tried.
        sleep: waits.
        advance: told of each object that is decided on.

    Raises:
        UsageError: no files.
        ScanError: a file that is no DICOM; two of one UID.
        ArchiveError: the archive refuses, or does not show what was stored.
    """
    studies = [
        _Study(connection, study_uid, items) for study_uid, items in _by_study(paths).items()
    ]
    for study in studies:
        patiently(study.step, patience, sleep=sleep, done=lambda study=study: study.decided)  # type: ignore[misc]
        advance(study.decided)
    return SendReport(
        tuple(sorted(uid for study in studies for uid in study.stored)),
        tuple(sorted(uid for study in studies for uid in study.already)),
        tuple(sorted(pair for study in studies for pair in study.refused.items())),
    )


def object_files(paths: Sequence[Path]) -> list[Path]:
    """The files that are meant.

    Raises:
        UsageError: there are none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        files = sorted(path.rglob("*.dcm")) if path.is_dir() else [path]
        found |= dict.fromkeys(files)
    if not found:
        raise UsageError(
            "FILES",
            got="no DICOM file",
            expected="files, or folders with *.dcm",
            do="name what `cystgrid predict --dicom-out` wrote",
        )
    return list(found)


def _by_study(paths: Sequence[Path]) -> dict[str, dict[str, _Item]]:
    studies: dict[str, dict[str, _Item]] = defaultdict(dict)
    for path in object_files(paths):
        content = read_content(path, ScanError)
        instance = Instance.of(content, path, ScanError)
        other = studies[instance.study_uid].setdefault(instance.uid, _Item(path, instance))
        if other.path != path and not same_object(content, read_content(other.path, ScanError)):
            raise ScanError(
                path,
                got="another object of a UID that stands in these files already",
                expected="each SOPInstanceUID once",
                do="leave one of the two out",
            )
    return studies
