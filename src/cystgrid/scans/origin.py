"""Whose scan it is, so that T1 and T2 of two people are not taken for one patient."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origin:
    """Whose scan a series is, by its first file. Compared in memory, never written or shown.

    Attributes:
        person: patient and issuer; empty where no PatientID is stated.
        frame: ``FrameOfReferenceUID``; empty where none is stated.
    """

    person: str = field(default="", repr=False)
    frame: str = field(default="", repr=False)

    def of_another_person(self, other: Origin) -> bool:
        """Whether both state a patient, and not the same one."""
        return bool(self.person and other.person and self.person != other.person)

    def in_another_frame(self, other: Origin) -> bool:
        """Whether both state a frame of reference, and not the same one."""
        return bool(self.frame and other.frame and self.frame != other.frame)
