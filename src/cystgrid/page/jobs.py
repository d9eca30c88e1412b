"""Studies and what became of them, in one SQLite file: a restart of the page forgets nothing."""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Any

from cystgrid.errors import StoreError

log = logging.getLogger(__name__)

DATABASE = "studies.sqlite"
FOLDER_MODE = 0o700
"""Images of patients are for whoever started the page."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, patient_key TEXT NOT NULL, created REAL NOT NULL,
  queued REAL, begun REAL, ended REAL, stage TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL
  DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, request TEXT NOT NULL DEFAULT '{}',
  error TEXT NOT NULL DEFAULT '')
"""

LOOSE_SCHEMA = "CREATE TABLE IF NOT EXISTS loose (id TEXT PRIMARY KEY)"
"""Folders of ours that are no study: still being taken in, or removed and perhaps not gone yet."""


class State(StrEnum):
    """Where a study stands."""

    NEW = "new"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def busy(self) -> bool:
        """Whether it waits or is being read."""
        return self in BUSY


BUSY = (State.QUEUED, State.RUNNING, State.CANCELLING)
RUNNABLE = (State.NEW, State.FAILED, State.CANCELLED, State.DONE)


@dataclass(frozen=True)
class Job:
    """One study's row.

    Attributes:
        id: random; names its folder too.
        state: where it stands.
        patient_key: digest of the patient.
        created, queued, begun, ended: seconds since 1970, None where it has not come to that.
        stage, done, total: what is being done, and how much of it.
        request: what was asked for, as ``Request`` writes it.
        error: why it failed, without a path.
    """

    id: str
    state: State
    patient_key: str
    created: float
    queued: float | None
    begun: float | None
    ended: float | None
    stage: str
    done: int
    total: int
    request: dict[str, Any]
    error: str

    def seconds(self) -> float | None:
        """Since it was taken up, or that it took; None before."""
        if self.begun is None:
            return None
        return round((self.ended or time.time()) - self.begun, 1)


