"""Planes as PNG: grey scans on one window a scan, maps in the one colour scale of all pictures."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cystgrid.outputs.relevance_scale import EVEN, MOST, relevance_colours
from cystgrid.page.planes import Axis, Frame, plane
from cystgrid.scans.reading import read_scan
from cystgrid.scans.volume import Volume

DISPLAY_PERCENTILES = (1.0, 99.5)
"""Grey levels shown, over the whole scan, so that neighbouring slices compare."""

KEPT_SCANS = 6
"""In memory: two scans and their maps, while somebody scrolls through them."""

SCALE_PIXELS, TABLE_STEPS = 200, 256

LEAST_THRESHOLD, MOST_THRESHOLD = EVEN, MOST


def opened(reference: str) -> tuple[Volume, float, float]:
    """A canonical scan and the grey levels it is shown in; kept until its file is another.

    Reading a study again puts new maps where the old ones were.

    Raises:
        ScanError: it cannot be read.
    """
    path = Path(reference)
    seen = path.stat() if path.is_file() else None  # a folder's scan: an upload never changes
    return _opened(reference, seen and (seen.st_ino, seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=KEPT_SCANS)
def _opened(reference: str, version: object) -> tuple[Volume, float, float]:
    scan = read_scan(reference)
    low, high = np.percentile(scan.voxels[::2, ::2], DISPLAY_PERCENTILES)
    return scan, float(low), float(max(high, low + 1e-6))


def frame_of(reference: str) -> Frame:
    """The frame of a scan."""
    return Frame.around(opened(reference)[0])


def scan_png(reference: str, frame: Frame, axis: Axis, number: int) -> bytes:
    """One plane of a scan in grey."""
    scan, low, high = opened(reference)
    values = (plane(scan, frame, axis, number, nearest=False) - low) / (high - low)
    grey = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return _png(Image.fromarray(grey))


def map_png(path: Path, frame: Frame, axis: Axis, number: int, threshold: float) -> bytes:
    """One plane of a map in colour, transparent where it is below the threshold.

    Args:
        path: a map in even shares, as NIfTI.
        frame: on which it is shown.
        axis: which way it is cut.
        number: of the plane.
        threshold: even shares; what is less is not drawn.
    """
    values = plane(opened(str(path))[0], frame, axis, number, nearest=True)
    return _png(Image.fromarray(coloured(values, threshold), mode="RGBA"))


def coloured(values: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """``(row, column, 4)`` in the colours of the map's scale, opaque; 0 where nothing is drawn."""
    steps = np.log(np.clip(values, EVEN, MOST) / EVEN) / np.log(MOST / EVEN)
    colours = relevance_colours(steps)
    colours[..., 3] = values > threshold
    return np.rint(colours * 255).astype(np.uint8)


def scale_table() -> dict[str, list[int]]:
    """The same colours from 0 to ``MOST`` in equal steps of an even share, for a viewer's table."""
    index = np.arange(TABLE_STEPS)
    values = (index / (TABLE_STEPS - 1) * MOST).astype(np.float32)
    colours = coloured(values, 0)
    table = {name: colours[:, channel].tolist() for channel, name in enumerate("RGB")}
    return {**table, "A": [255] * TABLE_STEPS, "I": index.tolist()}


def scale_png() -> bytes:
    """The colours of the map's scale in a row, ``EVEN`` on the left, ``MOST`` on the right."""
    values = np.geomspace(EVEN, MOST, SCALE_PIXELS, dtype=np.float32)[None]
    colours = coloured(values, 0)
    return _png(Image.fromarray(colours, mode="RGBA"))


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return content.getvalue()
