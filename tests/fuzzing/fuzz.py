"""Damage scans at random, read them, and judge what came of it: ``python tests/fuzzing/fuzz.py``.

A seeded mutator that knows the formats, not a coverage-guided one. atheris (3.0, with a wheel for
Linux) was considered: it searches for new branches, which finds crashes, but the question here is
whether a reading is *right*. To judge that, the harness must know which bytes were touched and
whether they state the scan; a case must come back by its seed and number alone; and a series is a
folder of files, of which whole ones come and go.

Each case ends in one of these:

refused      a ``ScanError``: one line that names the file by a marked path, and no other text of it
identical    exactly the sound file's voxels and affine
legitimate   differs, the damage touched only bytes that state the scan, which nothing protects, and
             a second reader that shares no code with cystgrid's reads the same
silent       differs, and is not legitimate
crash        any other exception, or the death of the process
hang         more than 10 s
memory       more than 128 MiB on top of what the process had
unnamed      refused, but the message lacks the file, or holds a name; or a note holds one

The last five are defects and end the run with exit code 1. Nothing is legitimate under gzip.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bit_flips import flip_one_bit_each
from fuzz_campaign import Result, keep_case, run_cases
from fuzz_oracle import DEFECTS, OUTCOMES
from fuzz_seeds import all_seeds
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cystgrid.progress import progress_bar

MOST_JOBS = 2
SHOWN = 20
"""Defects told in full; the others are counted, and kept where ``--keep`` says."""


class Tally:
    """Counts of outcomes by seed kind, of legitimate classes, and the worst cases."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.legitimate: Counter[str] = Counter()
        self.defects: list[Result] = []
        self.slowest: Result | None = None
        self.largest: Result | None = None

    def add(self, result: Result) -> None:
        """Count one case."""
        verdict = result.verdict
        self.counts[result.kind, verdict.outcome] += 1
        if verdict.outcome == "legitimate":
            self.legitimate[verdict.detail] += 1
        if verdict.outcome in DEFECTS:
            self.defects.append(result)
        if self.slowest is None or verdict.seconds > self.slowest.verdict.seconds:
            self.slowest = result
        if self.largest is None or verdict.growth > self.largest.verdict.growth:
            self.largest = result

    def table(self) -> Table:
        """Seed kind by outcome."""
        table = Table("seed", "cases", *OUTCOMES, title="What became of damaged scans")
        for column in table.columns[1:]:
            column.justify = "right"
        kinds = [seed.kind for seed in all_seeds()]
        for kind in kinds:
            self._row(table, kind, [kind])
        table.add_section()
        self._row(table, "all", kinds)
        return table

    def _row(self, table: Table, label: str, kinds: list[str]) -> None:
        counts = [sum(self.counts[kind, outcome] for kind in kinds) for outcome in OUTCOMES]
        if sum(counts):
            table.add_row(label, *(f"{count:,}" for count in [sum(counts), *counts]))


def main() -> int:
    """Run as asked and return the exit code."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    cases = range(options.first, options.first + options.cases)
    if options.only is not None:
        cases = range(options.only, options.only + 1)
    tally, start = Tally(), time.perf_counter()
    with progress_bar("damaging scans", len(cases)) as advance:
        for result in run_cases(cases, options.seed, min(options.jobs, len(cases))):
            tally.add(result)
            advance(1)
            if result.verdict.outcome in DEFECTS and options.keep:
                keep_case(result.case, options.seed, result, options.keep)
            if options.only is not None:
                _tell(console, result)
    _report(console, tally, time.perf_counter() - start, options.seed)
    wrong = _bit_flips(console) if options.only is None else 0
    return 1 if tally.defects or wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Damage scans at random and judge their reading.")
    parser.add_argument("--cases", type=int, default=20_000, help="how many (20,000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (0)")
    parser.add_argument("--only", type=int, help="one case by its number, told in full")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other cases (0)")
    parser.add_argument("--jobs", type=int, default=1, choices=range(1, MOST_JOBS + 1))
    parser.add_argument("--keep", type=Path, help="folder for the files of defects")
    options = parser.parse_args()
    if options.cases < 1 or min(options.first, options.seed, options.only or 0) < 0:
        parser.error("--cases from 1; --first, --only and --seed from 0")
    return options


def _tell(console: Console, result: Result) -> None:
    console.print(f"case {result.case}, {result.kind}: {result.verdict.outcome}", markup=False)
    for step in result.story:
        console.print(f"  {step}", markup=False)
    console.print(f"  {result.verdict.detail}", markup=False)


def _report(console: Console, tally: Tally, seconds: float, seed: int) -> None:
    console.print(tally.table())
    if tally.legitimate:
        table = Table("legitimately different: what was touched", "cases")
        for name, count in tally.legitimate.most_common():
            table.add_row(escape(name), f"{count:,}")
        console.print(table)
    slowest, largest = tally.slowest, tally.largest
    if slowest is not None and largest is not None:
        console.print(
            f"seed {seed}, {seconds:.0f} s; slowest reading {slowest.verdict.seconds:.2f} s "
            f"(case {slowest.case}); most memory {largest.verdict.growth:.0f} MiB on top "
            f"(case {largest.case})"
        )
    for result in tally.defects[:SHOWN]:
        _tell(console, result)
    if len(tally.defects) > SHOWN:
        rest = ", ".join(str(result.case) for result in tally.defects[SHOWN:])
        console.print(f"and {len(tally.defects) - SHOWN} more: {rest}")


def _bit_flips(console: Console) -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = flip_one_bit_each(Path(folder))
    console.print(
        f"one bit flipped at each of {found.places} places of a .nii.gz, silently wrong: "
        f"cystgrid {found.cystgrid_wrong}, nibabel {found.nibabel_wrong}"
    )
    return found.cystgrid_wrong


if __name__ == "__main__":
    sys.exit(main())
