"""What both protocols can do. Nothing here waits, tries again or looks whether it worked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from cystgrid.pacs.rows import InstanceRow, Odd, Query, StudyRow, refuse

Receive = Callable[[bytes], None]
"""Takes one instance as the bytes of a DICOM file."""


class Connection(Protocol):
    """A way to an archive.

    Every call may raise ``ArchiveDownError``, after which it may be made again;
    ``ArchiveDeniedError`` where we are not let in; and ``ArchiveError`` for an answer that makes no
    sense or a refusal.
    """

    @property
    def name(self) -> str:
        """How messages call the archive; holds no secret."""
        ...

    def find(self, query: Query, odd: Odd = refuse) -> Iterator[StudyRow]:
        """At most ``query.limit`` studies, each once, in the archive's order.

        ``odd`` is told of each answer that cannot be decoded or holds no UID.
        """
        ...

    def instances(self, study_uid: str) -> tuple[InstanceRow, ...]:
        """Every instance of a study, sorted; none where the archive has no such study."""
        ...

    def retrieve(self, study_uid: str, wanted: Sequence[InstanceRow], receive: Receive) -> None:
        """Hand over instances, in any order; what the archive leaves out is not noticed here."""
        ...

    def store(self, objects: Sequence[bytes]) -> None:
        """Store DICOM files; that they are there is not confirmed here."""
        ...
