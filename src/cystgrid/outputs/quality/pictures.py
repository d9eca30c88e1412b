"""Thumbnails as a page holds them: grey pixels as JPEG in a ``data:`` URI, the outline as SVG."""

from __future__ import annotations

import base64
import io

import numpy as np
from contourpy import LineType, contour_generator
from numpy.typing import NDArray
from PIL import Image

from cystgrid.outputs.quality.model import Picture
from cystgrid.preparation.thumbnail import Thumbnail

JPEG_QUALITY = 72
"""About 2.5 kB for 120 x 85 pixels; below, blocks show in the liver."""


def picture(thumbnail: Thumbnail, patient: str) -> Picture:
    """Encode a thumbnail; the same pixels give the same bytes, and no other information is kept.

    One of a scan that there is not is an empty picture called ``no T1``.
    """
    height, width = thumbnail.pixels.shape
    content = io.BytesIO()
    Image.fromarray(thumbnail.pixels, mode="L").save(
        content, "JPEG", quality=JPEG_QUALITY, optimize=True
    )
    packed = base64.b64encode(content.getvalue()).decode("ascii")
    outline = outline_path(thumbnail.mask)
    name = thumbnail.name.upper()
    shows = "with the region outlined" if outline else "without a region"
    alt = f"{patient}, {name}: one axial slice, {shows}"
    if thumbnail.absent:
        alt = f"{patient}: there is no {name}"
        name = f"no {name}"
    uri = f"data:image/jpeg;base64,{packed}"
    return Picture(name, uri, width, height, outline, alt)


def outline_path(mask: NDArray[np.bool_]) -> str:
    """The border of a mask as SVG path data in half pixels from the picture's upper left corner.

    Args:
        mask: ``(row, column)``.

    Returns:
        Closed curves, empty for an empty mask.
    """
    if not mask.any():
        return ""
    # a margin of one pixel, so that a mask at the picture's edge has a border there, too
    padded = np.pad(mask, 1).astype(np.float64)
    lines = contour_generator(z=padded, line_type=LineType.Separate).lines(0.5)
    # a value at index n stands in the middle of pixel n - 1, at 2 (n - 1) + 1 half pixels
    return "".join(_closed(np.rint(2 * np.asarray(line) - 1).astype(int)) for line in lines)


def _closed(points: NDArray[np.int_]) -> str:
    """One closed curve in relative steps; points on a straight line are left out."""
    corners = [points[0]]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        one, other = here - before, after - here
        if one[0] * other[1] != one[1] * other[0]:
            corners.append(here)
    steps = np.diff(np.array(corners), axis=0)
    moves = "".join(f"l{x} {y}" for x, y in steps)
    return f"M{corners[0][0]} {corners[0][1]}{moves}z"
