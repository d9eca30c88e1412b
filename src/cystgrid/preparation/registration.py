"""What is asked of a registration, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from cystgrid.preparation.misalignment import Misalignment
from cystgrid.scans.volume import Affine
from cystgrid.settings import Settings


class RegistrationSettings(Settings):
    """How T1 is laid onto T2.

    Attributes:
        mode: ``measure`` places T1 by its header, measures by how much the two scans disagree
            around the region, and reports it; ``rigid`` turns and shifts T1 by mutual information
            and measures what is left; ``off`` places T1 by its header and measures nothing.
        margin_mm: around the region of interest that is looked at too.
        sampling_mm: distance of the points at which the scans are compared; larger where a
            region is so large that it would take over a second.
        iterations: of ``rigid``; one that has not settled by then is refused. It takes about 20.
        bins: of the joint histogram of ``rigid``, along each axis (ITK examples: 24 to 50).
        largest_shift_mm: a larger shift is refused by ``rigid`` and flagged by ``measure``. Upper
            abdominal organs move by some 10 to 25 mm in quiet breathing (Langen and Jones 2001).
        largest_rotation_degrees: a larger turn is refused.
        largest_disagreement_mm: mutual information and edges must place T1 within this of each
            other.
        min_overlap: least share of the region that both scans must cover, 0-1.
    """

    mode: Literal["off", "measure", "rigid"] = "measure"
    margin_mm: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    sampling_mm: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    iterations: int = Field(default=100, ge=1)
    bins: int = Field(default=32, ge=8)
    largest_shift_mm: float = Field(default=25.0, gt=0, allow_inf_nan=False)
    largest_rotation_degrees: float = Field(default=10.0, gt=0, le=90)
    largest_disagreement_mm: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    min_overlap: float = Field(default=0.5, gt=0, le=1)


@dataclass(frozen=True, eq=False)
class Registration:
    """What was found, and what is to be applied with ``moved``.

    Attributes:
        transform: ``(4, 4)`` float64; reference world to moving world, mm RAS+. The identity unless
            the mode is ``rigid``.
        shift_mm: ``(x, y, z)`` by which it moves the region's centre.
        rotation_degrees: by which it turns.
        before: how far the headers leave the scans apart, or None where not measured.
        after: how far ``transform`` leaves them apart, or None unless the mode is ``rigid``.
        disagreement_mm: how far edges place the region from where mutual information does, or
            None unless the mode is ``rigid``: what to doubt of the alignment, as ``after`` is by
            edges again.
        information_before: mutual information in nats, or None unless the mode is ``rigid``.
        information_after: the most that it was brought to.
        flags: what a reader of the results should know, one sentence each.
    """

    transform: Affine
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_degrees: float = 0.0
    before: Misalignment | None = None
    after: Misalignment | None = None
    disagreement_mm: float | None = None
    information_before: float | None = None
    information_after: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def residual(self) -> Misalignment | None:
        """How far the scans lie apart as they are used, where it could be told."""
        last = self.after if self.after is not None else self.before
        return last if last is not None and last.distinct else None

    @property
    def figures(self) -> dict[str, float]:
        """What belongs beside a prepared patient, by name; what was not measured is left out."""
        out: dict[str, float] = {}
        if self.residual is not None:
            x, y, z = self.residual.shift_mm
            out |= {"residual_x_mm": x, "residual_y_mm": y, "residual_z_mm": z}
            out["residual_mm"] = self.residual.length_mm
        if self.after is not None:
            x, y, z = self.shift_mm
            out |= {"moved_x_mm": x, "moved_y_mm": y, "moved_z_mm": z}
            out["moved_mm"] = float(np.linalg.norm(self.shift_mm))
            out["rotation_degrees"] = self.rotation_degrees
        further = ("disagreement_mm", "information_before", "information_after")
        return out | {name: value for name in further if (value := getattr(self, name)) is not None}
