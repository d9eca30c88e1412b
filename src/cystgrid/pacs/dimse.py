"""An archive by DIMSE: C-FIND, C-GET and C-STORE (PS3.4, PS3.7)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from pydicom import Dataset, dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MRImageStorage,
    RLELossless,
)
from pydicom.uid import JPEG2000 as JPEG2000LOSSY
from pynetdicom import build_context, build_role, evt
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
    Query,
    StudyRow,
    distinct,
)
from cystgrid.pacs.settings import DimseSettings

SYNTAXES = (
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian, RLELossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless,
    JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, JPEG2000Lossless, JPEG2000LOSSY,
)  # fmt: skip
"""Taken as they are stored: an archive that has to transcode may refuse, or lose something."""

AT_A_TIME = 64
"""UIDs in one request."""

CLASSES_AT_A_TIME = (MOST_CONTEXTS - 1) // len(SYNTAXES)


class Dimse:
    """A ``Connection`` by DIMSE."""

    def __init__(self, settings: DimseSettings, patience: Patience) -> None:
        self.name = called(settings)
        self._settings, self._patience = settings, patience

    def find(self, query: Query) -> Iterator[StudyRow]:
        """See ``Connection``."""
        seen: set[str] = set()
        for answer in self._matches("STUDY", STUDY_KEYWORDS, query.filters, query.limit):
            row = StudyRow.of(answer, self.name)
            if row.study_uid not in seen:
                seen.add(row.study_uid)
                yield row

    def instances(self, study_uid: str) -> tuple[InstanceRow, ...]:
        """See ``Connection``: series by series, as hierarchical archives want it."""
        of_study = {"StudyInstanceUID": study_uid}
        series = [
            str(answer.get("SeriesInstanceUID") or "")
            for answer in self._matches("SERIES", ("SeriesInstanceUID",), of_study, MOST_INSTANCES)
        ]
        found = [
            InstanceRow.of(answer, self.name, series_uid)
            for series_uid in dict.fromkeys(series)
            for answer in self._matches(
                "IMAGE",
                INSTANCE_KEYWORDS,
                {**of_study, "SeriesInstanceUID": series_uid},
                MOST_INSTANCES,
            )
        ]
        return distinct(found, self.name)

    def _matches(
        self, level: str, keywords: Iterable[str], filters: dict[str, str], most: int
    ) -> list[Dataset]:
        """Answers to one C-FIND, at most ``most``."""
        asked = Dataset()
        asked.SpecificCharacterSet, asked.QueryRetrieveLevel = "ISO_IR 192", level
        for keyword in keywords:
            setattr(asked, keyword, filters.get(keyword, ""))
        for keyword, value in filters.items():
            setattr(asked, keyword, value)
        model = StudyRootQueryRetrieveInformationModelFind
        found: list[Dataset] = []
        with associated(self._settings, self._patience, [build_context(model)]) as association:
            for status, answer in association.send_c_find(asked, model):
                if checked_status(status, self._settings, "a list") not in PENDING:
                    break
                if answer is None:
                    raise self._unreadable("an answer")
                found.append(answer)
                if len(found) >= most:
                    association.abort()  # waiting for all the rest could take for ever
                    break
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

        model = StudyRootQueryRetrieveInformationModelGet
        contexts = [build_context(kind, syntax) for kind in kinds for syntax in SYNTAXES]
        roles = [build_role(UID(kind), scp_role=True) for kind in kinds]
        with associated(
            self._settings, self._patience, [build_context(model), *contexts], roles,
            [(evt.EVT_C_STORE, take)],
        ) as association:  # fmt: skip
            for series_uid, rows in groupby(sorted(wanted), lambda row: row.series_uid):
                for some in pieces([row.uid for row in rows], AT_A_TIME):
                    asked = Dataset()
                    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "IMAGE", study_uid
                    asked.SeriesInstanceUID, asked.SOPInstanceUID = series_uid, list(some)
                    for status, _ in association.send_c_get(asked, model):
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
