"""How the benchmarks measure: two ways in turn, medians of ratios, and what the machine can do.

A machine that others share changes its speed from minute to minute, so ours and the reference take
turns in one process and are compared pair by pair.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

Work = Callable[[], object]

MATMUL_SIDES = (1024, 2048, 4096)
"""Of square matrices; the best of them is the peak, so that no share of it flatters."""

PEAK_SIDE = 2048
"""Of the products that take turns with what is measured."""

COPY_BYTES = 512 * 2**20
"""Far more than any cache holds."""

REPEATS = 5
SLOW_SECONDS = 2.0
"""Of a product, after which no larger one is tried: the processor has no such arithmetic."""


@dataclass(frozen=True)
class Machine:
    """What the figures were made on.

    Attributes:
        processor: its name; on a GPU the GPU's.
        cores: that this process may use.
        threads: of torch.
        torch: version.
        float32, bfloat16: best square matrix product, TFLOP/s.
        copy: GB/s, read and written bytes counted once each.
    """

    processor: str
    cores: int
    threads: int
    torch: str
    float32: float
    bfloat16: float
    copy: float

    def sentence(self) -> str:
        """One line under a table."""
        return (
            f"{self.processor}, {self.cores} cores, {self.threads} threads, torch {self.torch}; "
            f"measured peaks: float32 {self.float32:.2f} and bfloat16 {self.bfloat16:.2f} TFLOP/s, "
            f"copy {self.copy:.1f} GB/s"
        )


@dataclass(frozen=True)
class Pair:
    """Seconds of two ways that took turns.

    Attributes:
        ours, reference: one time a round.
    """

    ours: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times faster ours was, round by round."""
        return tuple(theirs / mine for mine, theirs in zip(self.ours, self.reference, strict=True))


@dataclass(frozen=True)
class Line:
    """One row of the bench.

    Attributes:
        name: what is measured.
        unit: of ``ours`` and ``reference``.
        ours, reference: medians; no reference where there is nothing to compare with.
        ratio, low, high: how many times faster ours is: median, least and most of all rounds.
        peak: share of the machine's measured peak that ours reaches, 0-1.
        goal: what was hoped for, in words.
        note: anything a reader must know.
    """

    name: str
    unit: str
    ours: float
    reference: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    peak: float | None = None
    goal: str = ""
    note: str = ""

    @classmethod
    def of(cls, name: str, pair: Pair, *, peak: float | None = None, goal: str = "",
           note: str = "") -> Line:  # fmt: skip
        """The line of two ways that took turns, in seconds."""
        ratios = pair.ratios
        return cls(
            name, "s", statistics.median(pair.ours), statistics.median(pair.reference),
            statistics.median(ratios), min(ratios), max(ratios), peak, goal, note,
        )  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Lines and the machine they were made on."""

    machine: Machine
    lines: tuple[Line, ...] = field(default_factory=tuple)


def seconds(work: Work) -> float:
    """Of one call; a GPU's work is waited for."""
    settle()
    start = time.perf_counter()
    work()
    settle()
    return time.perf_counter() - start


def settle() -> None:
    """Wait for what a GPU still has to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def alternate(ours: Work, reference: Work, rounds: int = 5, warmup: int = 1) -> Pair:
    """Run two ways in turn.

    Args:
        ours: without arguments; what it returns is thrown away.
        reference: the same.
        rounds: that count.
        warmup: rounds before, that do not.
    """
    mine, theirs = [], []
    for number in range(warmup + rounds):
        # every other round begins with the other one: neither always has the warmer cache
        first = seconds(ours) if number % 2 == 0 else None
        theirs_now = seconds(reference)
        mine.append(seconds(ours) if first is None else first)
        theirs.append(theirs_now)
    return Pair(tuple(mine[warmup:]), tuple(theirs[warmup:]))


def machine() -> Machine:
    """Measure the machine; some seconds."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Machine(
        _processor(device),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        torch.get_num_threads(),
        torch.__version__,
        matmul_peak(torch.float32, device),
        matmul_peak(torch.bfloat16, device),
        copy_peak(device),
    )


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    about = Path("/proc/cpuinfo")
    if about.is_file():
        for row in about.read_text().splitlines():
            if row.startswith("model name"):
                return row.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def matmul_peak(dtype: torch.dtype, device: torch.device) -> float:
    """TFLOP/s of the best square matrix product."""
    found = []
    with torch.inference_mode():
        for side in MATMUL_SIDES:
            left = torch.randn(side, side, device=device).to(dtype)
            right = torch.randn(side, side, device=device).to(dtype)
            first = seconds(lambda a=left, b=right: a @ b)
            again = 0 if first > SLOW_SECONDS else REPEATS
            fastest = min([first, *(seconds(lambda a=left, b=right: a @ b) for _ in range(again))])
            found.append(2 * side**3 / fastest / 1e12)
            if not again:
                break
    return max(found)


def share_of_peak(
    work: Work, flops: float, dtype: torch.dtype, device: torch.device, rounds: int = 5
) -> float:
    """Part of the peak that work reaches (0-1), with matrix products taking turns.

    Args:
        work: without arguments.
        flops: floating-point operations in one call, a multiply-add counted as two.
        dtype: of the products.
        device: of both.
        rounds: that count.
    """
    side = PEAK_SIDE
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    times = max(round(flops / (2 * side**3)), 1)

    def products() -> None:
        with torch.inference_mode():
            for _ in range(times):
                left @ right

    pair = alternate(work, products, rounds)
    done = flops / (times * 2 * side**3)
    return statistics.median(pair.ratios) * done


def copy_peak(device: torch.device) -> float:
    """GB/s of a copy, bytes read and bytes written."""
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    fastest = min(seconds(lambda: target.copy_(source)) for _ in range(REPEATS))
    return 2 * COPY_BYTES / fastest / 1e9


HEADINGS = ("measured", "ours", "reference", "times faster", "of the peak", "goal", "note")


def markdown(lines: Sequence[Line]) -> str:
    """A table, a row a line."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(_cells(line) for line in lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    spread = (
        f" ({line.low:.2f}-{line.high:.2f})"
        if line.low is not None and line.high is not None
        else ""
    )
    return (
        line.name,
        f"{line.ours:.4g} {line.unit}",
        "" if line.reference is None else f"{line.reference:.4g} {line.unit}",
        "" if line.ratio is None else f"{line.ratio:.2f}{spread}",
        "" if line.peak is None else f"{line.peak:.0%}",
        line.goal,
        line.note,
    )


def report(lines: Sequence[Line], json_path: Path | None = None) -> None:
    """Print the table and the machine; write both as JSON where a path is given."""
    here = machine()
    sys.stdout.write(f"{markdown(lines)}\n\n{here.sentence()}\n")
    if json_path is not None:
        found = Report(here, tuple(lines))
        json_path.write_text(json.dumps(asdict(found), indent=2) + "\n", "utf-8")


def read_report(json_path: Path) -> Report:
    """What ``report`` wrote."""
    found = json.loads(json_path.read_text("utf-8"))
    return Report(Machine(**found["machine"]), tuple(Line(**line) for line in found["lines"]))
