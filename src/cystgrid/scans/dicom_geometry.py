"""From single images to one regular stack, or a refusal that names the image at fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cystgrid.errors import ScanError, path_text
from cystgrid.scans.dicom_planes import Plane
from cystgrid.scans.dicom_tags import EXPORT_AGAIN, tag_name
from cystgrid.scans.dicom_volumes import choose_volume
from cystgrid.scans.geometry import (
    LPS_TO_RAS,
    ORTHOGONALITY_TOLERANCE,
    POSITION_TOLERANCE_MM,
    check_affine,
)
from cystgrid.scans.volume import Affine

GAP_TOLERANCE = 0.01
"""How far one gap between slices may be from the median gap, as a share of it."""

SPACING_TOLERANCE = 1e-4
"""How far pixel spacings of one series may differ, as a share: 0.03 mm across 300 mm."""

MISSING_FROM = 1.5
"""A gap this many times the median lacks a slice; a smaller one is uneven spacing."""


@dataclass(frozen=True)
class Stack:
    """Planes in order of ``k``, and the affine of ``(column, row, k)`` to mm, RAS+."""

    planes: tuple[Plane, ...]
    affine: Affine
    notes: tuple[str, ...]


def stack_planes(planes: Sequence[Plane], volume: int | None, path: Path) -> Stack:
    """Sort the images of one volume along their normal and place them on one grid.

    Args:
        planes: every image of the series.
        volume: which of several images at each position, counted from 0.
        path: what was read, for messages.

    Raises:
        ScanError: images of different size, spacing, direction, patient or frame of reference;
            directions that are not orthonormal; several images at one position and none chosen; a
            missing slice or uneven spacing; images shifted sideways along the stack (a tilted
            gantry).
    """
    # half a second to import, which only those wait for who read DICOM
    from highdicom.spatial import create_affine_matrix_from_attributes, get_normal_vector

    first = planes[0]
    _check_orientation(first)
    _check_alike(planes)
    normal = get_normal_vector(np.asarray(first.orientation))  # along row x column, as k will run
    chosen, chosen_notes = choose_volume(planes, _heights(planes, normal), volume, path)
    heights = _heights(chosen, normal)
    order = np.argsort(heights, kind="stable")
    ordered, heights = tuple(chosen[index] for index in order), heights[order]
    _check_gaps(ordered, heights)
    gap, notes = _spacing_between(ordered, heights)
    lps = create_affine_matrix_from_attributes(
        image_position=ordered[0].position,
        image_orientation=first.orientation,
        pixel_spacing=first.spacing,
        spacing_between_slices=gap,
        index_convention="RD",  # first index along a row, second along a column
    )
    _check_straight(ordered, lps)
    affine = LPS_TO_RAS @ lps
    check_affine(affine, path_text(path))
    return Stack(ordered, affine, chosen_notes + notes)


def _heights(planes: Sequence[Plane], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where images lie along the normal, in mm."""
    return np.array([plane.position for plane in planes]) @ normal


def _check_orientation(plane: Plane) -> None:
    row, column = np.reshape(plane.orientation, (2, 3))
    lengths = np.linalg.norm([row, column], axis=1)
    worst = max(np.abs(lengths - 1).max(), abs(row @ column))
    if worst > ORTHOGONALITY_TOLERANCE:
        raise ScanError(
            f"{plane.name}: {tag_name('ImageOrientationPatient')}",
            got=f"directions of length {lengths[0]:.4f} and {lengths[1]:.4f}, "
            f"cosine {row @ column:.4f}",
            expected="two unit vectors at right angles",
            do=EXPORT_AGAIN,
        )


