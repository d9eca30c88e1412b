"""A cohort, its study, and the verbs run on it as processes of their own that can be killed.

A process is a fork of this one, in which everything is imported already and nothing was computed
yet: a whole nested cross-validation takes a second or two. Only POSIX systems can do that.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# what the verbs import when they are run
import cystgrid.cohorts
import cystgrid.outputs.explanation
import cystgrid.predicting
import cystgrid.runs
import cystgrid.starts
import cystgrid.verifying.verify  # noqa: F401
from cystgrid.cli import app
from cystgrid.cohort.phantom import write_phantom_cohort

VIT = "timm:test_vit"
"""timm's smallest transformer."""

STUDY = f"""
[preparation]
cell = 16
[preparation.n4]
enabled = false
[splits]
folds = 3
turns = 1
[grid]
cells = 4
[models]
names = ["{VIT}", "majority"]
weights = "none"
[training]
epochs = 3
warmup = 0
batch = 2
[deploy]
folds = 3
members = 2
"""
PRETRAIN = """
vit = "tiny"
weights = "none"
cells = 4
pixels = 16
grids = 24
batch = 8
validation = 16
looks = 1
save_every = 1
"""
INFO = 300.0
"""Seconds after which a process that does not end is given up."""


@dataclass
class Child:
    """A verb that runs in a process group of its own.

    Attributes:
        pid: of the process, and of its group.
        said: file that has what it said.
        begun: when.
    """

    pid: int
    said: Path
    begun: float = field(default_factory=time.monotonic)
    code: int | None = None

    def wait(self, seconds: float = INFO) -> int:
        """The exit code; minus the signal that ended it."""
        last = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > last:
                self.kill()
                raise TimeoutError(self.text())
            time.sleep(0.002)
        assert self.code is not None
        return self.code

    def ended(self) -> bool:
        """Whether it has ended, however."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def send(self, number: int) -> None:
        """A signal to every process of the group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the whole group, and wait until it is gone."""
        self.send(signal.SIGKILL)
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def text(self) -> str:
        """What it said."""
        return " ".join(self.said.read_text("utf-8", "replace").split())


@dataclass(frozen=True)
class World:
    """Where everything lies: ``phantoms``, ``study.toml``, ``prepared``, ...

    Attributes:
        folder: of all.
    """

    folder: Path

    def start(
        self, *words: object, before: Callable[[], None] = lambda: None, said: Path | None = None
    ) -> Child:
        """Run a verb in a process group of its own; ``before`` is called there first."""
        said = said or self.folder / "said.txt"
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            with suppress(OSError):
                os.setpgid(pid, pid)
            return Child(pid, said)
        try:  # from here on this is the child, which never returns
            os.setpgid(0, 0)
            stream = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(stream, 1)
            os.dup2(stream, 2)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            before()
            app([str(word) for word in words])
        except SystemExit as end:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else 0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(99)

    def run(self, *words: object, before: Callable[[], None] = lambda: None) -> tuple[int, str]:
        """Run a verb to its end; exit code and what it said."""
        child = self.start(*words, before=before)
        return child.wait(), child.text()

    def crossval(self, run: Path, *more: object) -> tuple[object, ...]:
        """The words of a cross-validation into a folder."""
        study = self.folder / "study.toml"
        return ("crossval", self.folder / "prepared", "-o", run, "--study", study,
                "--workers", 0, "--quiet", *more)  # fmt: skip


def make_world(folder: Path) -> World:
    """Phantoms, study and prepared patients."""
    world = World(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(STUDY)
    (folder / "pretrain.toml").write_text(PRETRAIN)
    write_phantom_cohort(folder / "phantoms", patients=9, seed=4, reduction=4.0, quiet=True)
    code, said = world.run(*prepare_words(world, folder / "prepared"))
    assert code == 0, said
    return world


def prepare_words(world: World, prepared: Path) -> tuple[object, ...]:
    """The words of a preparation into a folder."""
    return ("prepare", world.folder / "phantoms/cohort.csv", "-o", prepared,
            "--study", world.folder / "study.toml", "--workers", 0, "--quiet")  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but its lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
