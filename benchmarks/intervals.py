"""How often intervals hold the truth and tests are wrong, over simulated data sets of known truth.

Run: `python benchmarks/intervals.py [--simulations 1000]`; minutes. The same numbers each time.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from simulated_predictions import (
    CV_FEATURES,
    CV_PATIENTS,
    PATIENTS,
    coverage,
    paired_sizes,
    t_test_sizes,
)


def main() -> None:
    """Print the figures as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    simulations = parser.parse_args().simulations
    error = (0.05 * 0.95 / simulations) ** 0.5
    start = time.perf_counter()
    lines = [
        f"{simulations} simulated data sets; a share of 0.05 or 0.95 has a standard error of "
        f"{error:.4f}.",
        "",
        "| what | seen | meant |",
        "|---|---|---|",
    ]
    for score, share in coverage(simulations).items():
        cohort = f"{sum(PATIENTS)} patients of {len(PATIENTS)} classes"
        lines.append(f"| 95 % BCa interval holds the true {score}, {cohort} | {share:.3f} | 0.95 |")
    for name, share in paired_sizes(simulations).items():
        lines.append(f"| {name} rejects for equal models at 0.05 | {share:.3f} | 0.05 |")
    data = f"{CV_PATIENTS} patients, {CV_FEATURES} features, ridge regression"
    for name, share in t_test_sizes(simulations).items():
        lines.append(f"| t-test, {name}, rejects for equal learners, {data} | {share:.3f} | 0.05 |")
    lines += ["", f"{time.perf_counter() - start:.0f} s."]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
