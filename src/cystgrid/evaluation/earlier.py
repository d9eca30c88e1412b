"""What an earlier evaluation left in a folder of tables, and this one has not written again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cystgrid.evaluation.rendering import table_paths
from cystgrid.provenance import NOTICE

FIRST = "table1"
"""Every evaluation writes this table, and writes it first."""

TABLES = (
    FIRST, "table2", "table3", "table4", "table5", "all_metrics", "optimism", "calibration",
    "conformal_coverage",
)  # fmt: skip
TEXTS = (
    "calibrated.csv", "temperatures.csv", "conformal.csv", "decision_curves.csv", "notes.txt",
)  # fmt: skip
"""Names that are an evaluation's own; what has another one is somebody else's and stays."""


def earlier_files(folder: Path) -> list[Path]:
    """An earlier evaluation's files in a folder; none where none has written into it."""
    first = folder / f"{FIRST}.md"
    if not first.is_file() or NOTICE not in first.read_text("utf-8", "replace"):
        return []
    names = [path for name in TABLES for path in table_paths(folder, name)]
    return [path for path in (*names, *(folder / name for name in TEXTS)) if path.is_file()]


def remove_outdated(earlier: Iterable[Path], written: Iterable[Path]) -> list[Path]:
    """Remove what was not written again: it tells of other answers. Returns what is gone."""
    gone = sorted({*earlier} - {*written})
    for path in gone:
        path.unlink(missing_ok=True)
    return gone
