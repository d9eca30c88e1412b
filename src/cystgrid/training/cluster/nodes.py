"""The nodes of a cluster: which can take a job, and what each of them says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import ray
from ray.exceptions import NodeDiedError, RayError, RayTaskError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cystgrid.errors import StoreError, UsageError
from cystgrid.training.site import Site, this_site

Answer = TypeVar("Answer")
Say = Callable[[str], None]

JOBS_A_GPU = 4
"""At most, where nobody says: a ViT-B and its contexts in 4 processes fill a card of 16 GB."""

PATIENCE = 20.0
"""Seconds without an answer after which a user is told which nodes are waited for."""

GONE = (NodeDiedError, TaskUnschedulableError)
"""What Ray raises where a task was bound to a node that is no longer there."""

ROUNDING = 1e-3
"""Three thirds of a GPU are a whole one."""


@dataclass(frozen=True)
class Load:
    """What a job reserves on its node: cores, and GPUs or a part of one."""

    cpus: float
    gpus: float


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    Attributes:
        id: Ray's.
        name: as its owner knows it.
        cpus, gpus: that it gives away.
    """

    id: str
    name: str
    cpus: float
    gpus: float

    def carries(self, load: Load) -> int:
        """How many jobs it can run at a time."""
        by_cpus = int(self.cpus / load.cpus)
        return min(by_cpus, int(self.gpus / load.gpus + ROUNDING)) if load.gpus else by_cpus


def live_nodes() -> list[Node]:
    """All nodes, in the order of their names."""
    found = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            found.append(Node(node["NodeID"], name, has.get("CPU", 0), has.get("GPU", 0)))
    return sorted(found, key=lambda node: (node.name, node.id))


def share_of_gpu(nodes: Sequence[Node], cpus: float) -> float:
    """What a job reserves where nobody says: none without GPUs, else what keeps the cores busy."""
    jobs = [node.cpus / cpus / node.gpus for node in nodes if node.gpus]
    if not jobs:
        return 0
    return 1 / max(min(int(min(jobs)), JOBS_A_GPU), 1)


def able_nodes(nodes: Sequence[Node], load: Load) -> list[Node]:
    """Those that can take a job.

    Raises:
        UsageError: none can.
    """
    able = [node for node in nodes if node.carries(load)]
    if not able:
        most = max(nodes, key=lambda node: (node.gpus, node.cpus))
        raise UsageError(
            "--job-cpus, --job-gpus",
            got=f"{load.cpus:g} CPUs and {load.gpus:g} GPUs a job",
            expected=f"at most what a node has ({most.name}: {most.cpus:g} and {most.gpus:g})",
            do="lower them",
        )
    return able


def ask(
    nodes: Sequence[Node],
    question: Callable[..., Answer],
    *arguments: Any,
    load: Load,
    say: Say,
) -> dict[Node, Answer]:
    """Ask every node, each by a task of its own with a job's resources.

    Args:
        nodes: whom to ask.
        question: a function of a module; it runs there.
        arguments: of it.
        load: of a job.
        say: told once, if some take long.

    Returns:
        The answers of those that are still there: Ray lists a lost node for some seconds more.

    Raises:
        StoreError: a node cannot answer (no cystgrid there), or all went away.
    """
    task = ray.remote(question)
    pending = {
        task.options(
            num_cpus=load.cpus,
            num_gpus=load.gpus,
            max_retries=0,
            scheduling_strategy=on_node(node),
        ).remote(*arguments): node
        for node in nodes
    }
    answers, told = {}, False
    while pending:
        done, _ = ray.wait(list(pending), num_returns=1, timeout=PATIENCE)
        for ref in done:
            node = pending.pop(ref)
            try:
                answers[node] = _answer(ref, node)
            except GONE:
                say(f"ray: {node.name} went away and is left out")
        if not done and not told:
            say(f"ray: waiting for {', '.join(node.name for node in pending.values())}")
            told = True
    if not answers:
        raise StoreError(
            "--engine ray",
            got="no answer: all nodes went away",
            expected="a node that takes trainings",
            do="see to the cluster, and run again: it goes on",
        )
    return answers


def on_node(node: Node) -> Any:
    """Ray's way to say that a task runs there or nowhere."""
    return NodeAffinitySchedulingStrategy(node.id, soft=False)


def _answer(ref: Any, node: Node) -> Any:
    try:
        return ray.get(ref)
    except GONE:
        raise
    except RayError as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        words = str(cause).strip().splitlines() or [""]
        raise StoreError(
            f"node {node.name}",
            got=f"{type(cause).__name__}: {words[-1].strip()}",
            expected="a node that runs this cystgrid",
            do="install the same cystgrid there as here, or take the node out of the cluster",
        ) from error


def agreed_site(sites: Mapping[Node, Site]) -> Site:
    """What all nodes are like.

    Raises:
        StoreError: two of them differ, or they have another cystgrid than this machine.
    """
    (first, agreed), *others = sites.items()
    for node, site in others:
        _refuse(agreed, site, node, f"as on node {first.name}")
    mine = this_site()
    versions = {**agreed.versions, "cystgrid": mine.versions["cystgrid"]}
    _refuse(replace(agreed, code=mine.code, versions=versions), agreed, first, "as on this machine")
    return agreed


def _refuse(expected: Site, found: Site, node: Node, like: str) -> None:
    if difference := expected.difference(found):
        name, wanted, got = difference
        raise StoreError(
            f"node {node.name}: {name}",
            got=got,
            expected=f"{wanted}, {like}",
            do="make them alike, or take one of them out of the cluster",
        )
