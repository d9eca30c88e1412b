"""Centres, their protocols, and the grid of one scan.

The figures follow 358 real T2 scans of the Cyst-X cohort (its published geometry table): in-plane
voxels of 0.61-1.76 mm (5th to 95th percentile 0.70-1.49), matrices of 256-528 columns (median 320),
slices of 3-8 mm (median 5.0; 4.4, 5-6.6 or 7-8 by centre), 27-60 slices (median 38), fields of view
of 280-430 mm, a 99th intensity percentile of 374-1991 (median 890) and a maximum of 1.46-2.5 times
that. Matrices and slice counts stay in the lower half of that range, so that cohorts are quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cystgrid.cohort.phantom.contrast import Weighting
from cystgrid.cohort.phantom.shapes import Axes, Vector, rotation
from cystgrid.scans.volume import Affine

Stored = Literal["LAS", "RAS", "LPS"]
IN_PLANE_MM = (0.61, 1.76)
P99_RANGE = (374.0, 1991.0)
"""5th to 95th percentile of the real scans' 99th intensity percentile."""
SLICES = (24, 44)
FIELD_OF_VIEW_ROOM = (1.05, 1.18)
"""Field of view over the body's width."""
COVERAGE_MIDDLE_MM = 5.0
"""z of the middle of a scan, above the first lumbar vertebra's middle."""


@dataclass(frozen=True)
class Protocol:
    """How a centre takes one weighting.

    Attributes:
        columns: matrix sizes in use.
        slice_mm: range of the distance between slices.
        thickness: slice thickness over that distance; the rest is gap.
        coverage_mm: range of the extent from foot to head.
        fat_suppressed: whether fat is suppressed.
        bias: deviation of the log of the field over the scan.
        noise: range of the noise's deviation over fluid's (T2) or fat's (T1) signal.
        blur_mm: deviation of the point spread in the plane.
        oblique: largest tilt in degrees about any axis.
    """

    columns: tuple[int, ...]
    slice_mm: tuple[float, float]
    thickness: float
    coverage_mm: tuple[float, float]
    fat_suppressed: bool
    bias: tuple[float, float]
    noise: tuple[float, float]
    blur_mm: float
    oblique: float


@dataclass(frozen=True)
class Center:
    """A hospital with one T1 and one T2 protocol and its way of storing voxels."""

    name: str
    field_strength: float
    stored: Stored
    level: tuple[float, float]
    t1: Protocol
    t2: Protocol

    def protocol(self, weighting: Weighting) -> Protocol:
        """The protocol of one weighting."""
        return self.t1 if weighting == "t1" else self.t2


def _center(
    name: str, tesla: float, stored: Stored, level: tuple[float, float], *,
    t2: tuple[tuple[int, ...], tuple[float, float], float, bool, float],
    t1: tuple[tuple[int, ...], tuple[float, float], float, bool, float],
) -> Center:  # fmt: skip
    """A centre from ``(columns, slice mm, thickness share, fat suppressed, oblique degrees)``."""
    strength = 0.7 if tesla < 2 else 1.0
    bias = (0.10 * strength, 0.22 * strength)
    noise = (0.005 / strength, 0.010 / strength)

    def protocol(
        columns: tuple[int, ...], slice_mm: tuple[float, float], share: float, fat: bool,
        oblique: float, coverage: tuple[float, float], blur: float,
    ) -> Protocol:  # fmt: skip
        return Protocol(columns, slice_mm, share, coverage, fat, bias, noise, blur, oblique)

    return Center(
        name, tesla, stored, level,
        protocol(*t1, (165, 185), 0.75), protocol(*t2, (180, 215), 0.6),
    )  # fmt: skip


