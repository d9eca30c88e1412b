"""The judge of one damaged scan: what a reader made of it, set against what the bytes state."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dicom_stated
import nibabel as nib
import numpy as np
import truth_dicom
import truth_nifti
from dicom_walk import MalformedError
from fuzz_memory import PeakMemory
from fuzz_seeds import CANARY, Mutant, Seed

from cystgrid.errors import ScanError
from cystgrid.scans.reading import read_mask, read_scan
from cystgrid.scans.volume import Volume

Outcome = Literal[
    "refused", "identical", "legitimate", "silent", "crash", "hang", "memory", "unnamed"
]
OUTCOMES: tuple[Outcome, ...] = (
    "refused", "identical", "legitimate", "silent", "crash", "hang", "memory", "unnamed",
)  # fmt: skip
DEFECTS = frozenset(("silent", "crash", "hang", "memory", "unnamed"))
"""``unnamed``: an error of several lines, without the file, or a name that got out."""

SECONDS = 10.0
GROWTH_MIB = 128
"""Most memory that reading may take on top of what the process had; the seeds are below 35 kB."""

LEGIT_PLACE_MM = 0.02
"""How far a legitimately different placement may be from the second opinion on it: readers may take
a direction from any of a series' images, which agree within their tolerance only."""

BEYOND = "beyond the declared pixels"
"""Pixels that nothing describes may be left unread where the reading notes it."""

Read = Callable[[Seed, str], Volume]


class Hang(BaseException):
    """Raised by the timer. No ``Exception``: a reader that catches those must not catch this."""


@dataclass(frozen=True)
class Verdict:
    """One case: what it came to, the class or the message, MiB that memory grew by, seconds."""

    outcome: Outcome
    detail: str
    growth: float
    seconds: float


def read_by_cystgrid(seed: Seed, reference: str) -> Volume:
    """The reader on trial."""
    return read_mask(reference) if seed.mask else read_scan(reference)


