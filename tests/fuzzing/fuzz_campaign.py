"""Many cases, one after the other or in worker processes that may die without ending the run."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

import SimpleITK as sitk  # noqa: N813
from fuzz_memory import limit_address_space
from fuzz_mutate import mutate
from fuzz_oracle import (
    SECONDS,
    Verdict,
    judge,
    lay_out,
    read_by_cystgrid,
    same_reading,
    sound_reading,
)
from fuzz_seeds import CANARY, Mutant, Seed, all_seeds

from cystgrid.errors import ScanError
from cystgrid.scans.volume import Volume

BACKSTOP_SECONDS = 2 * SECONDS
"""A worker that is silent for so long hangs where Python's own timer cannot reach it."""


@dataclass(frozen=True)
class Result:
    """One case's verdict.

    Attributes:
        case: its number.
        kind: of its seed.
        story: what was done, steps without effect left out where the reading differs.
        verdict: what it came to.
        left_out: numbers of those steps.
    """

    case: int
    kind: str
    story: tuple[str, ...]
    verdict: Verdict
    left_out: frozenset[int] = frozenset()


def seed_of(case: int) -> Seed:
    """Cases take the seeds in turn."""
    seeds = all_seeds()
    return seeds[case % len(seeds)]


def mutant_of(case: int, seed: int, left_out: frozenset[int] = frozenset()) -> Mutant:
    """One case of the run with ``seed``: the same bytes each time, alone or among others."""
    return mutate(seed_of(case), (seed, case), left_out)


@dataclass
class Bench:
    """A folder to lay cases out in, and the sound readings they are compared with."""

    folder: Path
    sound: dict[str, Volume | None] = field(default_factory=dict)

    def run(self, case: int, seed: int) -> Result:
        """Make one case and judge it; nothing of it stays on disk."""
        left_out: frozenset[int] = frozenset()
        verdict = self._judge(case, seed, left_out)
        if verdict.outcome == "silent":
            left_out = self._without_effect(case, seed)
            if left_out:
                verdict = self._judge(case, seed, left_out)
        story = mutant_of(case, seed, left_out).story
        return Result(case, seed_of(case).kind, story, verdict, left_out)

    def _judge(self, case: int, seed: int, left_out: frozenset[int]) -> Verdict:
        origin = seed_of(case)
        with self._place(case) as place:
            return judge(origin, mutant_of(case, seed, left_out), self._sound(origin), place)

    def _without_effect(self, case: int, seed: int) -> frozenset[int]:
        """Steps that the reading is the same without: what differs is not their doing."""
        left_out: frozenset[int] = frozenset()
        found = self._read(case, seed, left_out)
        for step in range(len(mutant_of(case, seed).story)):
            fewer = self._read(case, seed, left_out | {step})
            if found is not None and fewer is not None and same_reading(fewer, found):
                left_out |= {step}
        return left_out

    def _read(self, case: int, seed: int, left_out: frozenset[int]) -> Volume | None:
        origin, mutant = seed_of(case), mutant_of(case, seed, left_out)
        with self._place(case) as place:
            reference = lay_out(mutant.files, mutant.target, origin.choice, place)
            try:
                return read_by_cystgrid(origin, reference)
            except ScanError:
                return None

    @contextmanager
    def _place(self, name: object) -> Iterator[Path]:
        place = self.folder / f"{CANARY}-{name}"
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _sound(self, origin: Seed) -> Volume | None:
        if origin.kind not in self.sound:
            with self._place("sound") as place:
                try:
                    self.sound[origin.kind] = sound_reading(origin, place)
                except ScanError:  # a form that is refused altogether
                    self.sound[origin.kind] = None
        return self.sound[origin.kind]


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench in a folder of its own, in memory where the machine offers that."""
    memory = Path("/dev/shm")
    root = memory if os.access(memory, os.W_OK) else None
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory(dir=root) as folder:
        yield Bench(Path(folder))


def run_cases(cases: range, seed: int, jobs: int) -> Iterator[Result]:
    """Results in the order in which they come in; a case that kills its worker is one of them."""
    context = mp.get_context("spawn")
    workers = [_Worker(context, cases[number::jobs], seed) for number in range(jobs)]
    try:
        while any(worker.left for worker in workers):
            busy = [worker for worker in workers if worker.left]
            ready = wait([worker.pipe for worker in busy], timeout=1.0)
            for worker in busy:
                yield from worker.collect(worker.pipe in ready)
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A process that works through its cases, watched, and replaced when it dies or hangs."""

    def __init__(self, context, cases: range, seed: int) -> None:
        self.context, self.left, self.seed = context, cases, seed
        self._start()

    def _start(self) -> None:
        self.pipe, far = self.context.Pipe(duplex=False)
        self.process = self.context.Process(
            target=_work, args=(far, self.left, self.seed), daemon=True
        )
        self.process.start()
        far.close()
        self.heard: float | None = None  # set once the worker is up: starting is no case's fault

    def collect(self, ready: bool) -> Iterator[Result]:
        if not ready:
            if self.heard is not None and time.monotonic() - self.heard > BACKSTOP_SECONDS:
                yield self._lost("hang", f"no answer for {BACKSTOP_SECONDS:.0f} s")
            return
        try:
            result = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            yield self._lost("crash", f"the worker died with exit code {self.process.exitcode}")
            return
        self.heard = time.monotonic()
        if isinstance(result, str):
            raise RuntimeError(f"case {self.left[0]} could not be judged: {result}")
        if result is not None:
            self.left = self.left[1:]
            yield result

    def _lost(self, outcome, detail: str) -> Result:
        case = self.left[0]
        self.stop()
        if self.heard is None:
            raise RuntimeError(f"a worker could not start: {detail}")
        self.left = self.left[1:]
        if self.left:
            self._start()
        story = mutant_of(case, self.seed).story
        return Result(case, seed_of(case).kind, story, Verdict(outcome, detail, 0.0, 0.0))

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _work(pipe: Connection, cases: range, seed: int) -> None:
    """The worker's whole life: one result for each case, ``None`` once before the first."""
    _silence_decoders()
    with bench() as here:
        here.run(cases[0], seed)  # imports are no case's memory or time
        limit_address_space()
        pipe.send(None)
        for case in cases:
            try:
                pipe.send(here.run(case, seed))
            except Exception:  # not the reader's fault, but the judge's: the run must stop
                pipe.send(traceback.format_exc())


def _silence_decoders() -> None:
    """Compiled decoders write their complaints straight to the terminal."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)


def keep_case(case: int, seed: int, result: Result, folder: Path) -> Path:
    """Write the files of one case, and what was found, for a closer look."""
    place = folder / f"case-{seed}-{case}"
    place.mkdir(parents=True, exist_ok=True)
    mutant = mutant_of(case, seed, result.left_out)
    for name, data in mutant.files.items():
        (place / name).write_bytes(data)
    found = {
        "seed": seed, "case": case, "kind": result.kind, "read": mutant.target or ".",
        "choice": seed_of(case).choice, "story": result.story,
        "outcome": result.verdict.outcome, "detail": result.verdict.detail,
    }  # fmt: skip
    (place / "case.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
    return place
