"""The box that the page begins with: where a pancreas often lies; always to be corrected."""

from __future__ import annotations

from cystgrid.page.planes import Frame

WIDTH_MM = (150.0, 80.0, 70.0)
"""Left to right, front to back, foot to head: a pancreas of usual size with room around it."""

LEAST_MM = 1.0


def proposed_box(frame: Frame) -> str:
    """``x0,x1,y0,y1,z0,z1`` in mm, RAS+, in the middle of a scan and inside it."""
    edges: list[float] = []
    for low, high, width in zip(frame.low, frame.high, WIDTH_MM, strict=True):
        half = max(min(width, high - low), LEAST_MM) / 2
        middle = (low + high) / 2
        edges += [middle - half, middle + half]
    return ",".join(f"{edge:.1f}" for edge in edges)
