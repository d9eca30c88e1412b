"""One series in a line: what it is, how it lies in space, and what is wrong with it."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cystgrid.scans.dicom_files import CLASSIC, ENHANCED
from cystgrid.scans.geometry import ORTHOGONALITY_TOLERANCE, POSITION_TOLERANCE_MM
from cystgrid.scans.protocol_words import shown
from cystgrid.scans.series_header import FileHeader, Identity, ImageHeader
from cystgrid.scans.weighting import (
    Contrast,
    Guess,
    Weighting,
    contrast_given,
    fat_suppressed,
    guess_weighting,
    is_localiser,
)

Plane = Literal["axial", "coronal", "sagittal", "oblique", "mixed", "unknown"]

OBLIQUE_BELOW = 0.8
"""Cosine between a stack's normal and the nearest axis of the body below which it is *oblique*: 37
degrees. The number is GDCM's ``ObliquityThresholdCosineValue``, there for rows and columns."""

GAP_TOLERANCE = 0.01
"""How far one gap between slices may be from the median gap, as a share: what reading allows."""

MISSING_FROM = 1.5
"""A gap this many times the median lacks a slice."""

LOCALISER_SLICES = 30
"""A series of several planes with no more images than this was made to plan others."""


@dataclass(frozen=True)
class SeriesSummary:
    """One series of a tree, from headers alone. Its ``repr`` holds no text of the headers.

    Attributes:
        series_uid, study_uid: ``SeriesInstanceUID``, ``StudyInstanceUID``.
        patient_key: digest of patient and issuer, or of the study where no patient is stated.
        number: ``SeriesNumber``.
        description: the known protocol words of the description; no others.
        kind: ``MR``, or what other DICOM object it is.
        weighting, why: the guess, and on what it rests.
        contrast: whether contrast agent had been given.
        fat_suppressed: whether fat is dark.
        plane: ``mixed`` where images of one series lie in several.
        matrix: columns, rows.
        spacing: mm between columns, between rows, between slices; NaN where unknown.
        slices: number of distinct positions.
        volumes: images at each position.
        differ_in: keywords in which images at one position differ.
        localiser: whether it was made to plan others.
        faults: why it cannot be read as one volume, a phrase each; empty if nothing is against it.
        files: its files, sorted by path.
        folder: the deepest folder that holds them all.
        identity: whose it is; never shown.
        text: the description itself, to be matched by a user's rules; never shown.
    """

    series_uid: str
    study_uid: str
    patient_key: str
    number: int | None
    description: str
    kind: str
    weighting: Weighting
    why: str
    contrast: Contrast
    fat_suppressed: bool
    plane: Plane
    matrix: tuple[int, int]
    spacing: tuple[float, float, float]
    slices: int
    volumes: int
    differ_in: tuple[str, ...]
    localiser: bool
    faults: tuple[str, ...]
    files: tuple[Path, ...] = field(repr=False)
    folder: Path = field(repr=False)
    identity: Identity = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class _Stack:
    """Where the images of a series lie."""

    plane: Plane
    matrix: tuple[int, int]
    spacing: tuple[float, float, float]
    slices: int
    volumes: int
    differ_in: tuple[str, ...]
    faults: tuple[str, ...]


def summarise(headers: Sequence[FileHeader]) -> SeriesSummary:
    """Put the headers of one series together; neither their order nor file names matter.

    Args:
        headers: of every object under one ``SeriesInstanceUID``; at least one.
    """
    first = min(headers, key=lambda header: (header.instance, header.uid))
    acquisition = first.acquisition
    images = [image for header in headers for image in header.images]
    is_mr = first.kind in CLASSIC | ENHANCED
    stack = _stack(images)
    guess = guess_weighting(acquisition) if is_mr else Guess("other", f"no MR: {_kind(first)}")
    localiser = is_mr and (
        is_localiser(acquisition) or (stack.plane == "mixed" and len(images) <= LOCALISER_SLICES)
    )
    if localiser and guess.weighting != "other":
        guess = Guess("other", f"localiser: {len(images)} images in several planes")
    files = tuple(sorted(header.path for header in headers))
    return SeriesSummary(
        series_uid=first.series_uid,
        study_uid=first.study_uid,
        patient_key=first.identity.patient_key(first.study_uid),
        number=first.number,
        description=shown(acquisition.words),
        kind="MR" if is_mr else _kind(first),
        weighting=guess.weighting,
        why=guess.why,
        contrast=contrast_given(acquisition),
        fat_suppressed=fat_suppressed(acquisition),
        plane=stack.plane,
        matrix=stack.matrix,
        spacing=stack.spacing,
        slices=stack.slices,
        volumes=stack.volumes,
        differ_in=stack.differ_in,
        localiser=localiser,
        faults=(*_mixture(headers), *stack.faults) if is_mr else (),
        files=files,
        folder=common_folder(files),
        identity=first.identity,
        text=acquisition.text or acquisition.description,
    )


def common_folder(files: Iterable[Path]) -> Path:
    """The deepest folder that holds all files."""
    return Path(os.path.commonpath([file.parent for file in files]))


