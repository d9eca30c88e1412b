"""What the verbs ``pacs find|fetch|send|watch`` do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cystgrid.errors import ArchiveDeniedError, ArchiveDownError, ArchiveError
from cystgrid.pacs.archive import Archive, open_archive
from cystgrid.pacs.listing import check_listing, write_listing
from cystgrid.pacs.rows import Query, StudyRow, asked_uid
from cystgrid.pacs.sending import SendReport, object_files
from cystgrid.pacs.settings import PacsSettings
from cystgrid.progress import progress_bar

if TYPE_CHECKING:  # torch comes with the model
    from cystgrid.pacs.watch_state import Stage


def run_find(settings: Path, query: Query, output: Path | None) -> list[StudyRow]:
    """Studies that match; also written to ``output`` where that is given.

    Raises:
        UsageError: ``output`` ends neither in ``.csv`` nor in ``.json``.
        ArchiveError: as ``Archive.find``.
    """
    if output is not None:
        check_listing(output)
    rows = _open(settings).find(query)
    if output is not None:
        write_listing(rows, output)
    return rows


def run_fetch(
    settings: Path, studies: Sequence[str], folder: Path, *, quiet: bool = False
) -> tuple[list[Path], list[tuple[str, str]]]:
    """Fetch studies; one that cannot be had stops no other.

    Returns:
        The folders, and ``(study, reason)`` of those that were not to be had.

    Raises:
        UsageError: something that is no UID.
        ArchiveError: nobody answers, or lets us in.
    """
    wanted = dict.fromkeys(asked_uid(study, "STUDY") for study in studies)
    archive = _open(settings)
    done: list[Path] = []
    refused: list[tuple[str, str]] = []
    for study in wanted:
        try:
            with progress_bar(study[-12:], len(archive.instances(study)), quiet=quiet) as advance:
                done.append(archive.fetch(study, folder, advance))
        except (ArchiveDeniedError, ArchiveDownError):
            raise
        except ArchiveError as error:
            refused.append((study, str(error)))
    return done, refused


def run_send(settings: Path, paths: Sequence[Path], *, quiet: bool = False) -> SendReport:
    """Store files and folders of files.

    Raises:
        CystgridError: as ``Archive.send``.
    """
    archive = _open(settings)
    with progress_bar("sending", len(object_files(paths)), quiet=quiet) as advance:
        return archive.send(paths, advance)


def run_watch(
    settings: Path,
    model: Path,
    folder: Path,
    *,
    once: bool,
    retry: bool,
    say: Callable[[str], None],
) -> tuple[Counter[Stage], list[tuple[str, str]]]:
    """Answer studies as they come; ends where ``once`` says so, or is ended from outside.

    Args:
        settings: how the archive is reached, and rules.
        model: MODEL.
        folder: states, scans that are worked on, results.
        once: end when every study that matches has been answered or refused.
        retry: first give those that were refused another try.
        say: told what happens.

    Returns:
        How many studies have come how far, and ``(study, reason)`` of those refused, and of those
        in the archive's list that cannot be used.

    Raises:
        CystgridError: as ``Watch.run``; a model or a folder that cannot be used.
    """
    from cystgrid.pacs.watch import LISTED, Watch, retry_refused
    from cystgrid.pacs.watch_answer import StudyAnswers
    from cystgrid.pacs.watch_state import WatchState
    from cystgrid.service import Service

    chosen = PacsSettings.read(settings)
    one_try = chosen.patience.model_copy(update={"attempts": 1})
    archive = open_archive(chosen.model_copy(update={"patience": one_try}))
    service = Service.take_up(model)
    answers = StudyAnswers.by(service, chosen.watch, folder)
    question = {"archive": archive.name, "model": service.model.sha256}
    with WatchState.opened(folder, question) as state:
        if retry:
            retry_refused(state, time.time())
        watch = Watch(
            archive, chosen.watch, chosen.patience, state, folder,
            answers.answer, answers.results, say,
        )  # fmt: skip
        counts = watch.run(once=once)
        refused = [(one.study_uid, one.reason) for one in state.refused()]
        return counts, refused + [(LISTED, reason) for reason in watch.odd]


def _open(settings: Path) -> Archive:
    return open_archive(PacsSettings.read(settings))
