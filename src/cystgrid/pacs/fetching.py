"""A study onto the disk: whole, or not there under its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cystgrid.errors import ArchiveDownError, ArchiveError
from cystgrid.pacs.connection import Connection
from cystgrid.pacs.instance import Instance
from cystgrid.pacs.patience import Patience, Sleep, patiently
from cystgrid.pacs.rows import InstanceRow
from cystgrid.provenance import write_bytes

Weigh = Callable[[int], None]
"""Told of bytes that came; may raise."""


@dataclass(frozen=True)
class Fetch:
    """Fetches one study.

    Attributes:
        connection: to the archive.
        patience: how long it is tried.
        sleep: waits.
        weigh: told of the bytes of each instance before it is written; may raise.
    """

    connection: Connection
    patience: Patience
    sleep: Sleep
    weigh: Weigh = lambda size: None

    def fetch(self, study_uid: str, folder: Path, advance: Callable[[int], None]) -> Path:
        """Fetch it as ``folder/<study>/<series>/<instance>.dcm``; go on where a fetch ended.

        Everything is gathered in ``folder/<study>.part``, which gets its name when every instance
        that the archive lists is there.

        Args:
            study_uid: which.
            folder: of studies.
            advance: told of each instance that came.

        Returns:
            The study's folder.

        Raises:
            ArchiveError: no such study; an instance that the archive lists and does not give, or
                that is another than it says; files there that it does not list.
        """
        whole, part = folder / study_uid, folder / f"{study_uid}.part"
        rows = self._listed(study_uid)
        self._refuse_strangers(whole if whole.exists() else part, rows)
        if whole.exists() and not self._missing(whole, rows):
            return whole
        if whole.exists() and not part.exists():
            whole.rename(part)  # the study has grown: what is there needs not come again
        part.mkdir(parents=True, exist_ok=True)
        self._gather(study_uid, part, rows, advance)
        part.replace(whole)
        return whole

    def _listed(self, study_uid: str) -> tuple[InstanceRow, ...]:
        rows = patiently(
            lambda: self.connection.instances(study_uid), self.patience, sleep=self.sleep
        )
        if not rows:
            raise ArchiveError(
                self.connection.name,
                got=f"no instance of study {study_uid}",
                expected="a study that the archive holds",
                do="copy the UID from `cystgrid pacs find`",
            )
        return rows

    def _gather(
        self,
        study_uid: str,
        part: Path,
        rows: tuple[InstanceRow, ...],
        advance: Callable[[int], None],
    ) -> None:
        """Until nothing is missing. A try ends early where the archive breaks off."""
        wanted = {row.uid: row for row in rows}

        def receive(content: bytes) -> None:
            found = Instance.of(content, self.connection.name, ArchiveError)
            row = wanted.get(found.uid)
            if row is None or (found.study_uid, found.series_uid) != (study_uid, row.series_uid):
                raise ArchiveError(
                    self.connection.name,
                    got=f"instance {found.uid}, which it did not list there",
                    expected=f"the instances of study {study_uid}",
                    do="have the archive's administrator look at this study",
                )
            if not _file(part, row).exists():
                self.weigh(len(content))
                write_bytes(_file(part, row), content)
                advance(1)

        def step() -> None:
            missing = self._missing(part, rows)
            if missing:
                self.connection.retrieve(study_uid, missing, receive)
            if still := self._missing(part, rows):
                raise self._left_out(study_uid, len(still), len(rows), len(missing))

        patiently(
            step, self.patience, sleep=self.sleep,
            done=lambda: len(rows) - len(self._missing(part, rows)),
        )  # fmt: skip

    def _left_out(self, study_uid: str, still: int, of: int, before: int) -> ArchiveError:
        kind = ArchiveDownError if still < before else ArchiveError  # some came: ask for the rest
        return kind(
            self.connection.name,
            got=f"{of - still} of {of} instances of study {study_uid}",
            expected="all that it lists",
            do="have its administrator allow every kind of object, or look into its log",
        )

    @staticmethod
    def _missing(folder: Path, rows: tuple[InstanceRow, ...]) -> list[InstanceRow]:
        return [row for row in rows if not _file(folder, row).exists()]

    def _refuse_strangers(self, folder: Path, rows: tuple[InstanceRow, ...]) -> None:
        listed = {_file(folder, row) for row in rows}
        strangers = [path for path in folder.rglob("*.dcm") if path not in listed]
        if strangers:
            raise ArchiveError(
                folder,
                got=f"{len(strangers)} instances that {self.connection.name} does not list",
                expected="only what it lists",
                do="fetch into another folder",
            )


def _file(folder: Path, row: InstanceRow) -> Path:
    return folder / row.series_uid / f"{row.uid}.dcm"