class Jobs:
    """The rows, and the folder of each study. May be used by several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        self.folder = folder
        with self._open() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(SCHEMA)
            database.execute(LOOSE_SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: SQLite's locks are between connections."""
        database = sqlite3.connect(self.folder / DATABASE, timeout=30)
        database.row_factory = sqlite3.Row
        try:
            with database:
                yield database
        finally:
            database.close()

    def place(self, job: str) -> Path:
        """The study's folder."""
        return self.folder / job

    def begin(self) -> tuple[str, Path]:
        """A new id and its empty folder; no study until it is added."""
        job = secrets.token_hex(8)
        with self._open() as database:
            database.execute("INSERT INTO loose VALUES (?)", (job,))
        self.place(job).mkdir(mode=FOLDER_MODE)
        return job, self.place(job)

    def forget(self, job: str) -> None:
        """Remove the folder of what was begun and not added; what stays is removed by ``sweep``."""
        shutil.rmtree(self.place(job), ignore_errors=True)
        if self.place(job).exists():
            log.error("study %s: its folder cannot be removed now", job)
        else:
            self._gone(job)

    def sweep(self) -> None:
        """Remove what a page that was killed had begun to take in or to remove, and nothing else.

        Not while studies are being taken in.
        """
        with self._open() as database:
            loose = database.execute("SELECT id FROM loose").fetchall()
        for (job,) in loose:
            self.forget(job)

    def add(self, job: str, patient_key: str) -> None:
        """A study that was uploaded."""
        with self._open() as database:
            database.execute(
                "INSERT INTO jobs (id, state, patient_key, created) VALUES (?, ?, ?, ?)",
                (job, State.NEW, patient_key, time.time()),
            )
            database.execute("DELETE FROM loose WHERE id = ?", (job,))

    def get(self, job: str) -> Job | None:
        """One study, or None."""
        with self._open() as database:
            row = database.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        return None if row is None else _job(row)

    def all(self) -> list[Job]:
        """Every study, the latest first."""
        with self._open() as database:
            rows = database.execute("SELECT * FROM jobs ORDER BY created DESC, id").fetchall()
        return [_job(row) for row in rows]

    def kept(self) -> int:
        """How many studies there are."""
        return self._count("1")

    def waiting(self) -> int:
        """How many wait or are being read."""
        return self._count(f"state IN ({_marks(BUSY)})", *BUSY)

    def ahead_of(self, job: Job) -> int:
        """How many are read before it."""
        if not job.state.busy:
            return 0
        before = f"state IN ({_marks(BUSY)}) AND (COALESCE(queued, 0), id) < (?, ?)"
        return self._count(before, *BUSY, job.queued or 0, job.id)

    def usual_seconds(self) -> float | None:
        """The median of what readings took; None before the first."""
        with self._open() as database:
            rows = database.execute(
                "SELECT ended - begun FROM jobs WHERE state = ? AND begun IS NOT NULL",
                (State.DONE,),
            ).fetchall()
        return round(median(took for (took,) in rows), 1) if rows else None

    def _count(self, condition: str, *values: object) -> int:
        """How many studies meet a condition, which is ours."""
        with self._open() as database:
            found = database.execute(f"SELECT COUNT(*) FROM jobs WHERE {condition}", values)
            return int(found.fetchone()[0])

    def queue(
        self, job: str, patient_key: str, request: dict[str, Any], most: int = sys.maxsize
    ) -> bool:
        """Ask for a study to be read.

        Returns:
            Whether it waits now: not if it is being read already, or if ``most`` wait.
        """
        with self._open() as database:
            changed = database.execute(
                "UPDATE jobs SET state = ?, patient_key = ?, request = ?, queued = ?, begun = NULL,"
                " ended = NULL, stage = '', done = 0, total = 0, error = '' WHERE id = ?"
                f" AND state IN ({_marks(RUNNABLE)})"
                f" AND (SELECT COUNT(*) FROM jobs WHERE state IN ({_marks(BUSY)})) < ?",
                (State.QUEUED, patient_key, json.dumps(request), time.time(), job, *RUNNABLE,
                 *BUSY, most),
            )  # fmt: skip
        return changed.rowcount == 1

    def next(self) -> Job | None:
        """Take the study that has waited longest; it is running from here on."""
        with self._open() as database:
            taken = database.execute(
                "UPDATE jobs SET state = ?, begun = ? WHERE state = ? AND id = "
                "(SELECT id FROM jobs WHERE state = ? ORDER BY queued, id LIMIT 1) RETURNING *",
                (State.RUNNING, time.time(), State.QUEUED, State.QUEUED),
            ).fetchone()
        return None if taken is None else _job(taken)

    def progress(self, job: str, stage: str, done: int, total: int) -> bool:
        """Say how far it is; False if it is to be stopped."""
        with self._open() as database:
            changed = database.execute(
                "UPDATE jobs SET stage = ?, done = ?, total = ? WHERE id = ? AND state = ?",
                (stage, done, total, job, State.RUNNING),
            )
        return changed.rowcount == 1

    def cancel(self, job: str) -> None:
        """Stop it: at once if it waits, at its next step if it is being read."""
        if not self._move(job, (State.QUEUED,), State.CANCELLED, ended=time.time()):
            self._move(job, (State.RUNNING,), State.CANCELLING)

    def end(self, job: str, state: State, error: str = "") -> None:
        """It is done, failed or cancelled."""
        self._move(job, (State.RUNNING, State.CANCELLING), state, ended=time.time(), error=error)

    def resume(self) -> None:
        """After a restart: what was being read is read again, what was to stop has stopped."""
        for job in self.all():
            self._move(job.id, (State.RUNNING,), State.QUEUED, stage="", done=0, begun=None)
            self._move(job.id, (State.CANCELLING,), State.CANCELLED, ended=time.time())

    def delete(self, job: str) -> None:
        """Remove a study, its files too.

        Raises:
            StoreError: it waits or is being read.
        """
        with self._open() as database:
            gone = database.execute(
                f"DELETE FROM jobs WHERE id = ? AND state NOT IN ({_marks(BUSY)})", (job, *BUSY)
            )
            if gone.rowcount == 1:
                database.execute("INSERT INTO loose VALUES (?)", (job,))
        if gone.rowcount == 1:  # nobody can ask for it any more
            shutil.rmtree(self.place(job))
            self._gone(job)
        elif self.get(job) is not None:
            raise StoreError(
                "study", got="one that is being read", expected="one that is not",
                do="cancel it first",
            )  # fmt: skip

    def _gone(self, job: str) -> None:
        """Its folder is."""
        with self._open() as database:
            database.execute("DELETE FROM loose WHERE id = ?", (job,))

    def _move(self, job: str, before: tuple[State, ...], after: State, **columns: Any) -> bool:
        """From one of some states to another, or not at all; names of columns are ours."""
        settings = "".join(f", {name} = ?" for name in columns)
        with self._open() as database:
            changed = database.execute(
                f"UPDATE jobs SET state = ?{settings} WHERE id = ? AND state IN ({_marks(before)})",
                (after, *columns.values(), job, *before),
            )
        return changed.rowcount == 1


def _marks(values: tuple[State, ...]) -> str:
    return ", ".join("?" * len(values))


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates over values)
    return Job(
        **{**values, "state": State(values["state"]), "request": json.loads(values["request"])}
    )
