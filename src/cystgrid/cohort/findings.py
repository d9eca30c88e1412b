"""What is wrong or notable about a row of the manifest, in words that can be shown to anybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cystgrid.errors import CystgridError


@dataclass(frozen=True, order=True)
class Finding:
    """One fault, or one thing a reader should know.

    Attributes:
        line: of the manifest, counted from 1; 0 for what regards no single line.
        patient: id, empty where the row has none that can be shown.
        column: of the manifest, empty where it regards the whole row.
        message: goes on where ``line 7: P003: t1`` leaves off; holds no path but one that names
            nobody (``shown_paths``).
    """

    line: int
    patient: str
    column: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        who = f"{self.patient}: " if self.patient and self.column != "patient" else ""
        return place + who + " ".join(part for part in (self.column, self.message) if part)

    @classmethod
    def of_error(
        cls,
        error: CystgridError,
        line: int,
        patient: str,
        column: str,
        name: Callable[[Path], str] | None = None,
    ) -> Finding:
        """An error as a finding: every path in it is replaced.

        Args:
            error: any of ours.
            line: where it belongs.
            patient: where it belongs.
            column: where it belongs.
            name: what stands for a path; the column's name by default.
        """
        shown = error.naming(name or (lambda _: column))
        field = shown.where.removeprefix(f"{patient}: ").removeprefix(column).strip(" :,")
        place = f"({field}) " if field else ""
        message = f"cannot be used: {place}got {shown.got}, expected {shown.expected}; {shown.do}"
        return cls(line, patient, column, message)
