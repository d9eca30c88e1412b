"""Decision curves: what acting on the probabilities gains over acting on all or on nobody."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.tables.decisions import AT_LEAST
from cystgrid.outputs.panels import panels
from cystgrid.outputs.style import COLOURS, LINES, SMALLEST_TEXT

LOWEST = -0.05
"""Acting on everybody falls without end; what lies lower is of no use to anybody."""

HIGHEST_THRESHOLD = 0.9
"""Beyond, a single patient acted on in vain weighs more than ten found, and lines leap."""

FOOTNOTE = (
    "Out of fold. Net benefit per patient of acting where the probability is at least the\n"
    "threshold. Thin: acting on everybody; 0: acting on nobody."
)


def draw_decision_curves(evaluation: Evaluation, data: pd.DataFrame, kind: str, path: Path) -> Path:
    """Draw one panel a method, one line a class.

    Args:
        evaluation: of the predictions.
        data: as ``decisions.decision_curves`` gives it.
        kind: of the curves there.
        path: PNG to write.

    Returns:
        ``path``.
    """
    data = data[(data["kind"] == kind) & (data["threshold"] <= HIGHEST_THRESHOLD)]
    top = float(data[["net_benefit", "everybody"]].to_numpy().max()) * 1.1
    titles = [method.name for method in evaluation.methods]
    with panels(titles, path, ("threshold", "net benefit"), FOOTNOTE) as axes:
        for one, method in zip(axes, evaluation.methods, strict=True):
            own = data[data["method"] == method.name]
            one.axhline(0.0, color="0.7", linewidth=0.8)
            for name, rows in own.groupby("class", sort=False):
                code = evaluation.classes.index(str(name))
                color, line = COLOURS[code % len(COLOURS)], LINES[code % len(LINES)]
                grades = kind == AT_LEAST and code + 1 < len(evaluation.classes)
                label = f"{name} or higher" if grades else str(name)
                one.plot(rows["threshold"], rows["everybody"], color=color, linewidth=0.5)
                one.plot(
                    rows["threshold"], rows["net_benefit"], color=color, linestyle=line,
                    linewidth=1.4, label=label,
                )  # fmt: skip
            one.set_xlim(0.0, HIGHEST_THRESHOLD)
            one.set_ylim(LOWEST, max(top, 0.05))
            one.legend(loc="upper right", fontsize=SMALLEST_TEXT - 0.5, borderaxespad=0.1)
    return path
