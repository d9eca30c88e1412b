"""Many prepared patients that take no memory: each is read when it is asked for, and let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from cystgrid.preparation.patient import PreparedPatient


class OnDemand(Sequence[PreparedPatient]):
    """Patients of a store, in order; asking twice reads twice.

    What is mapped of a crop's file is given back as soon as nobody holds the patient.

    Args:
        read: gives a patient by its id, checked (``Store.load``).
        patients: ids.
    """

    def __init__(self, read: Callable[[str], PreparedPatient], patients: Sequence[str]) -> None:
        self._read = read
        self._patients = tuple(patients)

    def __len__(self) -> int:
        return len(self._patients)

    @overload
    def __getitem__(self, position: int) -> PreparedPatient: ...

    @overload
    def __getitem__(self, position: slice) -> OnDemand: ...

    def __getitem__(self, position: int | slice) -> PreparedPatient | OnDemand:
        """The patient at a position, or those of a slice, still unread."""
        if isinstance(position, slice):
            return OnDemand(self._read, self._patients[position])
        return self._read(self._patients[position])
