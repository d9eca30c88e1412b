"""A scan that shows its middle slices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cystgrid.face import html
from cystgrid.scans import reading
from cystgrid.scans.volume import Volume

HEIGHT = 160
"""Pixels of a slice."""

SHOWN_PERCENTILES = (0.5, 99.5)
"""Grey levels: one bright voxel must not darken the picture."""


@dataclass(frozen=True, eq=False, repr=False)
class Scan(Volume):
    """One scan in space (see ``Volume``): voxels ``(i, j, k)``, centres to mm RAS+."""

    def __repr__(self) -> str:
        i, j, k = self.shape
        return f"Scan: {i} x {j} x {k} voxels, {self.axes}"

    def _repr_html_(self) -> str:
        """Axial, coronal and sagittal middle slices, as a radiologist is used to see them."""
        i, j, k = self.shape
        spacing = " x ".join(f"{each:.2f}" for each in self.spacing)
        words = (
            f"Scan of {i} x {j} x {k} voxels, {spacing} mm, {self.axes}; middle axial, coronal and "
            "sagittal slices, patient's right on the left"
        )
        notes = "".join(html.paragraph(note) for note in self.notes)
        return html.picture(_views(self.canonical()), words) + html.paragraph(words) + notes


def read_scan(reference: str | Path) -> Scan:
    """Read a NIfTI file, a DICOM folder, or ``folder#SeriesInstanceUID``.

    Raises:
        ScanError: it cannot be read, or is no scan that can be trusted.
    """
    read = reading.read_scan(reference)
    return Scan(read.voxels, read.affine, read.source, read.notes)


def _views(scan: Volume) -> NDArray[np.uint8]:
    """The three middle slices side by side, in true proportion."""
    low, high = np.percentile(scan.voxels, SHOWN_PERCENTILES)
    grey = np.clip((scan.voxels - low) / max(high - low, 1e-6), 0, 1)
    grey = (255 * grey).astype(np.uint8)[::-1, ::-1, ::-1]  # right, front and head come first
    i, j, k = (size // 2 for size in grey.shape)
    dx, dy, dz = scan.spacing
    views = [(grey[:, :, k], dx, dy), (grey[:, j, :], dx, dz), (grey[i], dy, dz)]
    return np.hstack([_scaled(slice_.T, *size) for slice_, *size in views])


def _scaled(slice_: NDArray[np.uint8], across: float, down: float) -> NDArray[np.uint8]:
    """``(row, column)`` to ``HEIGHT`` rows of the proportion that its mm give."""
    rows, columns = slice_.shape
    width = max(round(HEIGHT * columns * across / (rows * down)), 1)
    return np.asarray(Image.fromarray(np.ascontiguousarray(slice_)).resize((width, HEIGHT)))
