"""Options that say where trainings run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cystgrid.errors import UsageError

if TYPE_CHECKING:
    from cystgrid.training.engine import Cluster

EngineName = Literal["local", "ray"]

EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="local: worker processes of this machine. ray: the nodes of a Ray cluster; --workers "
        "is then the most trainings at a time. Results are the same to the byte.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="With --engine ray: the cluster (HOST:PORT on one of its nodes, ray://HOST:PORT from "
        "outside, auto for the one on this machine). Default: a Ray of this machine alone.",
    ),
]
JobCpus = Annotated[
    int | None,
    typer.Option(min=1, help="With --engine ray: cores of one training. Default: its threads."),
]
JobGpus = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="With --engine ray: GPUs of one training, 0.25 for four on one. Default: as many on "
        "one as there are cores for, at most 4; 0 where there is no GPU.",
    ),
]


def cluster_of(
    engine: EngineName,
    address: str | None,
    job_cpus: int | None,
    job_gpus: float | None,
    *,
    quiet: bool,
    debug: bool,
) -> Cluster | None:
    """The cluster that these options mean; None for this machine.

    Raises:
        UsageError: an option of Ray's without Ray, or part of a GPU beside whole ones.
    """
    given = {"--address": address, "--job-cpus": job_cpus, "--job-gpus": job_gpus}
    for name, value in given.items():
        if engine != "ray" and value is not None:
            raise UsageError(
                name, got=f"{value} and --engine {engine}", expected="--engine ray with it",
                do="add --engine ray, or leave it out",
            )  # fmt: skip
    if engine != "ray":
        return None
    if job_gpus is not None and job_gpus > 1 and not job_gpus.is_integer():
        raise UsageError(
            "--job-gpus", got=job_gpus, expected="a part of one GPU, or whole ones",
            do="round it",
        )  # fmt: skip
    from cystgrid.training.engine import Cluster

    def say(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    return Cluster(address, job_cpus, job_gpus, say, debug)
