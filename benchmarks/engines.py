"""What the engines cost: two workers against one, Ray against processes, a node lost, empty jobs.

    python benchmarks/engines.py [--json FILE] [--patients 18] [--epochs 12] [--rounds 2] [--jobs N]

draws and prepares phantoms, cross-validates a ResNet18 from random weights on them (12 trainings)
by each engine, and compares every predictions.csv to the byte: one that differs is an error. Ray's
cluster is two nodes of one core each on this machine; without ray its lines are left out. It
needs two idle cores; other work on the machine makes every figure wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measuring import Line, Pair, alternate, report, seconds

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohort.splits import SplitSettings
from cystgrid.cohorts import run_prepare
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import ModelSettings
from cystgrid.provenance import write_text
from cystgrid.study import Study, shipped_study
from cystgrid.training.engine import Cluster, open_engine, run_jobs
from cystgrid.training.nested import cross_validate
from cystgrid.training.recipe import Recipe
from cystgrid.training.settings import TrainingSettings

SPLITS = SplitSettings(folds=4)
"""Four outer folds of three inner ones: 12 trainings."""

REDUCTION = 2.0
"""In-plane pixels of the phantoms are this much larger than a real scan's, to be made faster."""

FEW = 4
"""Empty jobs of the short run: what many cost beyond it is the cost of a job, without the start."""


@dataclass(frozen=True)
class Empty:
    """A job that does nothing but leave its record."""

    prepared: Path
    folder: Path
    recipe: Recipe
    model: str = "resnet18"
    epochs: int = 1

    @property
    def record(self) -> Path:
        """Written last, as every job does."""
        return self.folder / "job.json"


def leave_record(job: Empty, tick: Callable[[], None]) -> None:
    """Run an empty job."""
    tick()
    write_text(job.record, "{}\n")


class Bench:
    """Cross-validations of one small study, each in a new folder."""

    def __init__(self, folder: Path, patients: int, epochs: int) -> None:
        cohort = write_phantom_cohort(
            folder / "phantoms", patients=patients, seed=20, reduction=REDUCTION, quiet=True
        )
        self.folder, self.prepared = folder, folder / "prepared"
        run_prepare(cohort, self.prepared, Study.read(shipped_study("demo")), quiet=True)
        self.recipe = Recipe(
            grid=GridSettings(pixels=32),
            models=ModelSettings(names=("resnet18",), weights="none"),
            training=TrainingSettings(epochs=epochs, warmup=1),
        )
        self.runs = 0
        self.bytes: bytes | None = None

    def validate(self, workers: int | None, cluster: Cluster | None = None) -> Path:
        """A cross-validation in a new folder.

        Raises:
            SystemExit: its predictions are not those of the ones before, to the byte.
        """
        run = self.new_folder()
        path = cross_validate(
            self.prepared, run, self.recipe, SPLITS, workers=workers, cluster=cluster, quiet=True
        )
        found = path.read_bytes()
        self.bytes = self.bytes or found
        if found != self.bytes:
            raise SystemExit(f"error: {path}: other bytes than the engine before")
        return run

    def empty_jobs(self, number: int, workers: int | None, cluster: Cluster | None) -> float:
        """Seconds of so many jobs that do nothing; the engine stands already."""
        top = self.new_folder()
        jobs = [Empty(self.prepared, top / str(each), self.recipe) for each in range(number)]
        with open_engine(cluster, workers, 1) as engine:
            start = time.perf_counter()
            run_jobs(jobs, leave_record, engine, title="empty jobs", quiet=True)
            return time.perf_counter() - start

    def new_folder(self) -> Path:
        """Of the next run."""
        self.runs += 1
        return self.folder / f"run-{self.runs}"


def overhead(
    bench: Bench, name: str, number: int, workers: int | None, cluster: Cluster | None
) -> Line:
    """What one more job costs."""
    few, many = (bench.empty_jobs(count, workers, cluster) for count in (FEW, FEW + number))
    return Line(
        f"a job that does nothing, {name}", "ms", 1e3 * (many - few) / number,
        note=f"of {number}, two at a time; it writes one file",
    )  # fmt: skip


def local_lines(bench: Bench, rounds: int, number: int) -> list[Line]:
    """Worker processes of this machine."""
    scaling = alternate(lambda: bench.validate(2), lambda: bench.validate(1), rounds, warmup=0)
    return [
        Line.of("12 trainings, 2 workers (reference: 1)", scaling, goal="close to 2 times"),
        overhead(bench, "2 workers", number, 2, None),
    ]


@contextmanager
def two_nodes() -> Iterator[tuple[Any, Cluster]]:
    """A head and another node, one core each; nodes find this script's classes beside it."""
    from ray.cluster_utils import Cluster as Nodes

    logging.getLogger("ray").setLevel(logging.ERROR)
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    try:
        yield nodes, Cluster(nodes.address)
    finally:
        nodes.shutdown()


def ray_lines(bench: Bench, rounds: int, number: int) -> list[Line]:
    """Two nodes of a Ray cluster, and what the loss of one costs."""
    with two_nodes() as (nodes, cluster):
        same = alternate(
            lambda: bench.validate(None, cluster), lambda: bench.validate(2), rounds, warmup=0
        )
        lines = [
            Line.of("12 trainings, Ray with 2 nodes (reference: 2 workers)", same,
                    note="connecting and the look at the nodes included"),
            overhead(bench, "Ray with 2 nodes", number, None, cluster),
        ]  # fmt: skip
        whole = seconds(lambda: bench.validate(None, cluster))
        lost = seconds(lambda: lose_a_node(bench, nodes, cluster))
        lines.append(
            Line.of(
                "12 trainings, one of 2 nodes killed at half (reference: both stay)",
                Pair((lost,), (whole,)),
                note="same bytes; the other node goes on alone; one run of each",
            )
        )
    return lines


def lose_a_node(bench: Bench, nodes: Any, cluster: Cluster) -> None:
    """Kill a node when half of the trainings are done; the other goes on alone."""
    done = threading.Event()
    doomed = nodes.list_all_nodes()[-1]
    run = bench.folder / f"run-{bench.runs + 1}"

    def kill() -> None:
        while not done.is_set():
            if len(list(run.glob("jobs/*/*/*/job.json"))) >= 6:
                nodes.remove_node(doomed, allow_graceful=False)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        bench.validate(None, cluster)
    finally:
        done.set()
        killer.join()
    if doomed in nodes.list_all_nodes():
        raise SystemExit("error: the run ended before its node could be killed; more --epochs")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--patients", type=int, default=18)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=100, help="empty ones")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), asked.patients, asked.epochs)
        lines = local_lines(bench, asked.rounds, asked.jobs)
        if find_spec("ray"):
            lines += ray_lines(bench, asked.rounds, asked.jobs)
        else:
            sys.stderr.write("ray is not installed: no lines of it\n")
        report(lines, asked.json)


if __name__ == "__main__":
    main()
