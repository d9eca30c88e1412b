"""A cross-validation killed again and again; what it ends with is compared byte by byte."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fault_points import act_at_points, count_into, kill_at, kind_of
from fault_world import World, contents

import cystgrid.runs
import cystgrid.training.nested
from cystgrid.locking import half_written
from cystgrid.provenance import write_text
from cystgrid.results import Results
from cystgrid.training import keeping
from cystgrid.training.job import STATE, run_training
from cystgrid.verifying.verify import verify

WHOLE = 20
"""Of so many kills one has the real tables and figures, which take longer than all the rest."""

WORKERS = 20
"""And one has worker processes, which are killed with their group."""


TOLD = 130, "stopped; the same command goes on where it was"


@dataclass(frozen=True)
class Kill:
    """One run that was killed, once or more, and went on.

    Attributes:
        how: it was to be killed.
        moments: what was on disk after each kill, in words.
        same: whether the run ended with the bytes of the one that was never killed.
        said: what was said when it did not.
    """

    how: str
    moments: tuple[str, ...]
    same: bool
    said: str = ""


def often(job, tick) -> None:
    """Run a training that is put away after every step."""
    keeping.EVERY_SECONDS = keeping.SHARE = 0
    run_training(job, tick)


def whole() -> None:
    """In a child: everything as it is, but trainings that are put away often."""
    cystgrid.training.nested.run_training = often


def quick() -> None:
    """In a child: one small table instead of all tables and figures too."""
    whole()

    def write_results(run, path, store, recipe, *, quiet):
        table = run / "tables" / "table1.csv"
        write_text(table, f"{len(path.read_bytes())}\n")
        return Results(None, [table], [])

    cystgrid.runs.write_results = write_results


class Reference:
    """The run that is never killed: its bytes, its points, how long it takes."""

    def __init__(self, world: World, name: str, words: tuple[object, ...], prepare) -> None:
        self.world, self.more, self.prepare = world, words, prepare
        folder, points = world.folder / name, world.folder / f"{name}.points"

        def before():
            prepare()
            act_at_points(folder, count_into(points))

        began = time.monotonic()
        code, said = world.run(*world.crossval(folder, *words), before=before)
        assert code == 0, said
        self.seconds = time.monotonic() - began
        self.bytes = contents(folder)
        self.folder = folder
        lines = points.read_text().splitlines() if points.exists() else []
        self.points = Counter(tuple(line.split("\t")) for line in lines)

    def goes_on(self, run: Path) -> tuple[bool, str]:
        """Run to the end; whether all bytes are the reference's, and what was said."""
        code, said = self.world.run(*self.world.crossval(run, *self.more), before=self.prepare)
        found = contents(run)
        other = sorted(n for n in {*found, *self.bytes} if found.get(n) != self.bytes.get(n))
        return code == 0 and not other, f"{code} {said} {other[:3]}"


def moment_on_disk(run: Path, trainings: int) -> str:
    """What a killed run has come to, by what lies there."""
    half = half_written(run) if run.is_dir() else []
    if half:
        whole = half[0].with_name(half[0].name[1:].rpartition(".tmp")[0].rpartition(".")[0])
        return f"half-written: {kind_of(whole.relative_to(run).as_posix(), run)}"
    done = len(list(run.glob("jobs/*/*/*/job.json")))
    if not (run / "run.json").exists():
        return "before run.json"
    if (run / "SHA256SUMS").exists() and (run / "tables").exists():
        return "while the last files go on record"
    if done == trainings:
        return "trainings done, tables not"
    where = "before the first training is done" if not done else "between first and last training"
    return f"{where}, one put away" if list(run.glob(f"jobs/*/*/*/{STATE}")) else where


def kill_once(reference: Reference, run: Path, lot: random.Random, *, at_point: bool) -> str:
    """Begin, or go on with, a run and kill its process group; how, in words."""
    world, words = reference.world, reference.world.crossval(run, *reference.more)
    if at_point:
        (kind, moment), count = lot.choice(sorted(reference.points.items()))
        turn = lot.randint(1, count)

        def before():
            reference.prepare()
            act_at_points(run, kill_at(kind, moment, turn))

        world.start(*words, before=before).wait()
        return f"{moment}: {kind}"
    child = world.start(*words, before=reference.prepare)
    time.sleep(lot.uniform(0.02, 0.98) * reference.seconds)
    child.kill()
    return "at a random time"


@dataclass(frozen=True)
class Interrupt:
    """A run that was stopped by Ctrl-C.

    Attributes:
        times: it was pressed.
        said: with the exit code before it.
        right: one line and the contract's code, nothing lost, and the same bytes in the end.
    """

    times: int
    said: str
    right: bool


def interrupts(world: World, reference: Reference, count: int, seed: int) -> list[Interrupt]:
    """Press Ctrl-C at random moments, once and twice in turn."""
    found = []
    for number in range(count):
        lot = random.Random(f"{seed} interrupt {number}")
        run, times = world.folder / f"interrupted-{number}", 1 + number % 2
        child = world.start(*world.crossval(run), before=reference.prepare)
        time.sleep(lot.uniform(0.05, 0.6) * reference.seconds)
        late = child.ended()
        for _ in range(times):
            child.send(signal.SIGINT)
            time.sleep(0.02)
        code, said = child.wait(), child.text()
        lost = verify(run, quiet=True).lost if (run / "run.json").exists() else ()
        same, _ = reference.goes_on(run)
        right = same and not lost and (code, said) == ((0, "") if late else TOLD)
        found.append(Interrupt(times, f"{code}: {said}", right))
        shutil.rmtree(run, ignore_errors=True)
    return found


def campaign(world: World, kills: int, seed: int, tell) -> list[Kill]:
    """Kill, go on, compare; so many times."""
    plain = Reference(world, "reference", (), quick)
    tables = Reference(world, "reference-whole", (), whole) if kills >= WHOLE else plain
    several = Reference(world, "reference-workers", ("--workers", 2), whole) if (
        kills >= WORKERS
    ) else plain  # fmt: skip
    found: list[Kill] = []
    for number in range(kills):
        lot = random.Random(f"{seed} {number}")
        kind = {WHOLE - 1: tables, WORKERS // 2: several}.get(number % WHOLE, plain)
        found.append(_one(kind, lot, number, twice=number % 4 == 3, workers=kind is several))
        tell(f"kill {number + 1} of {kills}: {found[-1]}")
    return found


def _one(reference: Reference, lot, number: int, *, twice: bool, workers: bool) -> Kill:
    run = reference.world.folder / f"killed-{number}"
    trainings = sum(name.endswith("job.json") for name in reference.bytes)
    hows, moments = [], []
    for _ in range(2 if twice else 1):
        at_point = bool(reference.points) and not workers and lot.random() < 0.5
        hows.append(kill_once(reference, run, lot, at_point=at_point))
        moments.append(moment_on_disk(run, trainings))
    same, said = reference.goes_on(run)
    shutil.rmtree(run, ignore_errors=True)
    return Kill("; then, in the resume, ".join(hows), tuple(moments), same, "" if same else said)
