"""An archive by DIMSE: C-FIND, C-GET and C-STORE (PS3.4, PS3.7)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby

from pydicom import Dataset, dcmread
from pydicom.uid import UID, MRImageStorage
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from cystgrid.errors import ArchiveError
from cystgrid.pacs.association import (
    MOST_CONTEXTS,
    OUT_OF_RESOURCES,
    PENDING,
    SUCCESS,
    associated,
    called,
    checked_status,
)
from cystgrid.pacs.connection import Receive
from cystgrid.pacs.patience import Patience
from cystgrid.pacs.pieces import pieces
from cystgrid.pacs.rows import (
    INSTANCE_KEYWORDS,
    MOST_INSTANCES,
    STUDY_KEYWORDS,
    InstanceRow,
    Odd,
    Query,
    StudyRow,
    distinct,
    refuse,
    study_rows,
    value_of,
)
from cystgrid.pacs.settings import DimseSettings
from cystgrid.scans.dicom_syntaxes import READ

FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet

SYNTAXES = tuple(sorted(READ))
"""Taken as they are stored: an archive that has to transcode may refuse, or lose something."""

AT_A_TIME = 64
"""UIDs in one request."""

CLASSES_AT_A_TIME = (MOST_CONTEXTS - 1) // len(SYNTAXES)


class Dimse:
    """A ``Connection`` by DIMSE."""

    def __init__(self, settings: DimseSettings, patience: Patience) -> None:
        self.name = called(settings)
        self._settings, self._patience = settings, patience

    def find(self, query: Query, odd: Odd = refuse) -> Iterator[StudyRow]:
        """See ``Connection``."""
        seen: set[str] = set()
        with self._finding() as association:
            answers = self._matches(
                association, "STUDY", STUDY_KEYWORDS, query.filters, query.limit, odd
            )
        for row in study_rows(answers, self.name, odd):
            if row.study_uid not in seen:
                seen.add(row.study_uid)
                yield row

    def instances(self, study_uid: str) -> tuple[InstanceRow, ...]:
        """See ``Connection``: series by series, as hierarchical archives want it."""
        asked = {"StudyInstanceUID": study_uid}
        found: list[InstanceRow] = []
        with self._finding() as association:
            series = self._matches(
                association, "SERIES", ("SeriesInstanceUID",), asked, MOST_INSTANCES
            )
            for uid in dict.fromkeys(
                str(value_of(each, "SeriesInstanceUID") or "") for each in series
            ):
                of_series = {**asked, "SeriesInstanceUID": uid}
                found += [
                    InstanceRow.of(answer, self.name, uid)
                    for answer in self._matches(
                        association, "IMAGE", INSTANCE_KEYWORDS, of_series, MOST_INSTANCES
                    )
                ]
        return distinct(found, self.name)

    def _finding(self) -> AbstractContextManager[Association]:
        return associated(self._settings, self._patience, [build_context(FIND)])

    def _matches(
        self,
        association: Association,
        level: str,
        keywords: Iterable[str],
        filters: dict[str, str],
        most: int,
        odd: Odd = refuse,
    ) -> list[Dataset]:
        """Answers to one C-FIND; where there are more than ``most``, the association ends."""
        asked = Dataset()
        asked.SpecificCharacterSet, asked.QueryRetrieveLevel = "ISO_IR 192", level
        for keyword, value in {**dict.fromkeys(keywords, ""), **filters}.items():
            setattr(asked, keyword, value)
        found: list[Dataset] = []
        for status, answer in association.send_c_find(asked, FIND):
            if checked_status(status, self._settings, "a list") not in PENDING:
                break
            if answer is None:
                odd(self._unreadable("an answer"))
                continue
            if len(found) >= most:
                association.abort()  # waiting for all the rest could take for ever
                break
            found.append(answer)
        return found

    def retrieve(self, study_uid: str, wanted: Sequence[InstanceRow], receive: Receive) -> None:
        """See ``Connection``."""
        kinds = sorted({row.kind or MRImageStorage for row in wanted})
        for some in pieces(kinds, CLASSES_AT_A_TIME):
            rows = [row for row in wanted if (row.kind or MRImageStorage) in some]
            self._retrieve(study_uid, rows, some, receive)

    def _retrieve(
        self, study_uid: str, wanted: list[InstanceRow], kinds: Sequence[str], receive: Receive
    ) -> None:
        failures: list[Exception] = []

        def take(event: Event) -> int:
            try:
                receive(event.encoded_dataset())
            except Exception as error:  # pynetdicom would swallow it; it is raised below
                failures.append(error)
                return OUT_OF_RESOURCES.start
            return SUCCESS

        contexts = [build_context(kind, syntax) for kind in kinds for syntax in SYNTAXES]
        roles = [build_role(UID(kind), scp_role=True) for kind in kinds]
        with associated(
            self._settings, self._patience, [build_context(GET), *contexts], roles,
            [(evt.EVT_C_STORE, take)],
        ) as association:  # fmt: skip
            for series_uid, rows in groupby(sorted(wanted), lambda row: row.series_uid):
                for some in pieces([row.uid for row in rows], AT_A_TIME):
                    asked = Dataset()
                    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "IMAGE", study_uid
                    asked.SeriesInstanceUID, asked.SOPInstanceUID = series_uid, list(some)
                    for status, _ in association.send_c_get(asked, GET):
                        if failures:
                            raise failures[0]
                        checked_status(status, self._settings, f"series {series_uid}")

    def store(self, objects: Sequence[bytes]) -> None:
        """See ``Connection``."""
        stored = [dcmread(io.BytesIO(each), force=True) for each in objects]
        offered = sorted({(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in stored})
        for some in pieces(offered, MOST_CONTEXTS):
            contexts = [build_context(kind, syntax) for kind, syntax in some]
            with associated(self._settings, self._patience, contexts) as association:
                for each in stored:
                    if (each.SOPClassUID, each.file_meta.TransferSyntaxUID) in some:
                        self._accepted(association.accepted_contexts, each)
                        status = association.send_c_store(each)
                        checked_status(status, self._settings, f"instance {each.SOPInstanceUID}")

    def _accepted(self, contexts: list[PresentationContext], one: Dataset) -> None:
        """Refuse an object that the archive has said it does not take."""
        syntax = one.file_meta.TransferSyntaxUID
        if not any(
            context.abstract_syntax == one.SOPClassUID and syntax in context.transfer_syntax
            for context in contexts
        ):
            raise ArchiveError(
                self.name,
                got=f"a refusal of {one.SOPClassUID.name} in {syntax.name}",
                expected="the archive to take such objects",
                do="have its administrator allow them",
            )

    def _unreadable(self, what: str) -> ArchiveError:
        return ArchiveError(
            self.name,
            got=f"{what} that cannot be decoded",
            expected="DICOM",
            do="have the archive's administrator look at this study",
        )
