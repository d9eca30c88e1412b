"""What a user may choose about an import; each layout extends it by what it has to choose."""

from __future__ import annotations

from typing import Literal

from cystgrid.settings import Settings


class NoOptions(Settings):
    """A layout that leaves nothing to choose."""


class PairOptions(Settings):
    """Options of a layout whose patients have a T1 and a T2 scan.

    Attributes:
        single: what becomes of a patient with one of them: left out and counted, or kept for a
            study of one modality, or of one that lets a scan be absent.
    """

    single: Literal["leave-out", "keep"] = "leave-out"
