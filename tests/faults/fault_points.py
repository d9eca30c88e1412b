"""Named write points: the moments of every atomic write, and something done at one of them.

``provenance.write_bytes`` is the one way in which artefacts come to disk. In a child process its
temporary file's opening, writing, fsync and rename are wrapped here; the package knows nothing of
it.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from cystgrid.locking import HALF_WRITTEN

MOMENTS = ("before", "middle", "written", "renamed", "done")
"""Before the temporary file is opened; with half of it written; when it is whole and not renamed;
renamed, its folder not synced; when all is done."""

Act = Callable[[str, str, Path, int], None]
"""Given what kind of file is written, the moment, the file's path and its size in bytes."""

PLACES = (
    (r"jobs/.*/job\.json", "record of a training"),
    (r"jobs/.*/model\..*", "weights of a training"),
    (r"jobs/.*/state\.safetensors", "state of a training"),
    (r"jobs/.*/(predictions|validation)\.csv", "answers of a training"),
    (r"jobs/.*/curve\.csv", "curve of a training"),
    (r"run\.json", "run.json"),
    (r"splits\.json", "splits.json"),
    (r"study\.toml", "study.toml"),
    (r"SHA256SUMS", "SHA256SUMS"),
    (r"tables/.*", "tables"),
    (r"figures/.*", "figures"),
    (r"(predictions|validation|patients)[^/]*\.csv", "answers of the run"),
    (r"patients/.*/patient\.json", "card of a patient"),
    (r"patients/.*/(crop|lesion)\.npy", "voxels of a patient"),
    (r"prepared\.json", "prepared.json"),
    (r"quality\.html", "quality page"),
    (r"cohort\.json", "who was taken in"),
    (r"\.(model|member-\d+)\.json", "record of a member"),
    (r"\.(model|member-\d+)\.state\.safetensors", "state of a member"),
    (r"(model|member-\d+)\.(safetensors|estimator)", "weights of a model"),
    (r"model\.json", "model.json"),
    (r"start\.safetensors", "weights of a start"),
    (r"state\.safetensors", "state of a pretraining"),
    (r"start\.json", "start.json"),
    (r"README\.md|curve\.(csv|png)|pretrain\.toml", "page of a model or start"),
)


def kind_of(path: Path | str, folder: Path) -> str:
    """What kind of artefact a file of a folder is."""
    name = Path(path).relative_to(folder).as_posix() if Path(path).is_absolute() else str(path)
    for pattern, kind in PLACES:
        if re.fullmatch(pattern, name):
            return kind
    return f"other: {name}"


class _Halved:
    """A file being written, with a moment when half of it is there."""

    def __init__(self, stream, middle) -> None:
        self._stream, self._middle = stream, middle

    def write(self, content):
        half = len(content) // 2
        self._stream.write(content[:half])
        self._stream.flush()
        self._middle(len(content))
        self._stream.write(content[half:])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stream.close()

    def __getattr__(self, name):
        return getattr(self._stream, name)


def act_at_points(folder: Path, act: Act) -> None:
    """Have ``act`` called at every moment of every write into a folder, in this process."""
    Path.open, Path.replace, os.fsync = _Wrapped(folder, act).methods()


class _Wrapped:
    """The three calls of an atomic write, with moments between them."""

    def __init__(self, folder: Path, act: Act) -> None:
        self.folder, self.act = folder, act
        self.open, self.replace, self.fsync = Path.open, Path.replace, os.fsync
        self.path: Path | None = None
        self.handle = -1

    def methods(self):
        """Functions, since only they become methods of ``Path``."""
        return (
            lambda path, *words, **named: self.opening(path, *words, **named),
            lambda path, target: self.replacing(path, target),
            self.syncing,
        )

    def tell(self, moment, path, size=0):
        self.act(kind_of(path, self.folder), moment, path, size)

    def final(self, path):
        """The file that a temporary one becomes; None of any other."""
        if not HALF_WRITTEN.fullmatch(path.name) or not path.is_relative_to(self.folder):
            return None
        return path.with_name(path.name[1:].rsplit(".", 2)[0])

    def opening(self, path, *words, **named):
        final = self.final(path)
        if final is None:
            return self.open(path, *words, **named)
        self.tell("before", final)
        stream = self.open(path, *words, **named)
        self.path, self.handle = final, stream.fileno()
        return _Halved(stream, lambda size: self.tell("middle", final, size))

    def syncing(self, handle):
        self.fsync(handle)
        if self.path is None:
            return
        if handle == self.handle:
            self.tell("written", self.path)
        elif Path(f"/proc/self/fd/{handle}").resolve() == self.path.parent.resolve():
            self.tell("done", self.path)
            self.path = None

    def replacing(self, path, target):
        result = self.replace(path, target)
        if self.final(path) is not None:
            self.path, self.handle = Path(target), -1
            self.tell("renamed", Path(target))
        return result


def kill_at(kind: str, moment: str, turn: int) -> Act:
    """SIGKILL to the whole process group at a moment of the ``turn``-th file of a kind."""
    seen = [0]

    def act(found, when, path, size):
        if (found, when) == (kind, moment):
            seen[0] += 1
            if seen[0] == turn:
                os.killpg(0, signal.SIGKILL)

    return act


def full_at(kind: str) -> Act:
    """The system says that the disk is full in the middle of a file of a kind."""

    def act(found, when, path, size):
        if (found, when) == (kind, "middle"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return act


def count_into(path: Path) -> Act:
    """Write every point's name into a file, a line each."""

    def act(found, when, _, size):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "w") as lines:
            lines.write(f"{found}\t{when}\n")

    return act
