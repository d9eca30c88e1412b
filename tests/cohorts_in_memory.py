"""Prepared cohorts of noise and of what a test plants in it: no scans, hundreds in a second."""

from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.standardise import PERCENTILES
from cystgrid.preparation.store import write_index, write_patient

CLASSES = ("normal", "low", "high")
MODALITIES = ("t1", "t2")


def write_cohort(
    folder: Path,
    patients: int = 60,
    *,
    classes=CLASSES,
    labels=None,
    centers=2,
    scans=1,
    signal=2.0,
    site=0.0,
    scanner=0.0,
    watermark=0.0,
    absent=None,
    voxels=None,
    pixels=16,
    slices=6,
    seed=0,
) -> Path:
    """Write a store of synthetic patients; the same arguments give the same bytes.

    Args:
        folder: PREPARED, new.
        patients: people.
        classes: their labels, in turn, where ``labels`` gives none.
        labels: of each person; None for a patient without one. ``signal`` shows what a person has,
            whatever its label says, so that permuted labels are unlearnable.
        centers: how many, named ``c0``, ``c1``, ...; every class is in every one.
        scans: of each person, as patients ``p000-0``, ``p000-1``, ... of one group.
        signal: brightness of a square whose side is the class; noise is 0 to 1.
        site: share of people whose label is their centre's own class, whatever they have; only
            where ``labels`` gives none.
        scanner: strength of a pattern that all voxels of a centre carry.
        watermark: strength of a pattern that all voxels of a person carry, and nobody else's.
        absent: by person's number, the modality (``t1`` or ``t2``) that there is not.
        voxels: by person's number, what all its voxels are overwritten with.
        pixels: along a slice's side.
        slices: of the flattest crops; others have up to two more.
        seed: of everything random.
    """
    kinds = [number % len(classes) for number in range(patients)]
    people = []
    for number, kind in enumerate(kinds):
        center = number // len(classes) % centers
        rng = np.random.default_rng([seed, number])
        of_center = rng.random() < site
        own = classes[center % len(classes) if of_center else kind]
        label = own if labels is None else labels[number]
        mark = scanner * _pattern(pixels, seed, 1, center)
        mark += watermark * _pattern(pixels, seed, 2, number)
        for scan in range(scans):
            crop = rng.random((2, slices + (number + scan) % 3, pixels, pixels), dtype=np.float32)
            half = max(pixels * (1 + 2 * kind) // (4 * len(classes)), 1)
            middle = slice(pixels // 2 - half, pixels // 2 + half)
            crop[..., middle, middle] += signal
            crop += mark
            name = f"p{number:03}"
            one = _patient(name, scan if scans > 1 else None, label, center, crop, rng)
            if voxels and number in voxels:
                crop[:] = voxels[number]  # the landmarks are a sound scan's, as preparation demands
            if absent and number in absent:
                _remove(one, absent[number])
            people.append(one)
    return write_store(folder, people, pixels)


def write_store(folder: Path, people, pixels: int) -> Path:
    """Write prepared patients of T1 and T2 as a store."""
    with unsynced():
        cards = {each.patient: write_patient(folder, each, key="k") for each in people}
        settings = PreparationSettings(cell=pixels, missing_modality="allow")
        write_index(folder, settings, cards)
    return folder


def _pattern(pixels, *place) -> np.ndarray:
    """A picture that nothing else has, ``(row, column)`` in -1 to 1."""
    coarse = np.random.default_rng(place).choice([-1.0, 1.0], size=(4, 4))
    return np.kron(coarse, np.ones((pixels // 4, pixels // 4))).astype(np.float32)


def _patient(name, scan, label, center, crop, rng) -> PreparedPatient:
    return PreparedPatient(
        name if scan is None else f"{name}-{scan}", label, f"c{center}", name, crop,
        np.stack([np.percentile(channel, PERCENTILES) for channel in crop]),
        np.diag([1.0, 1.0, 4.0, 1.0]), (), {},
        sex="FM"[rng.integers(2)], age=str(40 + rng.integers(45)),
    )  # fmt: skip


def _remove(patient: PreparedPatient, modality: str) -> None:
    """Make it the patient that preparation makes of one scan."""
    channel = MODALITIES.index(modality)
    patient.crop[channel] = np.nan
    patient.percentiles[channel] = np.nan


@contextmanager
def unsynced():
    """Files that a test will read at once need not survive a power cut."""
    with patch("cystgrid.provenance.os.fsync", lambda _: None):
        yield
