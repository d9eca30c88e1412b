"""The one colour scale of all maps of relevance, in figures, reports and on the page."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap, LogNorm
from numpy.typing import NDArray

COLOURS = "inferno"
"""Perceptually uniform, its lightness rising throughout: read alike with any colour vision."""

EVEN, MOST = 1.0, 8.0
"""The scale, logarithmic, in even shares: less than an even share is not drawn, more than 8 looks
like 8. Fixed, so that no map is made loud by its own scaling; a flat map shows nothing."""

DARKEST = 0.3
"""Where of the colours the scale begins: below, they are as dark as what is not drawn."""

MOST_OPAQUE = 0.8
"""Of the colour over the scan, at the scale's end; it falls to 0 at an even share."""


def map_scale() -> LogNorm:
    """Places 0-1 on the scale, of values in even shares."""
    return LogNorm(EVEN, MOST, clip=True)


def map_colours() -> ListedColormap:
    """The scale's colours as they lie over a scan."""
    steps = np.linspace(0, 1, 256)
    colours = relevance_colours(steps)
    colours[:, 3] = MOST_OPAQUE * np.sqrt(steps)
    return ListedColormap(colours)


def map_pixels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """``(row, column, 4)`` to lay on a scan: nothing up to an even share, then the scale's colours.

    Args:
        values: ``(row, column)`` in even shares; NaN is not drawn.
    """
    shown = np.where(values > EVEN, values, np.nan)
    colours = map_colours()(map_scale()(np.ma.masked_invalid(shown)))
    return np.asarray(np.rint(colours * 255), dtype=np.uint8)


def scale_pixels(width: int = 128) -> NDArray[np.uint8]:
    """``(1, width, 4)`` opaque: the scale's colours from ``EVEN`` to ``MOST``."""
    colours = relevance_colours(np.linspace(0, 1, width))[None]
    return np.asarray(np.rint(colours * 255), dtype=np.uint8)


def relevance_colours(steps: NDArray[np.floating]) -> NDArray[np.float64]:
    """The scale's colours ``(..., 4)``, opaque, of places 0-1 on it."""
    return np.asarray(matplotlib.colormaps[COLOURS](DARKEST + (1 - DARKEST) * steps))
