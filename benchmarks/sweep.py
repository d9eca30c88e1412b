"""The candidates of a run's search, best first, as a Markdown table: how recipes are chosen.

    python benchmarks/sweep.py RUN [RUN ...]

Each figure is a mean over the run's inner trainings, each judged on its own validation fold; no
outer test fold has any part in it.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

MEASURES = ("validation_balanced_accuracy", "validation_loss", "epoch")


def trials(run: Path) -> dict[tuple[str, str], list[list[float]]]:
    """Per model and candidate, the measures of every inner training."""
    found = defaultdict(list)
    for path in sorted(run.glob("jobs/*/outer-*/inner-*/job.json")):
        record = json.loads(path.read_text("utf-8"))
        name = f"{record['model']} ({record['inputs']})"
        for trial in record["trials"]:
            values = ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                               for key, value in trial["values"].items()) or "as it is"  # fmt: skip
            found[name, values].append([trial[measure] for measure in MEASURES])
    return found


def main() -> None:
    """Print one table for all runs."""
    rows = []
    for run in map(Path, sys.argv[1:]):
        for (model, values), measured in trials(run).items():
            mean, spread = np.mean(measured, axis=0), np.std(measured, axis=0, ddof=1)
            rows.append((model, -mean[0], values, mean, spread, len(measured)))
    if not rows:
        raise SystemExit("give folders of runs whose study searched something")
    sys.stdout.write("| model | candidate | balanced accuracy | loss | epoch | trainings |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for model, _, values, mean, spread, count in sorted(rows, key=lambda row: row[:3]):
        sys.stdout.write(
            f"| {model} | {values} | {mean[0]:.3f} ± {spread[0]:.3f} | {mean[1]:.3f} ± "
            f"{spread[1]:.3f} | {mean[2]:.0f} | {count} |\n"
        )


if __name__ == "__main__":
    main()
