"""What happens on a node of the cluster: it is looked at, and takes one training at a time.

A node that sees the folder of the results writes there, as a worker of that machine would. Any
other works in a folder of its own and hands the files back.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cystgrid.errors import StoreError
from cystgrid.provenance import sha256_file
from cystgrid.training.cluster.needs import Need, Parcel, unpack
from cystgrid.training.engine import Job, Run
from cystgrid.training.site import Site, this_site

TELL_SECONDS = 0.5
"""Between two reports of progress: a bar needs no more, and thousands of quick epochs less."""


@dataclass(frozen=True)
class Token:
    """A file beside the results; whoever finds its content there sees the same folder.

    Attributes:
        path: absolute, on the machine that asks.
        content: known to nobody else.
    """

    path: Path
    content: str

    def is_here(self) -> bool:
        """Whether this machine sees it, and may write beside it."""
        try:
            same = self.path.read_text("utf-8") == self.content
        except (OSError, ValueError):
            return False
        return same and os.access(self.path.parent, os.W_OK)


@dataclass(frozen=True)
class Errand:
    """What every job of a run has in common.

    Attributes:
        site: what the nodes were like when the run began.
        token: tells whether a node sees the folder of the results.
        needs: what the jobs read.
        parcels: of the needs that some node does not see.
        name: of a node's own folder, for as long as the run goes on.
        gpus: that a job reserves.
    """

    site: Site
    token: Token
    needs: tuple[Need, ...]
    parcels: tuple[Parcel, ...]
    name: str
    gpus: float


@dataclass(frozen=True)
class Result:
    """What a job leaves.

    Attributes:
        record: sha256 of the file that is written last.
        files: names and contents, if the node could not put them where they belong.
    """

    record: str
    files: dict[str, bytes] | None


def site_of_node(gpus: float) -> Site:
    """What a node is like for a job that reserves so many GPUs."""
    _reserve(gpus)
    return _site()


def look(token: Token, needs: tuple[Need, ...]) -> tuple[bool, tuple[Need, ...]]:
    """Whether this node sees the folder of the results, and which needs it does not see."""
    return token.is_here(), tuple(need for need in needs if not need.is_at(need.path))


def take(job: Job, run: Run, errand: Errand, tally: Any, number: int) -> Result:
    """Run one job here.

    Args:
        job: as the asking machine made it, paths absolute.
        run: what runs it.
        errand: what all jobs share.
        tally: the actor that is told how many epochs are done.
        number: of the job, for the tally.

    Raises:
        StoreError: this node differs from those that the run began with, or lacks the data.
    """
    _reserve(errand.gpus)
    _check_site(errand.site)
    ticks = Ticks(lambda count: tally.tell.remote(number, count))
    if errand.token.is_here():
        run(_placed(job, job.folder, errand), ticks)
        return Result(sha256_file(job.record), None)
    own = Path(tempfile.mkdtemp(dir=_own_folder(errand.name)))
    try:
        here = _placed(job, own, errand)
        run(here, ticks)
        files = {path.name: path.read_bytes() for path in own.iterdir()}
        return Result(sha256_file(here.record), files)
    finally:
        shutil.rmtree(own)


def sweep(name: str) -> None:
    """Remove the run's own folder of this node, if there is one."""
    shutil.rmtree(Path(tempfile.gettempdir()) / name, ignore_errors=True)


class Ticks:
    """Counts a job's epochs, and tells of them now and then."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.tell, self.count, self.told = tell, 0, 0.0

    def __call__(self) -> None:
        """One epoch more."""
        self.count += 1
        if time.monotonic() - self.told >= TELL_SECONDS:
            self.told = time.monotonic()
            self.tell(self.count)


def _reserve(gpus: float) -> None:
    """Hide the GPUs from a job that reserves none: Ray shows them to it."""
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@functools.cache
def _site() -> Site:
    return this_site()


def _check_site(expected: Site) -> None:
    """A node that joins a run late is looked at as well."""
    if found := expected.difference(_site()):
        name, there, here = found
        raise StoreError(
            f"node {socket.gethostname()}: {name}",
            got=here,
            expected=f"{there}, as on the other nodes",
            do="take this node out of the cluster, or make it like the others",
        )


def _own_folder(name: str) -> Path:
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o700, exist_ok=True)  # patients' images: for nobody else's eyes
    return folder


def _placed(job: Job, folder: Path, errand: Errand) -> Any:
    """The job with the paths of this node."""
    places = {need.path: _find(need, errand) for need in errand.needs}
    recipe = job.recipe
    models = recipe.models.relocated(places)
    return replace(
        job,  # type: ignore[type-var]
        prepared=places[job.prepared],
        folder=folder,
        recipe=recipe.model_copy(update={"models": models}),
    )


_found: dict[Need, Path] = {}
"""Of this process: what was once found is not looked at again by every job."""


def _find(need: Need, errand: Errand) -> Path:
    if need not in _found:
        _found[need] = _place_of(need, errand)
    return _found[need]


def _place_of(need: Need, errand: Errand) -> Path:
    if need.is_at(need.path):
        return need.path
    for parcel in errand.parcels:
        if parcel.need == need:
            return unpack(parcel, _own_folder(errand.name))
    raise StoreError(
        need.path,
        got=f"nothing, or something else, on node {socket.gethostname()}",
        expected="what the other nodes see there",
        do="run again: it is shipped to nodes that are there from the start",
    )
