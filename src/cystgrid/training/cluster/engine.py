"""Jobs on a Ray cluster.

Every job is idempotent: a node that is lost costs the jobs that ran on it, and Ray gives them to
others. A job that raises is not repeated. Who runs what decides no byte, so all nodes must be
alike: each is asked before the first job, and each job looks again.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from cystgrid.errors import StoreError, UsageError
from cystgrid.interrupts import say_stopping
from cystgrid.processes import worker_count
from cystgrid.progress import Advance
from cystgrid.provenance import sha256_file, write_bytes, write_text
from cystgrid.training.cluster import visit
from cystgrid.training.cluster.connection import connected
from cystgrid.training.cluster.needs import Need, absolute, needs_of, pack
from cystgrid.training.cluster.nodes import (
    Load,
    Node,
    able_nodes,
    agreed_site,
    ask,
    live_nodes,
    on_node,
    share_of_gpu,
)
from cystgrid.training.cluster.progress import Progress
from cystgrid.training.engine import Cluster, Job, Run
from cystgrid.training.site import Site

RETRIES = 5
"""Of a job whose node or process was lost. One that ends its node each time must end the run."""

POLL_SECONDS = 0.5
"""Between two looks at the bar while nothing ends."""

SWEEP_SECONDS = 60.0
"""For nodes to remove what was shipped to them: a busy one takes a while to start a process."""

STOP_SECONDS = 60.0
"""For trainings to be put away when the run is stopped."""

ARRIVAL_SECONDS = 120.0
"""Until a file that a node wrote is seen here: NFS answers from its cache for up to a minute."""

Looks = Mapping[Node, tuple[bool, tuple[Need, ...]]]


@contextmanager
def open_ray(cluster: Cluster, workers: int | None, threads: int) -> Iterator[RayEngine]:
    """Connect, and ask every node that can take a job what it is like.

    Args:
        cluster: how Ray is asked.
        workers: jobs at a time, at most; None for as many as the nodes carry.
        threads: of the processor, that a job uses.

    Raises:
        UsageError: no node can take a job, or no worker is allowed.
        SettingsError: no Ray.
        StoreError: nodes that differ, from each other or from this cystgrid.
    """
    if workers == 0:
        raise UsageError(
            "--workers", got=0, expected="at least 1 with --engine ray", do="leave it out"
        )
    cpus = cluster.job_cpus or threads
    cores = max(worker_count(None), (workers or 1) * cpus)
    with connected(cluster.address, cores, debug=cluster.debug):
        nodes = live_nodes()
        gpus = share_of_gpu(nodes, cpus) if cluster.job_gpus is None else cluster.job_gpus
        load = Load(cpus, gpus)
        able = able_nodes(nodes, load)
        sites = ask(able, visit.site_of_node, gpus, load=load, say=cluster.say)
        yield RayEngine(tuple(sites), agreed_site(sites), load, workers, cluster.say)


@dataclass(frozen=True)
class RayEngine:
    """The nodes of a cluster.

    Attributes:
        nodes: that can take a job.
        site: what they are like.
        load: that a job puts on a node.
        workers: jobs at a time, at most; None for as many as the nodes carry.
        say: takes what a user should know of the nodes.
    """

    nodes: Sequence[Node]
    site: Site
    load: Load
    workers: int | None
    say: Callable[[str], None]

    def run(self, jobs: Sequence[Job], run: Run, advance: Advance) -> None:
        """Run every job; the first failure stops the rest and is raised as it was.

        Raises:
            StoreError: a job lost its node too often, or its result is not seen here.
        """
        if not jobs:
            return
        placed = [_absolute(job) for job in jobs]
        with self._errand(placed) as errand:
            progress = Progress(advance, [job.epochs for job in placed])
            self._give_out(placed, run, ray.put(errand), progress)

    @contextmanager
    def _errand(self, jobs: Sequence[Job]) -> Iterator[visit.Errand]:
        """Within it, nodes find what the jobs need; at its end nothing of ours is left there."""
        name = f"cystgrid-{secrets.token_hex(8)}"
        top = Path(os.path.commonpath([job.folder for job in jobs]))
        token = visit.Token(top / f".{name}", secrets.token_hex(16))
        needs = needs_of(jobs)
        write_text(token.path, token.content)
        unpacked = False
        try:
            looks = ask(self.nodes, visit.look, token, needs, load=self.load, say=self.say)
            unseen = [need for need in needs if any(need in lacks for _, lacks in looks.values())]
            unpacked = not all(sees and not lacks for sees, lacks in looks.values())
            self.say(self._sentence(looks, len(unseen)))
            parcels = tuple(pack(need) for need in unseen)
            yield visit.Errand(self.site, token, needs, parcels, name, self.load.gpus)
        finally:
            token.path.unlink(missing_ok=True)
            if unpacked:
                self._sweep(name)

    def _sentence(self, looks: Looks, shipped: int) -> str:
        at_once = sum(node.carries(self.load) for node in looks)
        if self.workers is not None:
            at_once = min(at_once, self.workers)
        apart = [node.name for node, (sees, _) in looks.items() if not sees]
        results = "are written by the nodes, which share their folder"
        if apart:
            results = f"are fetched, since {', '.join(apart)} cannot write where they belong"
        data = f"; data sets and files shipped: {shipped}" if shipped else ""
        return (
            f"ray: nodes: {len(looks)}; trainings at a time: {at_once}; of each, CPUs: "
            f"{self.load.cpus:g}, GPUs: {self.load.gpus:.3g}{data}; results {results}"
        )

    def _sweep(self, name: str) -> None:
        task = ray.remote(num_cpus=0, max_retries=0)(visit.sweep)
        sweeps = {
            task.options(scheduling_strategy=on_node(node)).remote(name): node
            for node in live_nodes()
        }
        _, late = ray.wait(list(sweeps), num_returns=len(sweeps), timeout=SWEEP_SECONDS)
        for ref in late:
            self.say(
                f"ray: node {sweeps[ref].name} has not answered for {SWEEP_SECONDS:g} s: "
                f"if it is still there, remove the folder {name} from its temporary files"
            )

    def _give_out(self, jobs: Sequence[Job], run: Run, errand: Any, progress: Progress) -> None:
        task = ray.remote(visit.take).options(
            num_cpus=self.load.cpus,
            num_gpus=self.load.gpus,
            max_retries=RETRIES,
            retry_exceptions=False,
            scheduling_strategy="SPREAD",
        )
        waiting = deque(range(len(jobs)))
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and (self.workers is None or len(running) < self.workers):
                    number = waiting.popleft()
                    ref = task.remote(jobs[number], run, errand, progress.tally, number)
                    running[ref] = number
                done, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
                for ref in done:
                    number = running.pop(ref)
                    _receive(jobs[number], ref)
                    progress.finish(number)
                progress.update()
        except KeyboardInterrupt:
            _put_away(running)
            raise
        finally:
            for ref in running:
                with suppress(RayError):
                    ray.cancel(ref, force=True)


def _put_away(running: Iterable[Any]) -> None:
    """Have what is under way put away and ended; a second Ctrl-C waits no longer."""
    say_stopping()
    for ref in running:
        with suppress(RayError):
            ray.cancel(ref)  # to the training as a Ctrl-C
    ray.wait(list(running), num_returns=len(list(running)), timeout=STOP_SECONDS)


def _absolute(job: Job) -> Any:
    """The job with paths that do not depend on the working directory."""
    models = job.recipe.models.beside(Path.cwd())
    return replace(
        job,  # type: ignore[type-var]
        prepared=absolute(job.prepared),
        folder=absolute(job.folder),
        recipe=job.recipe.model_copy(update={"models": models}),
    )


def _receive(job: Job, ref: Any) -> None:
    """Have a finished job's files where they belong, its record last; or raise what it raised."""
    try:
        result: visit.Result = ray.get(ref)
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        words = " ".join(str(error).split())
        raise StoreError(
            "--engine ray",
            got=f"{type(error).__name__} after {RETRIES} more tries of one training ({words})",
            expected="a finished training",
            do="give a node fewer of them (--job-cpus, --job-gpus), and run again: it goes on",
        ) from error
    if result.files is None:
        _await(job.record, result.record)
        return
    for name in sorted(result.files, key=lambda name: name == job.record.name):
        write_bytes(job.folder / name, result.files[name])


def _await(path: Path, sha256: str) -> None:
    """Wait until what a node wrote into the shared folder is seen here.

    Raises:
        StoreError: it is not.
    """
    last = time.monotonic() + ARRIVAL_SECONDS
    while True:
        with suppress(OSError):
            list(path.parent.iterdir())  # reading a folder makes NFS ask again
            if sha256_file(path) == sha256:
                return
        if time.monotonic() > last:
            raise StoreError(
                path,
                got="no such file, or another, after a node wrote it",
                expected="the same folder here and there",
                do="look at the network file system, and run again: it goes on",
            )
        time.sleep(POLL_SECONDS)
