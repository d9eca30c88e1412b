"""A scan placed in space. The one place where axis order and world frame are fixed.

Voxels are indexed ``(i, j, k)``; ``affine`` takes ``(i, j, k, 1)`` of a voxel's *centre* to
millimetres in the patient's RAS+ frame (x to the right, y to the front, z to the head), as NIfTI
does. DICOM's LPS+ is converted where it is read, and nowhere else. After ``canonical`` the axes run
as near to R, A, S as whole-axis flips and swaps allow, so ``k`` counts slices from foot to head.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Affine = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Volume:
    """One scan or mask.

    Attributes:
        voxels: ``(i, j, k)`` float32, read-only.
        affine: ``(4, 4)`` float64; voxel centres to mm, RAS+.
        source: where it came from, for messages: its path, marked by ``path_text``; never written
            into results.
        notes: what was flagged or fixed while reading, one sentence each.
    """

    voxels: Array
    affine: Affine
    source: str = "memory"
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.affine.shape != (4, 4):
            raise ValueError(
                f"voxels of shape {self.voxels.shape} and affine of {self.affine.shape}, "
                "expected (i, j, k) and (4, 4)"
            )
        voxels = np.asarray(self.voxels, dtype=np.float32).view()
        affine = np.array(self.affine, dtype=np.float64)
        voxels.flags.writeable = False
        affine.flags.writeable = False
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along ``(i, j, k)``."""
        i, j, k = self.voxels.shape
        return i, j, k

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxel centres along ``(i, j, k)``."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def axes(self) -> str:
        """The body directions that ``i, j, k`` come nearest to, such as ``"RAS"`` or ``"LPS"``."""
        return "".join(nib.orientations.aff2axcodes(self.affine))

    def world(self, index: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """World positions in mm, RAS+, of voxel indices ``(..., 3)``."""
        return np.asarray(index) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def index(self, world: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractional voxel indices of world positions ``(..., 3)`` in mm, RAS+."""
        return (np.asarray(world) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def canonical(self) -> Volume:
        """The same scan with its axes flipped and swapped to run R, A, S; no voxel is resampled."""
        turn = nib.orientations.io_orientation(self.affine)
        voxels = nib.orientations.apply_orientation(self.voxels, turn)
        affine = self.affine @ nib.orientations.inv_ornt_aff(turn, self.shape)
        return Volume(np.ascontiguousarray(voxels), affine, self.source, self.notes)

    def noted(self, *sentences: str) -> Volume:
        """The same scan with further notes."""
        return Volume(self.voxels, self.affine, self.source, (*self.notes, *sentences))

    def with_voxels(self, voxels: NDArray[np.floating]) -> Volume:
        """Other values on the same grid."""
        if voxels.shape != self.voxels.shape:
            raise ValueError(f"voxels of shape {voxels.shape}, expected {self.voxels.shape}")
        return Volume(voxels.astype(np.float32, copy=False), self.affine, self.source, self.notes)
