"""The watcher: studies that match rules are answered once they are complete, and sent back."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from cystgrid.errors import (
    ArchiveDeniedError,
    ArchiveDownError,
    ArchiveError,
    CystgridError,
)
from cystgrid.pacs.archive import Archive
from cystgrid.pacs.patience import Patience, Sleep
from cystgrid.pacs.rows import Query, StudyRow
from cystgrid.pacs.watch_settings import WatchSettings
from cystgrid.pacs.watch_state import Stage, StudyState, WatchState

log = logging.getLogger(__name__)

Say = Callable[[str], None]

AnswerStudy = Callable[[Path], list[Path]]
"""A fetched study to the DICOM files of its answer."""


LISTED = "a study in the list"
"""One that cannot be called by its UID."""


@dataclass
class Watch:
    """Looks at an archive again and again.

    A study goes from stage to stage, and each stage is on the disk before the next begins. What was
    begun and not finished is done again: fetching goes on behind what came, an answer is written
    anew under the same UIDs, and sending stores nothing that the archive holds already.

    Attributes:
        archive: asked once at a time: this loop does the waiting.
        settings: rules.
        patience: how long it is waited for an archive that is down, without end; and how often a
            study is tried that the archive refuses something of.
        state: of every study.
        folder: ``studies/<study>`` lies here while it is worked on.
        answer: makes an answer.
        results: where a study's answer lies.
        say: told what happens, a line each; no person is named.
        sleep, now: wait, and seconds since 1970.
        odd: why studies in the archive's list cannot be used, each reason once.
    """

    archive: Archive
    settings: WatchSettings
    patience: Patience
    state: WatchState
    folder: Path
    answer: AnswerStudy
    results: Callable[[str], Path]
    say: Say
    sleep: Sleep = time.sleep
    now: Callable[[], float] = time.time
    odd: list[str] = field(default_factory=list)
    _crowded: bool = False

    def run(self, *, once: bool) -> Counter[Stage]:
        """Watch, without end or until nothing is left to do.

        Args:
            once: end when every study that matches has been answered or refused.

        Raises:
            ArchiveDeniedError: the archive lets us in no more.
            OSError: the disk is full, say.
        """
        waits = None
        while True:
            try:
                self.look()
                if waits is not None:
                    self.say(f"{self.archive.name} is there again")
                waits = None
                self.work()
            except ArchiveDownError as error:
                if waits is None:  # said once, however long it lasts
                    self.say(f"waiting for {self.archive.name}: {error.got}")
                    waits = self.patience.waits()
                self.sleep(next(waits))
                continue
            if once and not self.state.open_studies():
                return self.state.counts()
            self.sleep(self._pause())

    def look(self) -> None:
        """Take note of every study that matches, and of how many instances it has."""
        oldest = datetime.fromtimestamp(self.now()) - timedelta(days=self.settings.days)
        query = Query(
            modality=self.settings.modality,
            date=f"{oldest:%Y%m%d}-",
            limit=self.settings.limit,
        )
        rows = self.archive.find(query, self._odd)
        if len(rows) == query.limit and not self._crowded:
            self._crowded = True
            self.say(f"{query.limit} studies or more match: [watch] limit or days may hide some")
        for row in rows:
            if self._matches(row):
                self._note(row)

    def work(self) -> None:
        """Bring every study that can go on as far as it goes."""
        for state in self.state.open_studies():
            try:
                self._advance(state)
            except (ArchiveDownError, ArchiveDeniedError):
                raise
            except ArchiveError as error:
                self._failed(state.study_uid, str(error))
            except CystgridError as error:
                self._end(state.study_uid, Stage.REFUSED, str(error))
            except OSError:
                raise
            except Exception as error:  # one study that brings a bug to light stops no other
                log.debug("", exc_info=error)  # its text may hold a patient's name
                reason = f"a bug in cystgrid: {type(error).__name__}"
                self._end(state.study_uid, Stage.REFUSED, reason)

    def _odd(self, error: ArchiveError) -> None:
        """One study of the list is no use: the others are."""
        reason = str(error)
        if reason not in self.odd:
            self.odd.append(reason)
            self.say(f"{LISTED}: {reason}")

    def _matches(self, row: StudyRow) -> bool:
        there = not row.modalities or self.settings.modality in row.modalities
        described = re.search(self.settings.description, row.description, re.IGNORECASE)
        return there and described is not None

    def _note(self, row: StudyRow) -> None:
        known = self.state.get(row.study_uid)
        if known is not None and known.stage not in (Stage.SEEN, Stage.REFUSED):
            return  # what is sent back changes the number, too
        count = self._count(row, known)
        if known is None or known.instances != count:  # a refused study that grew has another try
            self.state.put(StudyState(row.study_uid, Stage.SEEN, count, self.now()))

    def _count(self, row: StudyRow, known: StudyState | None) -> int:
        """How many instances it has; as many as before where the archive refuses to list them.

        Such a study is worked on none the less: there it is asked again, and refused in the end.
        """
        if row.instances is not None:
            return row.instances
        try:
            return len(self.archive.instances(row.study_uid))
        except (ArchiveDownError, ArchiveDeniedError):
            raise
        except ArchiveError:
            return 0 if known is None else known.instances

    def _advance(self, state: StudyState) -> None:
        """One study, stage by stage, as far as it goes now."""
        if state.stage is Stage.SEEN:
            if not self._complete(state):
                return
            self.archive.fetch(state.study_uid, self._studies)
            state = self._reached(state, Stage.FETCHED)
        if state.stage is Stage.FETCHED:
            self.answer(self._studies / state.study_uid)
            state = self._reached(state, Stage.PREDICTED)
        report = self.archive.send([self.results(state.study_uid)])
        if report.refused:
            self._end(
                state.study_uid,
                Stage.REFUSED,
                f"{len(report.refused)} objects: {report.refused[0][1]}",
            )
            return
        count = len(report.stored) + len(report.already)
        self._end(state.study_uid, Stage.SENT, "", f"sent, {count} objects")

    def _complete(self, state: StudyState) -> bool:
        """Whether it has been quiet for long enough, and the archive lists what it counts."""
        if self.now() - state.since < self.settings.quiet_seconds:
            return False
        listed = len(self.archive.instances(state.study_uid))
        if listed == state.instances:
            return True
        self.state.put(replace(state, instances=listed, since=self.now()))
        return False

    def _reached(self, state: StudyState, stage: Stage) -> StudyState:
        reached = replace(state, stage=stage, failures=0)
        self.state.put(reached)
        self.say(f"{state.study_uid}: {stage.value}")
        return reached

    def _failed(self, study_uid: str, reason: str) -> None:
        """The archive refuses something of one study: tried a few looks long, then given up."""
        state = self.state.get(study_uid)
        assert state is not None, "it is being worked on"
        if state.failures + 1 >= self.patience.attempts:
            self._end(study_uid, Stage.REFUSED, reason)
        else:
            self.state.put(replace(state, failures=state.failures + 1))

    def _end(self, study_uid: str, stage: Stage, reason: str, told: str = "") -> None:
        """Nothing is left to do. The scans are in the archive: they need not stay here."""
        state = self.state.get(study_uid)
        assert state is not None, "it is being worked on"
        self.state.put(replace(state, stage=stage, reason=" ".join(reason.split())))
        self.say(f"{study_uid}: {told or f'{stage.value}: {reason}'}")
        for folder in (self._studies / study_uid, self._studies / f"{study_uid}.part"):
            shutil.rmtree(folder, ignore_errors=True)

    def _pause(self) -> float:
        """Until the next look: sooner where a study's quiet ends before."""
        left = [
            state.since + self.settings.quiet_seconds - self.now()
            for state in self.state.open_studies()
            if state.stage is Stage.SEEN and state.failures == 0
        ]
        return max(min([self.settings.poll_seconds, *left]), 0.05)

    @property
    def _studies(self) -> Path:
        return self.folder / "studies"


def retry_refused(state: WatchState, now: float) -> int:
    """Give every refused study another try; returns how many there are."""
    refused = state.refused()
    for one in refused:
        state.put(StudyState(one.study_uid, Stage.SEEN, one.instances, now))
    return len(refused)