CENTERS = (
    _center("alpha", 1.5, "LAS", (500, 1300), t2=((256,), (4.4, 4.8), 0.91, True, 0),
            t1=((224,), (4.0, 4.6), 1.0, True, 0)),
    _center("beta", 3.0, "RAS", (700, 2000), t2=((320,), (6.0, 7.2), 0.83, False, 0),
            t1=((256,), (4.2, 4.8), 1.0, True, 0)),
    _center("gamma", 1.5, "RAS", (400, 1000), t2=((256, 288), (6.6, 7.7), 0.9, True, 2),
            t1=((256,), (4.4, 5.0), 1.0, True, 1)),
    _center("delta", 3.0, "LPS", (600, 1600), t2=((272, 320), (5.0, 6.0), 0.83, False, 0),
            t1=((240,), (4.0, 4.4), 1.0, True, 0)),
    _center("epsilon", 3.0, "RAS", (500, 1900), t2=((256,), (5.0, 6.5), 0.77, True, 4),
            t1=((208, 224), (4.4, 5.0), 1.0, True, 0)),
    _center("zeta", 1.5, "RAS", (400, 1200), t2=((256, 288), (7.0, 8.0), 0.87, False, 0),
            t1=((224,), (5.0, 6.0), 0.9, False, 2)),
    _center("eta", 3.0, "RAS", (800, 2000), t2=((288,), (4.8, 5.6), 0.9, True, 1),
            t1=((256,), (4.0, 4.4), 1.0, True, 3)),
)  # fmt: skip
"""Seven centres, named so as not to be taken for real ones.

Those that tilt their slices store RAS: near half a turn, as LAS and LPS are, NIfTI's quaternion
keeps a tilt of a few degrees to three digits only, and qform would leave sform by a tenth of a mm.
"""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where one scan's voxels lie.

    The scan's frame has its axes along ``i, j, k`` and its origin at the patient's; ``turn`` takes
    it to the patient's RAS+.

    Attributes:
        shape: voxels along ``(i, j, k)``.
        spacing: ``(3,)`` mm between voxel centres.
        first: ``(3,)`` mm in the scan's frame of voxel ``(0, 0, 0)``.
        turn: ``(3, 3)`` rotation.
        thickness: of a slice in mm.
    """

    shape: tuple[int, int, int]
    spacing: Vector
    first: Vector
    turn: Vector
    thickness: float

    @property
    def affine(self) -> Affine:
        """``(4, 4)`` voxel centres to mm, RAS+."""
        out = np.eye(4)
        out[:3, :3] = self.turn * self.spacing
        out[:3, 3] = self.turn @ self.first
        return out

    def axes(self, subslices: int) -> Axes:
        """Voxel centres in mm in the scan's frame, with sub-slices spread over the thickness."""
        i, j, k = (
            (first + step * np.arange(n)).astype(np.float32)
            for first, step, n in zip(self.first, self.spacing, self.shape, strict=True)
        )
        within = ((np.arange(subslices) + 0.5) / subslices - 0.5) * self.thickness
        fine = (k[:, None] + within.astype(np.float32)).reshape(1, 1, -1)
        return i.reshape(-1, 1, 1), j.reshape(1, -1, 1), fine


def draw_grid(
    random: np.random.Generator, protocol: Protocol, width: float, depth: float, middle_y: float,
    reduction: float,
) -> Grid:  # fmt: skip
    """A scan that covers a body ``width`` by ``depth`` mm whose middle lies at ``middle_y`` mm.

    Args:
        random: consumed in the same order whatever the protocol.
        protocol: the centre's.
        width: of the body from side to side in mm.
        depth: of the body from back to front in mm.
        middle_y: mm, A+, of the body's middle.
        reduction: divides the matrix; 1 for a scan as the protocol says.
    """
    columns = int(random.choice(protocol.columns))
    room, gap, reach = random.uniform(size=3)
    tilt = random.uniform(-1, 1, 3) * protocol.oblique
    offset = random.normal(0, 1, 3) * (4, 4, 4)
    field = width * np.interp(room, (0, 1), FIELD_OF_VIEW_ROOM)
    in_plane = float(np.clip(round(field / columns, 4), *IN_PLANE_MM)) * reduction
    rows = 16 * int(np.ceil((depth * 1.12 + 10) / (in_plane / reduction) / 16))
    between = float(round(np.interp(gap, (0, 1), protocol.slice_mm), 2))
    slices = int(
        np.clip(np.ceil(np.interp(reach, (0, 1), protocol.coverage_mm) / between), *SLICES)
    )
    shape = (int(columns / reduction), int(min(rows, columns) / reduction), slices)
    spacing = np.array([in_plane, in_plane, between])
    middle = np.array([0, middle_y, COVERAGE_MIDDLE_MM]) + offset
    turn = rotation((float(tilt[0]), float(tilt[1]), float(tilt[2])))
    first = turn.T @ middle - spacing * (np.array(shape) - 1) / 2
    return Grid(shape, spacing, first, turn, between * protocol.thickness)
