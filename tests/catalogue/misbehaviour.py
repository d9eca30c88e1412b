"""Readers that misbehave, put into a command's process to see whether the catalogue notices."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from catalogue.sound import SECRET, T2
from cystgrid.errors import ScanError
from cystgrid.scans import reading

SLOW_SECONDS = 1.0
HOG_BYTES = 700 * 2**20


def _replace(reader: Callable) -> None:
    """Put ``reader(sound reader, reference, ...)`` wherever ``read_scan`` has been imported."""
    sound = reading.read_scan

    def replaced(reference, *rest, **more):
        if SECRET not in str(reference):
            return sound(reference, *rest, **more)
        return reader(sound, reference, *rest, **more)

    import cystgrid.preparation.cohort  # noqa: F401 (so that it is there to be changed)

    for name, module in list(sys.modules.items()):
        if name.startswith("cystgrid") and getattr(module, "read_scan", None) is sound:
            module.read_scan = replaced


def invent() -> None:
    """Read anything as a sound volume."""
    _replace(lambda *rest, **more: T2.canonical())


def alter() -> None:
    """Change a voxel."""

    def reader(sound, *rest, **more):
        volume = sound(*rest, **more)
        voxels = volume.voxels.copy()
        voxels[12, 11, 5] += 1
        return volume.with_voxels(voxels)

    _replace(reader)


def move() -> None:
    """Place the scan a tenth of a millimetre aside."""

    def reader(sound, *rest, **more):
        volume = sound(*rest, **more)
        affine = volume.affine.copy()
        affine[0, 3] += 0.1
        return type(volume)(volume.voxels, affine, volume.source, volume.notes)

    _replace(reader)


def keep_quiet() -> None:
    """Lose every note."""

    def reader(sound, *rest, **more):
        volume = sound(*rest, **more)
        return type(volume)(volume.voxels, volume.affine, volume.source)

    _replace(reader)


def _then_refuse(act: Callable[[], object]) -> None:
    def reader(sound, *rest, **more):
        act()
        return sound(*rest, **more)

    _replace(reader)


def hog() -> None:
    """Take memory, touch it, and let it go before the end."""
    _then_refuse(lambda: np.ones(HOG_BYTES, dtype=np.uint8).sum())


def dawdle() -> None:
    """Take time."""

    def burn() -> None:
        until = time.process_time() + SLOW_SECONDS
        while time.process_time() < until:
            pass

    _then_refuse(burn)


def litter() -> None:
    """Leave a half-prepared patient."""

    def half() -> None:
        place = Path("prepared/patients/half")
        place.mkdir(parents=True, exist_ok=True)
        (place / "crop.npy").write_bytes(b"half")

    _then_refuse(half)


def litter_beside() -> None:
    """Leave a file beside the scans."""
    _then_refuse(lambda: Path("cache.npy").write_bytes(b"cached"))


def gossip() -> None:
    """Show a file's name, past the marks of ``path_text``."""

    def reader(sound, reference, *rest, **more):
        raise ScanError("dim", got=f"a bad {reference}", expected="none", do="mend it")

    _replace(reader)


def chatter() -> None:
    """Let a library below write to stderr."""
    _then_refuse(lambda: os.write(2, b"TIFFReadDirectory: warning\n"))


def bug() -> None:
    """Raise what is no refusal."""

    def reader(*rest, **more):
        raise IndexError("list index out of range")

    _replace(reader)


def crash() -> None:
    """Die."""
    _then_refuse(lambda: os.kill(os.getpid(), signal.SIGKILL))


def hang() -> None:
    """Never end."""
    _then_refuse(lambda: time.sleep(3600))
