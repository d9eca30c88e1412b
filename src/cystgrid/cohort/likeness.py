"""Which scans of a cohort are copies of each other: voxel for voxel, nearly, or mirrored.

A patient who stands twice in a cohort, once in training and once in test, makes every figure better
than it is. Names and headers do not tell; voxels do.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cystgrid.scans.volume import Array, Volume

BLOCKS = (16, 16, 8)
"""Blocks of a descriptor along ``(i, j, k)``: coarse enough to bear noise and a shift by a voxel,
fine enough to tell two livers apart."""

NEAR = 0.88
"""Correlation of two descriptors above which two scans are taken for copies.

Of 124,750 pairs of 500 different phantom scans none is above 0.842 (mirrored: 0.646). Copies with
noise of 30 % of the scan's deviation, another window, gamma or in-plane resolution, or shifted by a
voxel or by a slice, stay above 0.91. A strong coil field (0.69 to 0.85) can hide one, and so can
5 % of the width cut off (0.77 and more)."""

GREY_PERCENTILES = (1.0, 99.0)
"""Values beyond are cut: one bright vessel must not outweigh the rest of the scan."""

MASS = (0.05, 0.95)
"""Shares of a scan's brightness between which the body lies, along an axis."""

INNER = 0.8
"""Part of that extent that is looked at: skin and the fat below it look alike in everybody."""

TREND_BLOCKS = (2.0, 2.0, 1.0)
"""Deviation of the blur that gives the slow part, in blocks: a coil's field, a body's outline."""

LARGEST_DETAIL = 1.0
"""In deviations: a detail beyond counts as this much, so that no bright organ decides alone."""

GREY_STEPS = 127
"""Steps of a stored descriptor from 0 to ``LARGEST_DETAIL``."""

PIECE = 1024
"""Descriptors compared with all others at a time: bounds memory."""

Key = tuple[str, str]
"""Patient and modality."""

Kind = Literal["same voxels", "nearly the same", "mirrored"]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of a scan to recognise it by; no picture can be made of it.

    Attributes:
        exact: sha256 of shape and voxels: equal for the same image in NIfTI or DICOM, compressed or
            not, however its axes are stored. The header does not count.
        blocks: ``BLOCKS`` int8, from ``descriptor``.
    """

    exact: str
    blocks: NDArray[np.int8]

    def to_json(self) -> dict[str, str]:
        """Plain JSON types, for a store."""
        packed = base64.b64encode(np.ascontiguousarray(self.blocks).tobytes()).decode("ascii")
        return {"exact": self.exact, "blocks": packed}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What ``to_json`` made.

        Raises:
            ValueError: it is something else.
        """
        blocks = np.frombuffer(base64.b64decode(stored["blocks"], validate=True), dtype=np.int8)
        return cls(str(stored["exact"]), blocks.reshape(BLOCKS))


@dataclass(frozen=True)
class Copies:
    """Scans that are copies of each other.

    Attributes:
        kind: the strongest thing that holds for all of them.
        scans: two or more, sorted.
        likeness: least correlation of those found alike, 1 for the same voxels.
    """

    kind: Kind
    scans: tuple[Key, ...]
    likeness: float = field(default=1.0, compare=False)

    @property
    def patients(self) -> tuple[str, ...]:
        """Whose scans they are, sorted, each once."""
        return tuple(sorted({patient for patient, _ in self.scans}))


def fingerprint(scan: Volume) -> Fingerprint:
    """The fingerprint of a canonical scan, as ``read_scan`` returns it."""
    voxels = np.ascontiguousarray(scan.voxels) + np.float32(0)  # -0.0 becomes 0.0
    state = hashlib.sha256(repr(voxels.shape).encode())
    state.update(voxels.astype("<f4", copy=False).data)
    return Fingerprint(state.hexdigest(), descriptor(scan.voxels))


def descriptor(voxels: Array) -> NDArray[np.int8]:
    """Means of blocks over the inner part of the body, less what neighbouring blocks share.

    Noise, another scale of intensities, another way of storing, a shift by a voxel or a margin cut
    off change it little: the box is laid around where the brightness lies, so that it moves with
    the body when the field of view changes. Along slices it is the whole scan.

    Args:
        voxels: ``(i, j, k)`` of a canonical scan.

    Returns:
        ``BLOCKS`` int8; all 0 where the scan has no structure.
    """
    low, high = np.percentile(voxels[::2, ::2], GREY_PERCENTILES)
    if not high > low:
        return np.zeros(BLOCKS, dtype=np.int8)
    grey = np.clip((voxels - np.float32(low)) / np.float32(high - low), 0, 1)
    means = grey.astype(np.float64)
    for axis, extent in enumerate((_extent(grey, 0), _extent(grey, 1), (0.0, grey.shape[2]))):
        means = _block_means(means, axis, *extent)
    detail = means - gaussian_filter(means, TREND_BLOCKS, mode="nearest")
    deviation = float(detail.std())
    if deviation == 0:
        return np.zeros(BLOCKS, dtype=np.int8)
    cut = np.clip(detail / (deviation * LARGEST_DETAIL), -1, 1)
    return np.asarray(np.rint(cut * GREY_STEPS), dtype=np.int8)


