"""What the verbs ``pacs find|fetch|send`` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cystgrid.errors import ArchiveDeniedError, ArchiveDownError, ArchiveError
from cystgrid.pacs.archive import Archive, open_archive
from cystgrid.pacs.listing import check_listing, write_listing
from cystgrid.pacs.rows import Query, StudyRow, asked_uid
from cystgrid.pacs.sending import SendReport, object_files
from cystgrid.pacs.settings import PacsSettings
from cystgrid.progress import progress_bar


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


def _open(settings: Path) -> Archive:
    return open_archive(PacsSettings.read(settings))
