"""What wrong answers cost: a user's table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from cystgrid.evaluation.checking import Faults, PredictionsError, number
from cystgrid.evaluation.rows import read_rows

TRUE_CLASS = "label"


def read_costs(path: Path, classes: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Read a table of costs: a row for each true class, a column for each answer.

    The header is ``label`` and the classes; rows and columns may stand in any order.

    Returns:
        ``(classes, classes)`` in the order of ``classes``, rows true.

    Raises:
        PredictionsError: classes missing or unknown, or costs that are not finite numbers.
    """
    header, rows = read_rows(path, "a table of costs")
    labels = [row.get(TRUE_CLASS, "") for _, row in rows]
    if sorted(header) != sorted([TRUE_CLASS, *classes]) or sorted(labels) != sorted(classes):
        raise PredictionsError(
            path,
            got=f"the columns {', '.join(header)} and the rows {', '.join(labels)}",
            expected=f"the columns {TRUE_CLASS}, {', '.join(classes)} and a row for each class",
            do="give what answering a column costs for a patient of a row",
        )
    faults = Faults(path)
    found: dict[str, tuple[float, ...]] = {}
    for line, row in rows:
        values = tuple(number(row[name]) for name in classes)
        if not all(map(math.isfinite, values)):
            faults.add(line, "a cost is not a finite number")
        found[row[TRUE_CLASS]] = values
    faults.raise_if_any()
    return tuple(found[name] for name in classes)