def _extent(grey: Array, axis: int) -> tuple[float, float]:
    """The inner part of the body along an axis, in voxels."""
    others = tuple(n for n in range(3) if n != axis)
    profile = grey.sum(axis=others, dtype=np.float64)
    profile -= profile.min()  # noise in air has a mean, too
    total = profile.sum()
    if total == 0:
        return 0.0, float(grey.shape[axis])
    below = np.concatenate([[0.0], np.cumsum(profile) / total])
    first, last = np.interp(MASS, below, np.arange(below.size))
    middle, half = (first + last) / 2, (last - first) / 2 * INNER
    return float(middle - half), float(middle + half)


def _block_means(
    values: NDArray[np.float64], axis: int, start: float, stop: float
) -> NDArray[np.float64]:
    """Means over equal parts of ``start`` to ``stop`` along one axis, shares of voxels counted."""
    edges = np.linspace(start, stop, BLOCKS[axis] + 1)
    place = np.arange(values.shape[axis])
    weights = np.clip(
        np.minimum(edges[1:, None], place + 1) - np.maximum(edges[:-1, None], place), 0, None
    )
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)


def find_copies(fingerprints: Mapping[Key, Fingerprint], near: float = NEAR) -> tuple[Copies, ...]:
    """Every set of scans that are copies of each other.

    Scans of the same voxels are one set. Then sets, one scan for each, are compared by their
    descriptors, as they are and mirrored left to right: scans of one modality and of two patients,
    for T1 and T2 of one body may well look alike. Time grows with the square of the number of
    scans, in one matrix product: seconds for thousands.

    Args:
        fingerprints: by patient and modality.
        near: correlation above which two scans are copies.

    Returns:
        Sorted by kind and scans; a scan may stand in more than one set.
    """
    same: dict[str, list[Key]] = {}
    for key in sorted(fingerprints):
        same.setdefault(fingerprints[key].exact, []).append(key)
    found = [Copies("same voxels", tuple(keys)) for keys in same.values() if len(keys) > 1]
    sets = list(same.values())
    if not sets:
        return ()
    blocks = np.stack([fingerprints[keys[0]].blocks for keys in sets])
    for kind, pairs in _alike(_unit_rows(blocks), _unit_rows(blocks[:, ::-1]), near).items():
        between = [pair for pair in pairs if _of_two(sets[pair[0]], sets[pair[1]])]
        for members, likeness in _joined(between, len(sets)):
            scans = tuple(sorted(key for member in members for key in sets[member]))
            found.append(Copies(kind, scans, likeness))
    return tuple(sorted(found, key=lambda copies: (copies.kind != "same voxels", copies.scans)))


def _of_two(some: Iterable[Key], others: Iterable[Key]) -> bool:
    """Whether two sets hold scans of one modality and of different patients."""
    return any(one[1] == other[1] and one[0] != other[0] for one, other in product(some, others))


def _unit_rows(blocks: NDArray[np.generic]) -> Array:
    """Rows of length 1, one a descriptor; of zeros, like no other, for a scan without structure."""
    rows = blocks.reshape(len(blocks), -1).astype(np.float32)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 0))


Pair = tuple[int, int, float]
"""Two members, the first before the second, and their likeness."""


def _alike(rows: Array, mirrored: Array, near: float) -> dict[Kind, list[Pair]]:
    """Pairs whose correlation is above ``near``, in the way in which it is higher."""
    pairs: dict[Kind, list[Pair]] = {"nearly the same": [], "mirrored": []}
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        plain, turned = piece @ rows.T, piece @ mirrored.T
        likeness = np.maximum(plain, turned)
        firsts, seconds = np.nonzero(likeness > near)
        for first, second in zip(firsts.tolist(), seconds.tolist(), strict=True):
            if first + start < second:
                as_it_is = plain[first, second] >= turned[first, second]
                kind: Kind = "nearly the same" if as_it_is else "mirrored"
                pairs[kind].append((first + start, second, float(likeness[first, second])))
    return pairs


def _joined(pairs: Sequence[Pair], count: int) -> Iterable[tuple[list[int], float]]:
    """Sets of members joined by pairs, and the least likeness among their pairs."""
    root = list(range(count))

    def find(member: int) -> int:
        while root[member] != member:
            root[member] = root[root[member]]
            member = root[member]
        return member

    for first, second, _ in pairs:
        root[max(find(first), find(second))] = min(find(first), find(second))
    sets: dict[int, set[int]] = {}
    least: dict[int, float] = {}
    for first, second, likeness in pairs:
        sets.setdefault(find(first), set()).update((first, second))
        least[find(first)] = min(least.get(find(first), 1.0), likeness)
    return [(sorted(sets[key]), least[key]) for key in sorted(sets)]


def parted(copies: Iterable[Copies], fold_of: Mapping[str, object]) -> tuple[Copies, ...]:
    """The copies that a division would put on different sides: what the same eyes would see twice.

    Args:
        copies: from ``find_copies``.
        fold_of: each patient's fold (or its set of folds, or its side); patients that are not in it
            play no part.
    """
    return tuple(
        each
        for each in copies
        if len({fold_of[patient] for patient in each.patients if patient in fold_of}) > 1
    )
