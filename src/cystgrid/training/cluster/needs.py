"""What trainings read from disk, found again on another machine: seen there, or shipped.

A file is known by its bytes' sha256 and prepared data by the store's digest, so that what lies at
the same path of another machine is taken only if it is the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock

from cystgrid.errors import StoreError
from cystgrid.preparation.store import INDEX, Store, patient_folder
from cystgrid.provenance import sha256_file
from cystgrid.training.engine import Job


@dataclass(frozen=True)
class Need:
    """A file, or a folder of prepared patients, that trainings read.

    Attributes:
        path: where it lies on the machine that asks; absolute.
        digest: of its content.
        is_store: whether it is a folder of prepared patients.
    """

    path: Path
    digest: str
    is_store: bool

    def is_at(self, path: Path) -> bool:
        """Whether just this lies at ``path`` of this machine."""
        try:
            found = Store.open(path).digest if self.is_store else sha256_file(path)
        except (OSError, StoreError):
            return False
        return found == self.digest


@dataclass(frozen=True)
class Parcel:
    """A need's content in Ray's object store: for each file its relative path and a reference.

    Attributes:
        need: what it is.
        pieces: each a reference to a mapping from relative paths to bytes.
    """

    need: Need
    pieces: tuple[Any, ...]


def needs_of(jobs: Sequence[Job]) -> tuple[Need, ...]:
    """All that these jobs read: prepared patients, files of weights, tables of features.

    A file that is missing here is no need: the job itself says what is wrong.
    """
    stores = {job.prepared for job in jobs}
    files = {path for job in jobs for path in job.recipe.models.files(job.model) if path.is_file()}
    return (
        *(Need(path, Store.open(path).digest, is_store=True) for path in sorted(stores)),
        *(Need(path, sha256_file(path), is_store=False) for path in sorted(files)),
    )


def absolute(path: Path) -> Path:
    """The path from the root; links are kept, since other machines may have others."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def pack(need: Need) -> Parcel:
    """Put a need into Ray's object store, patient by patient."""
    if not need.is_store:
        return Parcel(need, (ray.put({need.path.name: need.path.read_bytes()}),))
    groups = [[need.path / INDEX]]
    for patient in Store.open(need.path).patients:
        folder = patient_folder(need.path, patient)
        groups.append(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))
    pieces = (
        {path.relative_to(need.path).as_posix(): path.read_bytes() for path in group}
        for group in groups
    )
    return Parcel(need, tuple(ray.put(piece) for piece in pieces))


def unpack(parcel: Parcel, folder: Path) -> Path:
    """Where a parcel's content lies in ``folder``; it is written there once, by whoever is first.

    Raises:
        StoreError: it did not arrive as it was sent.
    """
    need = parcel.need
    place = folder / need.digest[:32]
    inside = place if need.is_store else place / need.path.name
    with FileLock(folder / f"{place.name}.lock"):
        if not place.exists():
            half = Path(tempfile.mkdtemp(dir=folder))
            for piece in parcel.pieces:
                _write(ray.get(piece), half)
            half.rename(place)
            if not need.is_at(inside):
                shutil.rmtree(place)
                raise StoreError(
                    need.path,
                    got="other content after its way to a node",
                    expected=f"digest {need.digest[:12]}",
                    do="leave the prepared data alone while a run goes on, and run again",
                )
    return inside


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
