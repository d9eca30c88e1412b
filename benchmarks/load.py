"""The page's door for programs under load: throughput, overload, mix-ups, a killed process.

    python benchmarks/load.py [--clients 1,4,16,64] [--seconds 5] [--rounds 3] [--overload 120]
                              [--distinct 10000] [--kills 3] [-o DIR] [--json FILE]

Prepared phantoms of 64 x 64 pixels are sent to ``cystgrid serve``; their voxels are scaled at
random, so that no two requests are alike. The bare model grades the same crops, in the passes that
are fastest for it, in a process that does nothing else; both take turns. All run on so many
threads as OMP_NUM_THREADS says; clients, page and model share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from load_clients import (
    Page,
    Told,
    at_rate,
    crop_of,
    each_once,
    in_turn,
    megabytes,
    requests_of,
    serving,
)
from measuring import Line, markdown, report, seconds

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.preparation.store import Store
from cystgrid.runs import run_train
from cystgrid.study import Study

PATIENTS, REDUCTION, SEED = 9, 3.0, 3
KINDS = 64
"""Different requests of a measurement; 10,000 would not fit into memory."""

PASSES = (1, 4, 16, 32)
"""Patients in one pass of the bare model; the fastest way counts."""

TIMES = 10
"""The overload, in what the page carries."""

RECOVERED = 2.0
"""Times the usual time of one request: below it, the overload is over."""

SETTLED = 0.1
"""Seconds after a kill in which answers from before may still come."""

LOOK = 3.0
"""Seconds between looks at whether answers come again."""

TOLERANCE = 1e-5
"""Between an answer in a pass with others and alone; most neighbours are further apart."""


def prepare(folder: Path, study: Study) -> Path:
    """Prepared phantoms, made where they are not there yet."""
    prepared = folder / "prepared"
    if not (prepared / "prepared.json").exists():
        cohort = write_phantom_cohort(
            folder / "phantoms", patients=PATIENTS, seed=SEED, reduction=REDUCTION
        )
        run_prepare(cohort, prepared, study, quiet=True)
    return prepared


def make_model(folder: Path, name: str, prepared: Path) -> Path:
    """A model of one epoch on phantoms: its answers do not matter here."""
    if (folder / name / "model.json").exists():
        return folder / name
    return run_train(prepared, folder / name, study_of(name), workers=0, quiet=True).parent


def study_of(name: str) -> Study:
    """Of one model; without N4, as only the crops' size matters."""
    return Study.parse(
        {
            "preparation": {"n4": {"enabled": False}},
            "models": {"names": (name,), "vit": "tiny", "weights": "none", "inputs": ("early",)},
            "training": {"epochs": 1, "warmup": 0},
            "deploy": {"folds": 3, "members": 1},
        },
        "benchmark",
    )


def bare(model: Path, prepared: Path, crops: Sequence[bytes], budget: float) -> float:
    """Patients a second of the model alone, in the passes that are fastest for it."""
    patients = _patients(prepared, crops)
    taken = _taken(model)
    taken.probabilities(patients[:2])
    best = 0.0
    for size in PASSES:
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < budget / len(PASSES):
            first = done % (len(patients) - size + 1)
            taken.probabilities(patients[first : first + size])
            done += size
        best = max(best, done / (time.perf_counter() - begun))
    return best


def alone(model: Path, prepared: Path, crops: Sequence[bytes]) -> np.ndarray:
    """Each crop's probabilities by itself, as ``cystgrid predict`` has them."""
    taken = _taken(model)
    return np.array([taken.probabilities([one])[0] for one in _patients(prepared, crops)])


_models: dict[Path, object] = {}


def _taken(model: Path) -> object:
    from cystgrid.training.deployed import load_model

    if model not in _models:
        _models[model] = load_model(model)
    return _models[model]


def _patients(prepared: Path, crops: Sequence[bytes]) -> list[object]:
    store = Store.open(prepared)
    first = store.load(store.patients[0])
    return [replace(first, crop=np.load(io.BytesIO(crop))) for crop in crops]


def throughput(
    page: Page, requests: Sequence[bytes], clients: Sequence[int], length: float
) -> list[tuple[int, list[Told], float]]:
    """Answers by number of clients, and the seconds they took."""
    found = []
    for count in clients:
        begun = time.perf_counter()
        told = asyncio.run(in_turn(page, requests, count, begun + length))
        found.append((count, told, time.perf_counter() - begun))
    return found


def milliseconds(told: Sequence[Told], share: float) -> float:
    """The time within which a share of them came."""
    return 1000 * float(np.quantile([each.seconds for each in told], share))


