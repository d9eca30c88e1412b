"""The largest difference of every metric from an implementation with loops and no library.

Run: `python benchmarks/metrics_agree.py`; seconds. Random patients, few and many, with coarse
probabilities (ties), absent classes and classes that everybody is of.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from cystgrid.evaluation.metrics.scores import score

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from metrics_by_hand import by_hand, class_by_hand

CASES, CLASSES, SPECIFICITY = 500, 3, 0.9


def main() -> None:
    """Print a Markdown table; exit with 1 if one says undefined and the other does not."""
    generator = np.random.default_rng(0)
    worst: dict[str, float] = defaultdict(float)
    undefined: dict[str, int] = defaultdict(int)
    agree = True
    for case in range(CASES):
        patients = int(generator.integers(1, 60))
        known = int(generator.integers(1, CLASSES + 1))
        truth = generator.integers(0, known, patients)
        predicted = generator.integers(0, CLASSES, patients)
        values = generator.integers(1, 5 if case % 2 else 10_000, (patients, CLASSES)).astype(float)
        values /= values.sum(axis=1, keepdims=True)
        costs = generator.random((CLASSES, CLASSES))
        found = score(truth, predicted, values, costs=costs, specificity=SPECIFICITY)
        pairs = [("", found.overall, by_hand(truth, predicted, values, costs, SPECIFICITY))]
        for code, own in enumerate(found.by_class):
            expected = class_by_hand(truth, predicted, values, code, SPECIFICITY)
            pairs.append(("one class: ", own, expected))
        for prefix, ours, theirs in pairs:
            for name, value in ours.items():
                agree &= math.isnan(value) == math.isnan(theirs[name])
                if math.isnan(value):
                    undefined[prefix + name] += 1
                else:
                    worst[prefix + name] = max(worst[prefix + name], abs(value - theirs[name]))
    lines = ["| metric | largest difference | times undefined |", "|---|---|---|"]
    lines += [f"| {name} | {worst[name]:.1e} | {undefined[name]} |" for name in worst]
    lines.append(f"\n{CASES} cases; largest of all: {max(worst.values()):.1e}.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
