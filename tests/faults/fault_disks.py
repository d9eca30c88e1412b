"""A disk that fills in the middle of each kind of write, and one that cannot be written at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fault_kills import Reference
from fault_points import act_at_points, full_at
from fault_world import World

from cystgrid.verifying.verify import verify

SIZE = 64 << 20
BALLAST = "ballast"


@dataclass(frozen=True)
class Full:
    """A disk that was full at one point.

    Attributes:
        point: kind of the file that found no room.
        said: the command's words, its exit code before them.
        named: whether it named the path and the bytes that were needed.
        state: of the run afterwards.
        same: whether, with room again, it ended with the reference's bytes.
    """

    point: str
    said: str
    named: bool
    state: str
    same: bool


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A tmpfs there, where this process may mount one; whether there is."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", place], check=True)


def fill_at(kind: str, disk: Path):
    """An act that fills the disk before a file of a kind is written; weights get half of it."""
    done, at = [], "middle" if kind.startswith("weights") else "before"

    def act(found, when, path, size):
        if (found, when) == (kind, at) and not done:
            done.append(True)
            state = os.statvfs(disk)
            free = state.f_bavail * state.f_frsize
            with (disk / BALLAST).open("wb") as ballast:
                ballast.write(bytes(free))

    return act


def campaign(world: World, reference: Reference, tell, most: int) -> tuple[bool, list[Full]]:
    """The disk full at every kind of write; whether it was a real one."""
    place, found = world.folder / "disk", []
    with small_disk(place) as real:
        for kind in sorted({kind for kind, _ in reference.points}, reverse=True)[:most]:
            run = place / "run"
            found.append(_full(world, reference, run, kind, real=real))
            shutil.rmtree(run, ignore_errors=True)
            tell(str(found[-1]))
    return real, found


def _full(world: World, reference: Reference, run: Path, kind: str, *, real: bool) -> Full:
    def before():
        reference.prepare()
        act_at_points(run, fill_at(kind, run.parent) if real else full_at(kind))

    code, said = world.run(*world.crossval(run, *reference.more), before=before)
    found = verify(run, quiet=True) if (run / "run.json").exists() else None
    done = len(list(run.glob("jobs/*/*/*/job.json")))
    state = f"{done} trainings whole; " + (
        "nothing there to verify" if found is None
        else "nothing damaged" if not found.lost else f"damaged: {found.lost}"
    )  # fmt: skip
    (run.parent / BALLAST).unlink(missing_ok=True)
    named = code == 3 and str(run) in said and "bytes are needed" in said
    same, _ = reference.goes_on(run)
    return Full(kind, f"{code}: {said.replace(str(run), 'RUN')}", named, state, same)


def read_only(world: World, reference: Reference) -> tuple[str, float, bool]:
    """A run on a read-only disk: what is said, after how long, and whether it is refused there."""
    place = world.folder / "sealed"
    with small_disk(place) as real:
        if not real:
            return "not tried: no disk can be mounted here", 0.0, True
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        began = time.monotonic()
        code, said = world.run(*world.crossval(place / "run"), before=reference.prepare)
        return said.replace(str(place), "DISK"), time.monotonic() - began, code == 3
