"""Several images at each position: the volumes that they form, and the one that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom_marks import CONTRAST_MARKS, LAST_RESORT, Mark, shown_mark
from cystgrid.scans.dicom_planes import Plane
from cystgrid.scans.dicom_tags import tag_name
from cystgrid.scans.geometry import POSITION_TOLERANCE_MM

MARKS_TOGETHER = 3
"""At most so many marks together number the volumes: echo, kind and time, say."""

VOLUMES_SHOWN, CAUSES_SHOWN = 20, 3


@dataclass(frozen=True)
class Split:
    """A series taken apart into volumes.

    Attributes:
        names: of the marks that tell the volumes apart.
        volumes: for each, in order of those marks, the planes' numbers.
        labels: for each, its marks in words.
    """

    names: tuple[str, ...]
    volumes: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]

    def listed(self) -> str:
        """Every volume with its marks."""
        lines = [f"volume {n}: {label}" for n, label in enumerate(self.labels[:VOLUMES_SHOWN])]
        more = len(self.labels) - VOLUMES_SHOWN
        return "; ".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def choose_volume(
    planes: Sequence[Plane], heights: NDArray[np.float64], chosen: int | None, path: Path
) -> tuple[list[Plane], tuple[str, ...]]:
    """The images of one volume, one at each position, and notes.

    Images belong to one volume if their marks agree: the fewest marks, and of those the likeliest,
    for which no volume has two images at one position.

    Args:
        planes: every image of the series, of one orientation.
        heights: where each lies along the normal, mm.
        chosen: the volume's number, counted from 0 in the order of its marks, numbers by size.
        path: what was read, for messages.

    Raises:
        ScanError: several images at one position and none chosen, or with marks that make no
            complete volumes; a volume chosen that is not there.
    """
    places = _places(heights)
    positions = int(places.max()) + 1
    if len(planes) == positions:
        if chosen:
            raise _no_such_volume(path, chosen, "one image at each position")
        return list(planes), _mixed(planes)
    split = _split(planes, places)
    if split is None or chosen is None:
        raise _several(planes, heights, places, split)
    _check_complete(path, split, positions)
    if chosen >= len(split.volumes):
        raise _no_such_volume(path, chosen, split.listed())
    taken = [planes[number] for number in split.volumes[chosen]]
    told = f"Of {len(split.volumes)} volumes, volume {chosen} was taken: {split.labels[chosen]}."
    return taken, (told, *_mixed(taken))


def _places(heights: NDArray[np.float64]) -> NDArray[np.intp]:
    """The number of each image's position along the normal, counted from the lowest."""
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order]) >= POSITION_TOLERANCE_MM
    places = np.empty(len(heights), dtype=np.intp)
    places[order] = np.concatenate([[0], np.cumsum(steps)])
    return places


def _split(planes: Sequence[Plane], places: NDArray[np.intp]) -> Split | None:
    """Volumes with at most one image at each position, by the fewest marks that make such."""
    count = int(np.bincount(places).max())
    for some in _choices_of_marks(_differing(planes, places)):
        keys = [tuple(plane.marks[name] for name in some) for plane in planes]
        if len(set(keys)) != count or len(set(zip(keys, places, strict=True))) != len(keys):
            continue
        numbers: dict[tuple[Mark, ...], list[int]] = {key: [] for key in sorted(set(keys))}
        for number, key in enumerate(keys):
            numbers[key].append(number)
        volumes = tuple(map(tuple, numbers.values()))
        return Split(some, volumes, _labels(planes, volumes, some))
    return None


def _choices_of_marks(names: list[str]) -> list[tuple[str, ...]]:
    """One mark, two, three; those with a number that only counts come after all others."""
    choices = [
        some for together in range(1, MARKS_TOGETHER + 1) for some in combinations(names, together)
    ]
    return sorted(choices, key=lambda some: LAST_RESORT in some)


def _differing(planes: Sequence[Plane], places: NDArray[np.intp]) -> list[str]:
    """Names of the marks in which images at one position differ."""
    seen: dict[tuple[str, int], Mark] = {}
    found = set()
    for plane, place in zip(planes, places.tolist(), strict=True):
        for name, mark in plane.marks.items():
            if seen.setdefault((name, place), mark) != mark:
                found.add(name)
    return [name for name in planes[0].marks if name in found]


def _labels(
    planes: Sequence[Plane], volumes: tuple[tuple[int, ...], ...], names: tuple[str, ...]
) -> tuple[str, ...]:
    """Each volume in words: the marks that number it, and before them what else sets it apart."""
    marks = {
        name: [{planes[number].marks[name] for number in volume} for volume in volumes]
        for name in planes[0].marks
        if name in CONTRAST_MARKS or name in names
    }
    shown = {
        name: [one for (one,) in found]
        for name, found in marks.items()
        if all(len(one) == 1 for one in found) and len(set.union(*found)) > 1
    }
    return tuple(
        ", ".join(shown_mark(name, marks[number], marks) for name, marks in shown.items())
        for number in range(len(volumes))
    )


def _several(
    planes: Sequence[Plane],
    heights: NDArray[np.float64],
    places: NDArray[np.intp],
    split: Split | None,
) -> ScanError:
    first = int(np.flatnonzero(np.bincount(places) > 1)[0])
    at_first = np.flatnonzero(places == first)
    shared = [planes[number] for number in at_first.tolist()]
    names = split.names if split else _differing(shared, np.zeros(len(shared), dtype=np.intp))
    told = (
        f"that differ in {', '.join(names[:CAUSES_SHOWN])}"
        if names
        else "with nothing to tell apart"
    )
    return ScanError(
        f"{shared[0].name} and {shared[1].short_name}: {tag_name('ImagePositionPatient')}",
        got=f"{len(shared)} images at one position, {heights[at_first[0]]:.2f} mm along the "
        f"normal, {told}" + (f" ({split.listed()})" if split else ""),
        expected="one image at each position",
        do=_WAYS_OUT[(split is not None, bool(names))],
    )


_WAYS_OUT = {
    (True, True): "name the volume that is meant after the path, as PATH#volume=0",
    (False, True): "export only the images that are meant: one echo, one time, one kind",
    (False, False): "take the duplicate out of the folder",
}
"""What to do, by whether the images make volumes and whether anything tells them apart."""


def _check_complete(path: Path, split: Split, positions: int) -> None:
    for number, volume in enumerate(split.volumes):
        if len(volume) < positions:
            raise ScanError(
                f"{path_text(path)}: {tag_name('ImagePositionPatient')}",
                got=f"images at {len(volume)} of {positions} positions in volume {number} "
                f"({split.labels[number]})",
                expected="one image of each volume at each position",
                do="export the whole series from the archive again, or take that volume out",
            )


def _no_such_volume(path: Path, chosen: int, there: str) -> ScanError:
    return ScanError(
        f"{path_text(path)}: volume",
        got=f"volume {chosen} chosen",
        expected=f"a volume that is there, counted from 0: {there}",
        do="correct the choice, or leave it out",
    )


def _mixed(planes: Sequence[Plane]) -> tuple[str, ...]:
    """Notes on what makes images look different and is not alike in all of one volume."""
    kinds = {
        name: len({plane.marks[name] for plane in planes})
        for name in planes[0].marks
        if name in CONTRAST_MARKS
    }
    return tuple(
        f"{name} is not the same in all slices: it has {count} values."
        for name, count in kinds.items()
        if count > 1
    )