def lay_out(files: dict[str, bytes], target: str | None, choice: str, folder: Path) -> str:
    """Write the files and name the scan among them."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    place = folder if target is None else folder / target
    return f"{place}#{choice}" if choice else str(place)


def sound_reading(seed: Seed, folder: Path, read: Read = read_by_cystgrid) -> Volume:
    """The seed as it is; ``ScanError`` where its form is refused altogether."""
    files = {name: seed.wrap(data) if seed.wrap else data for name, data in seed.files.items()}
    return read(seed, lay_out(files, seed.target, seed.choice, folder))


def judge(
    seed: Seed,
    mutant: Mutant,
    sound: Volume | None,
    folder: Path,
    read: Read = read_by_cystgrid,
    refusals: tuple[type[Exception], ...] = (ScanError,),
) -> Verdict:
    """Read the mutant and say what came of it.

    Args:
        seed: what was damaged.
        mutant: the damaged files.
        sound: the seed's own reading, ``None`` where its form is refused altogether.
        folder: does not exist yet; the files are laid out there.
        read: the reader on trial.
        refusals: what counts as a refusal.
    """
    reference = lay_out(mutant.files, mutant.target, seed.choice, folder)
    peak, start = PeakMemory(), time.perf_counter()
    try:
        with _time_limit():
            found = read(seed, reference)
    except refusals as error:
        outcome, detail = _refusal(error, folder)
    except Hang:
        outcome, detail = "hang", traceback.format_exc(limit=-6)
    except MemoryError:
        outcome, detail = "memory", traceback.format_exc(limit=-6)
    except Exception:
        outcome, detail = "crash", traceback.format_exc(limit=-8)
    else:
        outcome, detail = _reading(found, sound, seed, mutant, folder)
    seconds, growth = time.perf_counter() - start, peak.growth
    if growth > GROWTH_MIB and outcome not in DEFECTS:
        outcome, detail = "memory", f"{growth:.0f} MiB; {detail}"
    return Verdict(outcome, detail, growth, seconds)


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    if not hasattr(signal, "SIGALRM"):  # Windows: the supervisor's own limit remains
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _refusal(error: Exception, folder: Path) -> tuple[Outcome, str]:
    if not isinstance(error, ScanError):
        return "refused", str(error)
    hidden = str(error.naming(lambda path: "<scan>"))
    if "<scan>" not in hidden or "\n" in str(error) or _leaks(hidden, folder):
        return "unnamed", f"{hidden!r}"
    return "refused", str(error)


def _leaks(text: str, folder: Path) -> bool:
    return CANARY.lower() in text.lower() or str(folder) in text


def _reading(
    found: Volume, sound: Volume | None, seed: Seed, mutant: Mutant, folder: Path
) -> tuple[Outcome, str]:
    if any(_leaks(note, folder) for note in found.notes):
        return "unnamed", f"{found.notes}"
    if sound is not None and same_reading(found, sound):
        return "identical", ""
    try:
        names, voxels, affine = _second_opinion(seed, mutant, folder)
    except (truth_nifti.NoStatementError, MalformedError) as error:
        return "silent", f"differs, and {error}; notes {found.notes}"
    if not names:
        return "silent", f"differs, and no statement was touched; notes {found.notes}"
    if not _agree(found, voxels, affine):
        return "silent", f"{sorted(names)} say another scan than was read; notes {found.notes}"
    if seed.family == "dicom" and dicom_stated.has_undescribed_pixels(mutant.files):
        if any(BEYOND in note for note in found.notes):
            return "legitimate", "dicom: more pixel bytes than described, noted"
        return "silent", f"pixels that nothing describes were left out unsaid; notes {found.notes}"
    label = names.pop() if len(names) == 1 else "several statements"
    return "legitimate", f"{seed.family}: {label}"


def same_reading(one: Volume, other: Volume) -> bool:
    return np.array_equal(one.voxels, other.voxels) and np.array_equal(one.affine, other.affine)


def _second_opinion(
    seed: Seed, mutant: Mutant, folder: Path
) -> tuple[set[str], np.ndarray, np.ndarray]:
    """Statements touched, and the scan they make, by readers that share nothing with cystgrid's."""
    if seed.family == "dicom":
        packed = {name: seed.wrap(data) if seed.wrap else data for name, data in seed.files.items()}
        names = truth_dicom.touched(packed, mutant.files, seed.choice)
        return names, *dicom_stated.stated(mutant.files, seed.choice, folder / "scratch.dcm")
    if seed.family == "gz":
        raise truth_nifti.NoStatementError("a checksum protects every byte")
    (damaged,), (original,) = mutant.files.values(), seed.files.values()
    damaged = truth_nifti.unpacked(damaged) if seed.wrap else damaged
    names = truth_nifti.touched(original, damaged)
    return names, *truth_nifti.stated(damaged, seed.choice)


def _agree(found: Volume, voxels: np.ndarray, affine: np.ndarray) -> bool:
    """The same scan up to float32's rounding of voxels and ``LEGIT_PLACE_MM``."""
    if not np.linalg.det(affine[:3, :3]):
        return False
    with np.errstate(all="ignore"):  # a damaged affine may hold anything
        turn = nib.orientations.io_orientation(affine)
    affine = affine @ nib.orientations.inv_ornt_aff(turn, voxels.shape)
    voxels = nib.orientations.apply_orientation(voxels, turn)
    if found.voxels.shape != voxels.shape:
        return False
    corner = np.array([*voxels.shape, 1.0])
    far = np.abs(affine).max() * 1e-6  # coordinates of any size, to float32's precision
    return (
        np.allclose(found.voxels, voxels, rtol=3e-7, atol=1e-30)
        and np.allclose(found.affine[:3, 3], affine[:3, 3], rtol=0, atol=LEGIT_PLACE_MM + far)
        and np.allclose(found.affine @ corner, affine @ corner, rtol=0, atol=LEGIT_PLACE_MM + far)
    )
