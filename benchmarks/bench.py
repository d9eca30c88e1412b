"""Every benchmark of speed and memory, one after another, into one table.

    python benchmarks/bench.py [-o bench] [--only training,prediction] [--note "after the change"]

Writes DIR/bench.md and DIR/bench.json, and with ``--history docs/performance.md`` adds the lines to
the history there. Nothing else should run meanwhile. Each benchmark is a script of its own, with
more options: ``python benchmarks/training.py --help``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from measuring import Report, markdown, read_report

from cystgrid.provenance import versions

HERE = Path(__file__).parent
BENCHMARKS = ("training", "preparation", "prediction", "load", "engines")
"""Scripts that write a report with ``--json FILE``, in the order in which a user waits for them."""

HISTORY = "## History"
"""Heading below which the newest entry stands first."""


def run(name: str, folder: Path) -> Report:
    """One benchmark in a process of its own.

    Raises:
        SystemExit: it failed; its own words stand above.
    """
    path = folder / f"{name}.json"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), "--json", str(path)],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"error: benchmarks/{name}.py ended with {done.returncode}")
    sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    return read_report(path)


def text(reports: dict[str, Report], note: str) -> str:
    """One table, and the machine as the first benchmark found it."""
    lines = [line for report in reports.values() for line in report.lines]
    first = next(iter(reports.values()))
    about = f"{time.strftime('%Y-%m-%d')}, cystgrid {versions()['cystgrid']}"
    said = f"{about}. {note}" if note else f"{about}."
    return f"{said}\n\n{markdown(lines)}\n\n{first.machine.sentence()}\n"


def add_to_history(entry: str, path: Path) -> None:
    """Put an entry first below the heading.

    Raises:
        SystemExit: the page has no such heading.
    """
    before, heading, after = path.read_text("utf-8").partition(f"{HISTORY}\n")
    if not heading:
        raise SystemExit(f"error: {path}: got no line {HISTORY!r}; add it where the history begins")
    path.write_text(f"{before}{heading}\n### {entry}{after}", "utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("bench"))
    parser.add_argument("--only", default=",".join(BENCHMARKS))
    parser.add_argument("--note", default="")
    parser.add_argument("--history", type=Path)
    asked = parser.parse_args()
    unknown = [name for name in asked.only.split(",") if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; Available: {', '.join(BENCHMARKS)}")
    asked.output.mkdir(parents=True, exist_ok=True)
    reports = {name: run(name, asked.output) for name in asked.only.split(",")}
    entry = text(reports, asked.note)
    (asked.output / "bench.md").write_text(entry, "utf-8")
    found = {name: asdict(report) for name, report in reports.items()}
    (asked.output / "bench.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    if asked.history:
        add_to_history(entry, asked.history)
    sys.stdout.write(entry)


if __name__ == "__main__":
    main()