def measure_throughput(
    name: str, model: Path, prepared: Path, asked: argparse.Namespace, pool: ProcessPoolExecutor
) -> list[Line]:
    """Clients against throughput and latency, beside the bare model's."""
    counts = [int(each) for each in asked.clients.split(",")]
    rates: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    times: dict[int, list[Told]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder)) as page:
        requests = requests_of(prepared, page, KINDS)
        crops = [crop_of(each) for each in requests]
        asyncio.run(each_once(page, requests[:4], 1))
        for _ in range(asked.rounds):
            for count, told, took in throughput(page, requests, counts, asked.seconds):
                good = [each for each in told if each.status == 200]
                assert len(good) == len(told), {each.status for each in told}
                beside = pool.submit(bare, model, prepared, crops, asked.seconds).result()
                rates[count].append((len(good) / took, beside))
                times[count] += good
    return [_throughput_line(name, count, rates[count], times[count]) for count in counts]


def _throughput_line(
    name: str, count: int, rates: list[tuple[float, float]], told: list[Told]
) -> Line:
    shares = [ours / theirs for ours, theirs in rates]
    p50, p95, p99 = (milliseconds(told, share) for share in (0.5, 0.95, 0.99))
    return Line(
        f"{name}, {count} client{'s' * (count > 1)}, patients a second (reference: bare model)",
        "1/s", statistics.median(ours for ours, _ in rates),
        statistics.median(theirs for _, theirs in rates), statistics.median(shares),
        min(shares), max(shares), goal=">= 0.8" if count >= max(16, count) else "",
        note=f"p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms",
    )  # fmt: skip


def measure_overload(name: str, model: Path, prepared: Path, length: float) -> list[Line]:
    """Ten times what the page carries, and how it comes out of that."""
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder)) as page:
        requests = requests_of(prepared, page, KINDS)
        asyncio.run(each_once(page, requests[:4], 1))
        ((_, told, took),) = throughput(page, requests, [32], 5)
        carried = len(told) / took
        usual = statistics.median(each.seconds for each in asyncio.run(_singly(page, requests, 5)))
        found, unsent, memory = asyncio.run(
            _watched(page, at_rate(page, requests, TIMES * carried, length))
        )
        ended = time.perf_counter()
        while asyncio.run(_singly(page, requests, 1))[0].seconds > RECOVERED * usual:
            pass
        recovered = time.perf_counter() - ended
    _tell_memory(name, memory, length)
    good = [each for each in found if each.status == 200]
    refused = [each for each in found if each.status == 503]
    assert all("retry-after" in each.headers for each in refused)
    other = len(found) - len(good) - len(refused)
    offered = len(found) / length
    return [
        Line(f"{name}, overload {length:.0f} s: offered", "1/s", offered, carried,
             offered / carried, goal="10 times", note=f"{unsent} could not be sent in time"),
        Line("answered meanwhile", "1/s", len(good) / length, carried,
             len(good) / length / carried, note=f"{other} neither 200 nor 503"),
        Line("503 with Retry-After, p50", "ms", milliseconds(refused, 0.5),
             note=f"{len(refused) / len(found):.1%} of all"),
        Line("503, p99", "ms", milliseconds(refused, 0.99), goal="< 100 ms",
             note=f"slowest {milliseconds(refused, 1):.0f} ms"),
        Line("recovered after", "s", recovered, goal="< 5 s",
             note=f"one request below {RECOVERED:.0f} times its usual {1000 * usual:.0f} ms"),
        _growth(memory, length),
    ]  # fmt: skip


async def _singly(page: Page, requests: Sequence[bytes], count: int) -> list[Told]:
    return await each_once(page, requests[:count], 1)


async def _watched(page: Page, work) -> tuple[list[Told], int, list[dict[str, float]]]:  # noqa: ANN001
    """The work's answers, and memory once a second meanwhile."""
    rows: list[dict[str, float]] = []
    begun = time.perf_counter()

    async def watch() -> None:
        while True:
            processes = sorted(map(megabytes, page.children()))
            rows.append({"seconds": time.perf_counter() - begun, "page": megabytes(page.number),
                         "processes": sum(processes)})  # fmt: skip
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    told, unsent = await work
    watching.cancel()
    return told, unsent, rows


