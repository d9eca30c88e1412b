"""Whose scan it is and of what weighting, so that scans are not taken for what they are not."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origin:
    """What a series states by its first file. Compared in memory; only the weighting is shown.

    Attributes:
        person: patient and issuer; empty where no PatientID is stated.
        frame: ``FrameOfReferenceUID``; empty where none is stated.
        weighting: ``t1``, ``t2``, ``other``, or empty where nothing is stated.
        why: on what the weighting rests, in known words and numbers.
    """

    person: str = field(default="", repr=False)
    frame: str = field(default="", repr=False)
    weighting: str = ""
    why: str = ""

    def of_another_person(self, other: Origin) -> bool:
        """Whether both state a patient, and not the same one."""
        return bool(self.person and other.person and self.person != other.person)

    def in_another_frame(self, other: Origin) -> bool:
        """Whether both state a frame of reference, and not the same one."""
        return bool(self.frame and other.frame and self.frame != other.frame)
