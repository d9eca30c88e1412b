"""What is found of a folder's files, and what each loss costs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Of a file."""

    SOUND = "sound"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"


LOST = (State.DAMAGED, State.MISSING)
"""What makes a folder unsound."""


@dataclass(frozen=True)
class Finding:
    """One file, or a piece of work of which nothing is there.

    Attributes:
        artefact: what it belongs to: "training vit-early, outer 0, inner 1".
        name: path within the folder, with slashes.
        state: of it.
        why: what was seen, where it is not sound.
        cost: what has to be done for it.
    """

    artefact: str
    name: str
    state: State
    why: str = ""
    cost: str = ""


@dataclass(frozen=True)
class Verdict:
    """All that was found of a folder.

    Attributes:
        what: the folder is, as ``provenance.KINDS`` says it.
        locked: whether a process is writing into it.
        findings: in the order of looking.
    """

    what: str
    locked: bool
    findings: tuple[Finding, ...]

    @property
    def lost(self) -> tuple[Finding, ...]:
        """What is damaged or missing."""
        return tuple(each for each in self.findings if each.state in LOST)

    def count(self, state: State) -> int:
        """How many files are in a state."""
        return sum(each.state is state for each in self.findings)