def _kind(header: FileHeader) -> str:
    """The object's name in the standard; a private one is only called that."""
    return header.kind.name.removesuffix(" Storage") if not header.kind.is_private else "private"


def _mixture(headers: Sequence[FileHeader]) -> list[str]:
    """What one series must have in common, and has not."""
    same: list[tuple[str, Callable[[FileHeader], Any]]] = [
        ("patients", lambda header: (header.identity.patient_id, header.identity.name)),
        ("studies", lambda header: header.study_uid),
        ("frames of reference", lambda header: header.frame_of_reference),
        ("kinds of object", lambda header: header.kind),
    ]
    faults = [
        f"{count} {name} under one series UID"
        for name, of in same
        if (count := len({of(header) for header in headers})) > 1
    ]
    uids = Counter(header.uid for header in headers if header.uid)
    twice = sum(count - 1 for count in uids.values())
    if twice:
        faults.append(f"{twice} files hold an image that another file holds too")
    wrong = sum(header.frames_stated != len(header.images) for header in headers)
    if wrong:
        faults.append(f"{wrong} files state another number of frames than they describe")
    return faults


def _stack(images: Sequence[ImageHeader]) -> _Stack:
    """Group images by their position along the normal."""
    sizes = Counter(image.size for image in images)
    matrix = min(sizes, key=lambda size: (-sizes[size], size)) if sizes else (0, 0)
    placed = [image for image in images if image.position and image.orientation and image.spacing]
    faults = [f"{len(sizes)} sizes of image"] if len(sizes) > 1 else []
    if len(placed) < len(images):
        faults.append(f"{len(images) - len(placed)} images without position, direction or spacing")
    if not placed:
        return _Stack("unknown", matrix, (math.nan,) * 3, len(images), 1, (), tuple(faults))
    orientations = np.array([image.orientation for image in placed])
    spacings = np.array([image.spacing for image in placed])
    if np.ptp(spacings, axis=0).max() > POSITION_TOLERANCE_MM / max(*matrix, 1):
        faults.append("several pixel spacings")
    reference = orientations[0]
    normal = np.cross(reference[:3], reference[3:])
    if not np.isclose(np.linalg.norm(normal), 1, atol=0.01):
        faults.append("directions that are no right angle")
        return _Stack("unknown", matrix, (math.nan,) * 3, len(placed), 1, (), tuple(faults))
    alike = np.abs(orientations - reference).max(axis=1) <= ORTHOGONALITY_TOLERANCE
    plane: Plane = _plane_name(normal)
    if not alike.all():
        plane = "mixed"
        faults.append("several directions")
    heights = np.array([image.position for image in placed]) @ normal
    groups = _by_position(placed, heights)
    gap, gap_faults = _gaps([height for height, _ in groups], placed)
    counts = {len(at) for _, at in groups}
    if len(counts) > 1:
        faults.append(f"{min(counts)} to {max(counts)} images at one position")
    spacing = (float(spacings[0][1]), float(spacings[0][0]), gap)
    if plane != "mixed":  # gaps along one normal mean nothing for images of several
        faults += gap_faults
    return _Stack(
        plane, matrix, spacing, len(groups), max(counts), _differences(groups), tuple(faults)
    )


def _plane_name(normal: NDArray[np.float64]) -> Plane:
    """Name of the plane at right angles to ``normal``, which is LPS+."""
    axis = int(np.argmax(np.abs(normal)))
    names: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
    return names[axis] if abs(normal[axis]) >= OBLIQUE_BELOW else "oblique"


def _by_position(
    placed: Sequence[ImageHeader], heights: NDArray[np.float64]
) -> list[tuple[float, list[ImageHeader]]]:
    """Images at each height along the normal, from the lowest."""
    groups: list[tuple[float, list[ImageHeader]]] = []
    for index in np.argsort(heights, kind="stable"):
        if not groups or heights[index] - groups[-1][0] >= POSITION_TOLERANCE_MM:
            groups.append((float(heights[index]), []))
        groups[-1][1].append(placed[index])
    return groups


def _gaps(heights: list[float], placed: Sequence[ImageHeader]) -> tuple[float, list[str]]:
    """Distance between slices in mm, NaN if unknown, and whether the gaps are even."""
    if len(heights) < 2:
        return placed[0].depth or math.nan, []
    gaps = np.diff(heights)
    median = float(np.median(gaps))
    widest = float(gaps.max())
    if np.abs(gaps - median).max() <= GAP_TOLERANCE * median:
        return median, []
    if widest > MISSING_FROM * median:
        missing = int(sum(np.round(gaps[gaps > MISSING_FROM * median] / median) - 1))
        return median, [
            f"{missing} missing slice(s): a gap of {widest:.4g} mm, not {median:.4g} mm"
        ]
    return median, [f"uneven gaps between slices, {gaps.min():.4g} to {widest:.4g} mm"]


def _differences(groups: list[tuple[float, list[ImageHeader]]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for _, images in groups:
        for marks in zip(*(image.marks for image in images), strict=True):
            if len({value for _, value in marks}) > 1:
                found[marks[0][0]] = None
    return tuple(found)
