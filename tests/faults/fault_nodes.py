"""Nodes of a Ray cluster killed at random moments; others take what they had, to the same bytes."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fault_kills
from fault_world import World, contents

from cystgrid.locking import sole_writer
from cystgrid.training.job import STATE

LONGEST = 4.0
"""Seconds from the first state of a training to the loss of a node, at most."""


@dataclass(frozen=True)
class Loss:
    """A run that lost nodes.

    Attributes:
        nodes: that were killed.
        goes_on: trainings that were put away when a node was killed.
        same: whether the run ended with the bytes of the one on this machine.
    """

    nodes: int
    goes_on: int
    same: bool


def campaign(world: World, runs: int, seed: int, tell) -> list[Loss]:
    """So many runs, each on a head and three nodes of which one or two are killed."""
    alone = world.folder / "alone"
    _crossval(world, alone, None)
    found = []
    with _cluster() as nodes:
        for number in range(runs):
            found.append(_one(world, nodes, contents(alone), random.Random(f"{seed} {number}")))
            tell(f"nodes, run {number + 1} of {runs}: {found[-1]}")
    return found


@contextmanager
def _cluster():
    """A head that takes no training, on which all others may be killed."""
    from ray.cluster_utils import Cluster

    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    try:
        yield nodes
    finally:
        nodes.shutdown()


def _crossval(world: World, run: Path, address: str | None) -> None:
    from cystgrid.study import Study
    from cystgrid.training import nested
    from cystgrid.training.engine import Cluster

    study = Study.read(world.folder / "study.toml")
    before, nested.run_training = nested.run_training, fault_kills.often
    try:
        with sole_writer(run):
            nested.cross_validate(
                world.folder / "prepared", run, study.recipe(), study.splits, quiet=True,
                workers=0 if address is None else None,
                cluster=None if address is None else Cluster(address),
            )  # fmt: skip
    finally:
        nested.run_training = before


def _one(world: World, nodes, expected, lot: random.Random) -> Loss:
    """One run, whose nodes are killed while it goes on."""
    run = world.folder / f"lost-{lot.random()}"
    alive = [nodes.add_node(num_cpus=1) for _ in range(3)]
    moments = sorted(lot.uniform(0.0, LONGEST) for _ in range(lot.randint(1, 2)))
    put_away: list[int] = []

    def states():
        return list(run.glob(f"jobs/*/*/*/{STATE}"))

    def lose():
        while not states():
            time.sleep(0.01)
        began = time.monotonic()
        for moment in moments:
            time.sleep(max(began + moment - time.monotonic(), 0))
            put_away.append(len(states()))
            nodes.remove_node(alive.pop(lot.randrange(len(alive))), allow_graceful=False)

    loser = threading.Thread(target=lose, daemon=True)
    loser.start()
    _crossval(world, run, nodes.address)
    loser.join()
    for node in alive:
        nodes.remove_node(node)
    return Loss(len(moments), sum(put_away), contents(run) == expected)
