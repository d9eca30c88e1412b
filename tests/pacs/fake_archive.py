"""An archive that misbehaves as it is told: a DIMSE server of a few lines."""

from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    MRImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from pacs.orthanc import free_port


@dataclass
class FakeArchive:
    """What it holds, and how it fails.

    Attributes:
        files: of one study.
        aborts: how many associations are still to be aborted in mid-transfer.
        after: instances handed over before such an abort.
        get_status: what C-GET ends with instead of handing anything over.
        edit: changes an instance before it is handed over.
        edit_answer: changes an answer to C-FIND.
        store_status: what C-STORE answers.
        forgets: throws away what it is given and says that all is well.
        stored: what it was given, whatever it answered.
    """

    files: list = field(default_factory=list)
    aborts: int = 0
    after: int = 1
    get_status: int | None = None
    edit: object = None
    edit_answer: object = None
    store_status: int = 0x0000
    forgets: bool = False
    stored: list = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def find(self, event):
        level = event.identifier.QueryRetrieveLevel
        seen = set()
        for each in map(dcmread, self.files):
            answer = Dataset()
            answer.StudyInstanceUID = each.StudyInstanceUID
            if level in ("SERIES", "IMAGE"):
                answer.SeriesInstanceUID = each.SeriesInstanceUID
            if level == "IMAGE":
                if each.SeriesInstanceUID != event.identifier.SeriesInstanceUID:
                    continue
                answer.SOPInstanceUID, answer.SOPClassUID = each.SOPInstanceUID, each.SOPClassUID
            if self.edit_answer is not None:
                self.edit_answer(answer, level)
            if str(answer) not in seen:
                seen.add(str(answer))
                yield 0xFF00, answer
        yield 0x0000, None

    def get(self, event):
        if self.get_status is not None:
            yield 1
            yield self.get_status, Dataset()
            return
        wanted = event.identifier.SOPInstanceUID
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        found = [each for each in map(dcmread, self.files) if each.SOPInstanceUID in wanted]
        yield len(found)
        for number, each in enumerate(found):
            if self.aborts and number == self.after:
                self.aborts -= 1
                event.assoc.abort()
                return
            if self.edit is not None:
                self.edit(each)
            yield 0xFF00, each

    def store(self, event):
        self.stored.append(event.request.AffectedSOPInstanceUID)
        if self.aborts and len(self.stored) > self.after:
            self.aborts -= 1
            event.assoc.abort()
            return 0xA700
        if not self.forgets and self.store_status == 0x0000:
            path = self.files[0].parent / "given" / f"{len(self.stored)}.dcm"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(event.encoded_dataset())
            self.files.append(path)
        return self.store_status

    @contextmanager
    def running(self):
        """Within it, it listens on ``port``."""
        ae = AE("FAKE")
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        ae.add_supported_context(MRImageStorage, scu_role=True, scp_role=True)
        handlers = [
            (evt.EVT_C_FIND, self.find), (evt.EVT_C_GET, self.get), (evt.EVT_C_STORE, self.store),
        ]  # fmt: skip
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        try:
            yield self
        finally:
            server.shutdown()
