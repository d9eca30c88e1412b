"""Geometry in rows of words: a summary a centre, and every scan of it with outliers marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cystgrid.preparation.check import CohortCheck
from cystgrid.preparation.check_row import RowCheck
from cystgrid.preparation.facts import ScanFacts
from cystgrid.preparation.outliers import Outlier, Quantity

NO_CENTER = "(no centre)"


@dataclass(frozen=True)
class Summary:
    """The scans of one centre and one modality; each figure is the median, and the range."""

    center: str
    modality: str
    scans: int
    matrix: str
    in_plane: str
    slice_spacing: str
    slices: str
    extent: str
    planes: str
    brightness: str
    outliers: int

    HEADS = (
        "Centre", "Scan", "Scans", "Matrix", "In-plane mm", "Slice mm", "Slices", "Extent mm",
        "Plane", "99th percentile", "Outliers",
    )  # fmt: skip

    def cells(self) -> tuple[str, ...]:
        """The row's text, in the order of ``HEADS``."""
        return (
            self.center or NO_CENTER, self.modality.upper(), str(self.scans), self.matrix,
            self.in_plane, self.slice_spacing, self.slices, self.extent, self.planes,
            self.brightness, str(self.outliers) if self.outliers else "-",
        )  # fmt: skip


def summaries(check: CohortCheck) -> tuple[Summary, ...]:
    """One row for each centre and modality, sorted."""
    scans: dict[tuple[str, str], list[ScanFacts]] = {}
    line_of = {row.line: row.center for row in check.rows}
    for row in check.rows:
        for facts in row.scans:
            scans.setdefault((row.center, facts.modality), []).append(facts)
    found = []
    for (center, modality), those in sorted(scans.items(), key=lambda item: item[0]):
        marked = {o.line for o in check.outliers if o.column == modality}
        count = sum(line_of[line] == center for line in marked)
        found.append(_summary(center, modality, those, count))
    return tuple(found)


def _summary(center: str, modality: str, scans: Sequence[ScanFacts], outliers: int) -> Summary:
    planes = sorted({facts.plane for facts in scans})
    return Summary(
        center,
        modality,
        len(scans),
        " x ".join(_range((f.shape[in_plane_axes(f)[n]] for f in scans), 0) for n in (0, 1)),
        _range((_in_plane(facts) for facts in scans), 2),
        _range((facts.spacing[facts.slice_axis] for facts in scans), 2),
        _range((facts.shape[facts.slice_axis] for facts in scans), 0),
        _range((facts.extent_mm[facts.slice_axis] for facts in scans), 0),
        ", ".join(f"{p} ({sum(f.plane == p for f in scans)})" for p in planes)
        if len(planes) > 1
        else planes[0],
        _range((facts.percentiles[2] for facts in scans), 0),
        outliers,
    )


def in_plane_axes(facts: ScanFacts) -> tuple[int, int]:
    """The two axes of a slice."""
    one, other = (axis for axis in range(3) if axis != facts.slice_axis)
    return one, other


def _in_plane(facts: ScanFacts) -> float:
    one, other = in_plane_axes(facts)
    return float(np.sqrt(facts.spacing[one] * facts.spacing[other]))


def _range(values: Iterable[float], digits: int) -> str:
    """``median (lowest-highest)``, or the one value there is."""
    found = sorted(values)
    low, middle, high = (f"{v:.{digits}f}" for v in (found[0], float(np.median(found)), found[-1]))
    return middle if low == high else f"{middle} ({low}-{high})"


SCAN_HEADS: tuple[tuple[str, Quantity | None], ...] = (
    ("Patient", None),
    ("Line", None),
    ("Scan", None),
    ("Matrix", None),
    ("In-plane mm", "in-plane spacing"),
    ("Slice mm", "slice spacing"),
    ("Slices", "slices"),
    ("Field of view mm", "field of view"),
    ("Extent mm", "extent along slices"),
    ("Plane, tilt", None),
    ("1st / 50th percentile", None),
    ("99th", "brightness"),
    ("Region ml", "region volume"),
    ("T1 on T2 %", None),
)
"""A head, and the quantity by which its cell is an outlier."""


def scan_cells(row: RowCheck, facts: ScanFacts) -> tuple[str, ...]:
    """One scan's row, in the order of ``SCAN_HEADS``; the region stands on the T2 row."""
    one, other = in_plane_axes(facts)
    first = facts.modality == row.scans[-1].modality
    return (
        row.name,
        str(row.line),
        facts.modality.upper(),
        f"{facts.shape[one]} x {facts.shape[other]}",
        f"{_in_plane(facts):.3f}",
        f"{facts.spacing[facts.slice_axis]:.2f}",
        str(facts.shape[facts.slice_axis]),
        f"{max(facts.extent_mm[one], facts.extent_mm[other]):.0f}",
        f"{facts.extent_mm[facts.slice_axis]:.0f}",
        f"{facts.plane}, {facts.tilt_degrees:.0f}°",
        f"{facts.percentiles[0]:.4g} / {facts.percentiles[1]:.4g}",
        f"{facts.percentiles[2]:.4g}",
        f"{row.roi.volume_ml:.2f}" if first and row.roi else "",
        f"{row.overlap_percent:.0f}" if first and row.overlap_percent is not None else "",
    )


def outlier_of(
    outliers: Iterable[Outlier], facts: ScanFacts, quantity: Quantity | None
) -> Outlier | None:
    """The outlier that a scan's cell shows, if it is one."""
    for outlier in outliers:
        if outlier.quantity == quantity and outlier.column in (facts.modality, "roi"):
            return outlier
    return None