def _tell_memory(name: str, rows: Sequence[dict[str, float]], length: float) -> None:
    """A small table on the terminal."""
    sys.stderr.write(f"{name}, memory in the overload\n\n| s | page, MB | its processes, MB |\n")
    sys.stderr.write("| --- | --- | --- |\n")
    for row in rows[:: max(len(rows) // 10, 1)]:
        sys.stderr.write(f"| {row['seconds']:.0f} | {row['page']:.0f} | {row['processes']:.0f} |\n")


def _growth(rows: Sequence[dict[str, float]], length: float) -> Line:
    """From the second quarter's highest to the last one's: the first is still filling its queue."""
    quarters = np.array_split([row["page"] + row["processes"] for row in rows], 4)
    before, after = float(quarters[1].max()), float(quarters[3].max())
    return Line("page and its processes, last quarter's most", "MB", after, before,
                note="reference: the second quarter's", goal="flat")  # fmt: skip


def measure_distinct(model: Path, prepared: Path, count: int, pool: ProcessPoolExecutor) -> Line:
    """So many different requests, 64 at a time, each compared with its own answer alone."""
    worst, wrong, swapped, batch = 0.0, 0, 0, 1000
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder)) as page:
        for first in range(0, count, batch):
            requests = requests_of(prepared, page, min(batch, count - first), seed=first)
            told = asyncio.run(each_once(page, requests, 64))
            answers = [json.loads(each.body) for each in told]
            found = np.array([each["probabilities"] for each in answers])
            crops = [crop_of(each) for each in requests]
            own = pool.submit(alone, model, prepared, crops).result()
            wrong += sum(each["patient"] != f"D{n}" for n, each in enumerate(answers))
            apart = np.abs(found - own).max(axis=1)
            wrong += int((apart > TOLERANCE).sum())
            swapped += int((np.abs(found - np.roll(own, 1, axis=0)).max(axis=1) > TOLERANCE).sum())
            worst = max(worst, float(apart.max()))
    return Line(
        f"{count:,} distinct requests, 64 at a time: mix-ups", "", wrong, goal="0",
        note=f"largest difference to the answer alone {worst:.1e}; with a neighbour's answer "
        f"{swapped:,} would be found",
    )  # fmt: skip


def measure_kills(model: Path, prepared: Path, kills: int) -> list[Line]:
    """The process that grades is killed under load of eight clients."""
    back, errors = [], []
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder)) as page:
        reading = page.children()
        requests = requests_of(prepared, page, KINDS)
        for _ in range(kills):
            asyncio.run(each_once(page, requests[:8], 4))
            (number,) = page.children() - reading
            begun, told = asyncio.run(_killed(page, requests, number))
            back.append(min(_back(begun, told)))
            errors.append(sum(each.status != 200 for each in told))
    return [
        Line("killed process: until the next answer", "s", statistics.median(back), low=min(back),
             high=max(back), goal="< 10 s", note=f"{kills} kills, slowest {max(back):.1f} s"),
        Line("requests that a kill ended, 8 clients", "", statistics.median(errors),
             note="all 503 with Retry-After; the others waited and were answered"),
    ]  # fmt: skip


async def _killed(page: Page, requests: Sequence[bytes], number: int) -> tuple[float, list[Told]]:
    """When the process was killed, and all answers until some time after the next good one."""
    told: list[Told] = []
    killed = 0.0
    while not killed or not _back(killed, told):
        asking = asyncio.create_task(in_turn(page, requests, 8, time.perf_counter() + LOOK))
        if not killed:
            await asyncio.sleep(LOOK / 2)
            os.kill(number, signal.SIGKILL)
            killed = time.perf_counter()
        told += await asking
    return killed, told


def _back(killed: float, told: Sequence[Told]) -> list[float]:
    """Seconds from a kill to every good answer after it."""
    since = [each.at - killed for each in told if each.status == 200]
    return [each for each in since if each > SETTLED]


def timed(what: str, work: Callable[[], object]) -> None:
    """Do it, and say how long it took."""
    sys.stderr.write(f"{what}: {seconds(work):.0f} s\n")


def main() -> None:
    """Measure, print the table, write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="vit,resnet18", help="of the throughput")
    parser.add_argument("--clients", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--overload", type=float, default=20, help="seconds")
    parser.add_argument("--distinct", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--only", default="throughput,overload,distinct,kills")
    parser.add_argument("-o", "--output", type=Path, help="keep phantoms and models here")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # that no page is left behind
    lines: list[Line] = []
    pool = ProcessPoolExecutor(1, get_context("spawn"))  # whose memory and threads are its own
    with tempfile.TemporaryDirectory() as name, pool:
        folder, names = asked.output or Path(name), asked.models.split(",")
        prepared = prepare(folder, study_of(names[0]))
        models = {each: make_model(folder, each, prepared) for each in names}
        first = models[names[0]]
        parts: dict[str, Callable[[], list[Line]]] = {
            "throughput": lambda: [
                line for each, model in models.items()
                for line in measure_throughput(each, model, prepared, asked, pool)
            ],
            "overload": lambda: measure_overload(names[0], first, prepared, asked.overload),
            "distinct": lambda: [measure_distinct(first, prepared, asked.distinct, pool)],
            "kills": lambda: measure_kills(first, prepared, asked.kills),
        }  # fmt: skip
        for part in asked.only.split(","):
            before = len(lines)
            timed(part, lambda part=part: lines.extend(parts[part]()))
            sys.stderr.write(f"{markdown(lines[before:])}\n")  # a long run may be cut short
    report(lines, asked.json)


if __name__ == "__main__":
    main()
