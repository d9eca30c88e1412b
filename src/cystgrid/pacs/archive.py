"""An archive as the rest of cystgrid knows it: patient, whole, and the same by both protocols."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cystgrid.extras import require
from cystgrid.pacs.connection import Connection
from cystgrid.pacs.fetching import Fetch, Weigh
from cystgrid.pacs.patience import Patience, Sleep, patiently
from cystgrid.pacs.rows import InstanceRow, Odd, Query, StudyRow, asked_uid, refuse
from cystgrid.pacs.sending import SendReport, send
from cystgrid.pacs.settings import PacsSettings

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Archive:
    """An archive. What is asked is tried again while the archive is down, as ``patience`` says.

    Attributes:
        connection: to it.
        patience: time-outs and retries.
        sleep: waits between tries.
    """

    connection: Connection
    patience: Patience
    sleep: Sleep = time.sleep

    @property
    def name(self) -> str:
        """How messages call it; holds no secret."""
        return self.connection.name

    def find(self, query: Query, odd: Odd = refuse) -> list[StudyRow]:
        """The studies that match, at most ``query.limit``.

        Args:
            query: what is looked for.
            odd: told of each study that cannot be decoded or has no UID.

        Raises:
            ArchiveError: the archive refuses, is not there, or answers what it must not.
        """
        return patiently(
            lambda: list(self.connection.find(query, odd)), self.patience, sleep=self.sleep
        )

    def instances(self, study_uid: str) -> tuple[InstanceRow, ...]:
        """Every instance that the archive lists for a study; none where it has no such study.

        Raises:
            ArchiveError: as ``find``.
        """
        return patiently(
            lambda: self.connection.instances(study_uid), self.patience, sleep=self.sleep
        )

    def fetch(
        self,
        study_uid: str,
        folder: Path,
        advance: Advance = lambda count: None,
        weigh: Weigh = lambda size: None,
    ) -> Path:
        """Fetch a study as ``folder/<study>/<series>/<instance>.dcm``; returns ``folder/<study>``.

        A fetch that was cut short goes on where it was; a folder of that name is a whole study.

        Args:
            study_uid: which.
            folder: of studies.
            advance: told of each instance that came.
            weigh: told of the bytes of each instance before it is written; what it raises ends the
                fetch.

        Raises:
            UsageError: no UID.
            ArchiveError: as ``Fetch.fetch``.
        """
        fetch = Fetch(self.connection, self.patience, self.sleep, weigh)
        return fetch.fetch(asked_uid(study_uid, "StudyInstanceUID"), folder, advance)

    def send(self, paths: Sequence[Path], advance: Advance = lambda count: None) -> SendReport:
        """Store DICOM files, or all of a folder; sent twice, they are stored once.

        Raises:
            UsageError: no files.
            ScanError: a file that is no DICOM.
            ArchiveError: the archive refuses, is not there, or does not show what was stored.
        """
        return send(self.connection, paths, self.patience, self.sleep, advance)


def open_archive(settings: PacsSettings) -> Archive:
    """The archive that the settings name; nothing is sent yet.

    Raises:
        SettingsError: the environment variable of a secret is not set; certificates are no use; the
            protocol's package is not installed.
    """
    return Archive(_connection(settings), settings.patience)


def _connection(settings: PacsSettings) -> Connection:
    where = f"protocol {settings.protocol}"
    if settings.protocol == "dicomweb":
        require("pacs", where, "dicomweb_client", "requests")
        from cystgrid.pacs.dicomweb import DicomWeb

        assert settings.dicomweb is not None, "checked when the settings were read"
        return DicomWeb(settings.dicomweb, settings.patience)
    require("pacs", where, "pynetdicom")
    from cystgrid.pacs.dimse import Dimse

    assert settings.dimse is not None, "checked when the settings were read"
    return Dimse(settings.dimse, settings.patience)
