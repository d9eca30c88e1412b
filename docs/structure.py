"""Print which folder of cystgrid imports which, measured from the code, and any circle.

Run by `make structure`; the output is docs/structure.md.
"""

from __future__ import annotations

import graphlib
import sys
from collections import Counter, defaultdict

import grimp

JOURNEY = (
    "errors", "extras", "settings", "provenance", "progress", "processes", "scans", "cohort",
    "preparation",
    "insertion", "grids", "models", "training", "pretraining", "evaluation", "explanations",
    "explain", "outputs", "results", "study", "cohorts", "runs", "explaining", "predicting",
    "starts",
    "run_answers", "explaining_runs", "checking_explanations", "planning", "demo", "cli",
)  # fmt: skip


def folder(module: str) -> str:
    """The part of the journey that a module belongs to."""
    return module.split(".")[1]


def main() -> None:
    """Write the table; exit with 1 if the folders import each other in a circle."""
    graph = grimp.build_graph("cystgrid")
    arrows: Counter[tuple[str, str]] = Counter()
    for importer in graph.modules - {"cystgrid"}:
        for imported in graph.find_modules_directly_imported_by(importer) - {"cystgrid"}:
            if folder(importer) != folder(imported):
                arrows[folder(importer), folder(imported)] += 1
    imports: dict[str, set[str]] = defaultdict(set)
    for importer, imported in arrows:
        imports[importer].add(imported)
    parts = [part for part in JOURNEY if any(part in arrow for arrow in arrows)]
    try:
        tuple(graphlib.TopologicalSorter(imports).static_order())
        circle = "No circle."
    except graphlib.CycleError as error:
        circle = f"A circle: {' -> '.join(error.args[1])}."
    lines = [
        "# Which folder imports which",
        "",
        f"Made from the code by `make structure`; imports inside functions are counted. {circle}",
        "Every arrow points back along the journey: a row imports only parts above it.",
        "",
        "| part | imports (number of imports) |",
        "|---|---|",
    ]
    for part in parts:
        found = [f"{other} ({arrows[part, other]})" for other in parts if arrows[part, other]]
        lines.append(f"| `{part}` | {', '.join(found) or 'nothing of cystgrid'} |")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(0 if circle == "No circle." else 1)


if __name__ == "__main__":
    main()
