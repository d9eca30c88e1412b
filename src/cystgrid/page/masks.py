"""DICOM Segmentations in an upload: a mask for each segment, on the Segmentation's own grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cystgrid.errors import CystgridError
from cystgrid.outputs.dicom.stored_segments import Segment, frame_of, segments_in, write_mask
from cystgrid.page.studies import MASKS, Series
from cystgrid.scans.series_summary import SeriesSummary

MR = "MR"
PANCREAS = re.compile("pancrea", re.IGNORECASE)
"""In a segment's label: it is the region that is meant, if it alone is called so."""


def stored_masks(series: Sequence[SeriesSummary], folder: Path) -> tuple[Series, ...]:
    """A series for each segment of the upload's Segmentations; its mask is written.

    Args:
        series: all of the upload's.
        folder: of the study; masks go into its ``masks``.
    """
    frames = {frame_of(one.files[0]) for one in series if one.kind == MR}
    segments = [
        segment
        for one in series
        if one.kind != MR
        for path in one.files
        for segment in segments_in(path)
    ]
    return tuple(
        _mask(segment, f"g{number}", folder, frames) for number, segment in enumerate(segments, 1)
    )


def pancreas_among(masks: Sequence[Series]) -> str:
    """The key of the one mask that is called a pancreas; empty if there is none, or several."""
    keys = [one.key for one in masks if one.usable and PANCREAS.search(one.description)]
    return keys[0] if len(keys) == 1 else ""


def _mask(segment: Segment, key: str, folder: Path, frames: set[str]) -> Series:
    shown = segment.label if segment.label.isprintable() else ""
    reference = f"{MASKS}/{key}.nii.gz"
    why, usable = "a Segmentation of the study", segment.frame in frames
    if not usable:
        why = "a Segmentation that lies in no scan's frame of reference"
    else:
        try:
            write_mask(segment.path, [segment.number], folder / reference)
        except CystgridError as error:
            why, usable = str(error.naming(lambda _: "file")), False
    return Series(
        key=key, reference=reference, number="-", description=shown or f"segment {segment.number}",
        weighting="mask", plane="-", matrix="-", spacing="-", slices="-", why=why, usable=usable,
    )  # fmt: skip