def _check_alike(planes: Sequence[Plane]) -> None:
    """One series is one person, one frame of reference, one grid in plane, one sense of values."""
    same: list[tuple[str, Callable[[Plane], Any], float]] = [
        ("PatientID", lambda plane: plane.person, 0),
        ("FrameOfReferenceUID", lambda plane: plane.frame_of_reference, 0),
        ("Rows", lambda plane: plane.size, 0),
        ("PhotometricInterpretation", lambda plane: plane.pixels.inverted, 0),
        ("PixelRepresentation", lambda plane: plane.pixels.signed, 0),
        ("RescaleSlope", lambda plane: plane.rescaled, 0),
        ("ImageOrientationPatient", lambda plane: plane.orientation, ORTHOGONALITY_TOLERANCE),
        ("PixelSpacing", lambda plane: plane.spacing, SPACING_TOLERANCE * planes[0].spacing[0]),
    ]
    for keyword, of, tolerance in same:
        for plane in planes[1:]:
            one, other = of(planes[0]), of(plane)
            if one == other or (tolerance and np.allclose(one, other, rtol=0, atol=tolerance)):
                continue
            raise ScanError(
                f"{plane.name}: {tag_name(keyword)}",
                got=f"another value than in {planes[0].short_name}",
                expected="the same throughout one series",
                do="give a folder that holds one acquisition of one patient",
            )


def _check_gaps(ordered: tuple[Plane, ...], heights: NDArray[np.float64]) -> None:
    gaps = np.diff(heights)
    if gaps.size == 0:
        return
    median = float(np.median(gaps))
    uneven = np.abs(gaps - median) / median
    at = int(np.argmax(uneven))
    if uneven[at] <= GAP_TOLERANCE:
        return
    missing = round(gaps[at] / median) - 1
    cause = f"{missing} missing slice(s)" if gaps[at] > MISSING_FROM * median else "uneven spacing"
    raise ScanError(
        f"{ordered[at].name} and {ordered[at + 1].short_name}: {tag_name('ImagePositionPatient')}",
        got=f"a gap of {gaps[at]:.3f} mm from {heights[at]:.2f} to {heights[at + 1]:.2f} mm along "
        f"the normal: {cause}",
        expected=f"{median:.3f} mm, the median gap, within {GAP_TOLERANCE:.0%}",
        do="export the whole series from the archive again",
    )


def _spacing_between(
    ordered: tuple[Plane, ...], heights: NDArray[np.float64]
) -> tuple[float, tuple[str, ...]]:
    """Distance between slices in mm, from their positions wherever there are two."""
    first = ordered[0]
    if len(ordered) > 1:
        gap = float(heights[-1] - heights[0]) / (len(ordered) - 1)
        if first.stated_gap is None or abs(first.stated_gap - gap) <= GAP_TOLERANCE * gap:
            return gap, ()
        return gap, (
            f"Slices lie {gap:.3f} mm apart by position; SpacingBetweenSlices says "
            f"{first.stated_gap:.3f} mm and was not used.",
        )
    stated = (("SpacingBetweenSlices", first.stated_gap), ("SliceThickness", first.thickness))
    for keyword, length in stated:
        if length is not None:
            return length, (f"A single slice: its depth of {length:.3f} mm is {keyword}.",)
    raise ScanError(
        f"{first.name}: {tag_name('SliceThickness')}",
        got="a single slice without it and without SpacingBetweenSlices",
        expected="a slice whose depth is known",
        do="give the whole series",
    )


def _check_straight(ordered: tuple[Plane, ...], lps: Affine) -> None:
    """Every image lies where the grid says, sideways too."""
    for k, plane in enumerate(ordered):
        expected = lps[:3, 3] + k * lps[:3, 2]
        off = float(np.linalg.norm(np.asarray(plane.position) - expected))
        if off > POSITION_TOLERANCE_MM:
            raise ScanError(
                f"{plane.name}: {tag_name('ImagePositionPatient')}",
                got=f"an image {off:.2f} mm beside the line through the stack (a tilted gantry, "
                "or images of several stacks)",
                expected=f"at most {POSITION_TOLERANCE_MM} mm",
                do="resample the series onto an orthogonal grid first",
            )
