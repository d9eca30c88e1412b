"""What the watcher knows of every study: one row each, every change of it on the disk at once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from cystgrid.errors import StoreError

FILE = "watch.sqlite"
VERSION = "1"


class Stage(StrEnum):
    """How far a study has come; each begins when what it says is whole on the disk."""

    SEEN = "seen"
    FETCHED = "fetched"
    PREDICTED = "predicted"
    SENT = "sent"
    REFUSED = "refused"


OPEN = (Stage.SEEN, Stage.FETCHED, Stage.PREDICTED)


@dataclass(frozen=True)
class StudyState:
    """One study.

    Attributes:
        study_uid: which.
        stage: how far it has come.
        instances: how many the archive held when it was last looked at.
        since: when that number last changed, seconds since 1970.
        failures: how often in a row the archive refused what was asked for it.
        reason: why it was refused; empty otherwise.
    """

    study_uid: str
    stage: Stage
    instances: int
    since: float
    failures: int = 0
    reason: str = ""


class WatchState:
    """A folder's states; held by one process at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, question: dict[str, str]) -> Iterator[Self]:
        """The states of a folder; a new one where there are none.

        Args:
            folder: of the watcher.
            question: what must not change from one start to the next: the archive, the model.

        Raises:
            StoreError: another process holds it, it asks another question, or it is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE
        try:
            # isolation_level None: each statement is its own transaction, on the disk when it ends
            connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise _damaged(path, error) from error
        try:
            try:
                _prepare(connection)
                _refuse_other(connection, path, {"version": VERSION, **question})
            except sqlite3.OperationalError as error:
                raise _held(path, error) from error
            except sqlite3.DatabaseError as error:
                raise _damaged(path, error) from error
            yield cls(connection)
        finally:
            connection.close()

    def get(self, study_uid: str) -> StudyState | None:
        """One study, or None where it was never seen."""
        rows = self._rows("WHERE study_uid = ?", study_uid)
        return rows[0] if rows else None

    def put(self, state: StudyState) -> None:
        """Write one study; when this returns, no loss of power takes it back."""
        self._connection.execute(
            "INSERT INTO study VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (study_uid) DO UPDATE SET "
            "stage = excluded.stage, instances = excluded.instances, since = excluded.since, "
            "failures = excluded.failures, reason = excluded.reason",
            (
                state.study_uid, state.stage.value, state.instances, state.since, state.failures,
                state.reason,
            ),
        )  # fmt: skip

    def open_studies(self) -> list[StudyState]:
        """Those with something left to do, the longest known first."""
        marks = ", ".join("?" for _ in OPEN)
        return self._rows(f"WHERE stage IN ({marks}) ORDER BY rowid", *OPEN)

    def refused(self) -> list[StudyState]:
        """Those that were refused, with reasons."""
        return self._rows("WHERE stage = ? ORDER BY rowid", Stage.REFUSED)

    def counts(self) -> Counter[Stage]:
        """How many studies have come how far."""
        return Counter(state.stage for state in self._rows(""))

    def _rows(self, where: str, *values: str) -> list[StudyState]:
        found = self._connection.execute(
            "SELECT study_uid, stage, instances, since, failures, reason FROM study " + where,
            tuple(map(str, values)),
        )
        return [StudyState(uid, Stage(stage), *rest) for uid, stage, *rest in found]


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN EXCLUSIVE")  # takes the lock, which is kept till the end
    connection.execute("CREATE TABLE IF NOT EXISTS question (key TEXT PRIMARY KEY, value TEXT)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS study (study_uid TEXT PRIMARY KEY, stage TEXT NOT NULL, "
        "instances INTEGER NOT NULL, since REAL NOT NULL, failures INTEGER NOT NULL, "
        "reason TEXT NOT NULL)"
    )
    connection.execute("COMMIT")


def _refuse_other(connection: sqlite3.Connection, path: Path, question: dict[str, str]) -> None:
    there = dict(connection.execute("SELECT key, value FROM question"))
    differ = sorted(key for key in question if key in there and there[key] != question[key])
    if differ:
        raise StoreError(
            path,
            got=f"what a watcher with another {' and '.join(differ)} has done",
            expected="the same archive and model as before",
            do="choose another folder for this question",
        )
    connection.executemany("INSERT OR REPLACE INTO question VALUES (?, ?)", question.items())


def _held(path: Path, error: sqlite3.OperationalError) -> StoreError:
    locked = "locked" in str(error)
    return StoreError(
        path,
        got="states that another process holds" if locked else f"states that fail ({error})",
        expected="one watcher a folder",
        do="end the other one first" if locked else "check permissions and free space",
    )


def _damaged(path: Path, error: sqlite3.Error) -> StoreError:
    return StoreError(
        path,
        got=f"no states ({type(error).__name__})",
        expected="a file that a watcher wrote",
        do="move it away: what is in the archive already is not sent again",
    )
