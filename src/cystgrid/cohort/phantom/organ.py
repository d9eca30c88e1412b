"""What an organ is made of, before anyone draws it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from cystgrid.cohort.phantom.contrast import Tissue
from cystgrid.cohort.phantom.shapes import Shape, Vector

Region = Literal["anywhere", "abdomen", "chest"]
"""Where an organ is kept: anywhere, or inside the cavity below or above the diaphragm."""


@dataclass(frozen=True)
class Lumen:
    """A hollow organ's content.

    Attributes:
        wall: thickness in mm.
        content: what fills it.
        gas_level: height in mm (A+, the patient lies on the back) above which it holds gas.
        folds: depth in mm of folds of the wall.
    """

    wall: float
    content: Tissue
    gas_level: float | None = None
    folds: float = 0.0


@dataclass(frozen=True, eq=False)
class Organ:
    """Solids of one tissue, painted over what is there already.

    Attributes:
        tissue: of the solids, or of the wall of a hollow organ.
        solids: their union.
        cuts: carved out of the union.
        blend: mm over which solids melt into each other.
        wobble: deviation in mm of the slow undulation of the surface.
        lobulation: deviation in mm of the fine undulation of the surface.
        region: where the organ is kept.
        mobile: whether breathing moves it.
        lumen: content, for a hollow organ.
    """

    tissue: Tissue
    solids: tuple[Shape, ...]
    cuts: tuple[Shape, ...] = ()
    blend: float = 0.0
    wobble: float = 0.0
    lobulation: float = 0.0
    region: Region = "anywhere"
    mobile: bool = True
    lumen: Lumen | None = None

    def moved(self, rotation: Vector, shift: Vector) -> Self:
        """The organ after ``p -> rotation @ p + shift``; gas still rises to the front."""
        lumen = self.lumen
        if lumen is not None and lumen.gas_level is not None:
            lumen = replace(lumen, gas_level=lumen.gas_level + float(shift[1]))
        return replace(
            self,
            solids=tuple(shape.moved(rotation, shift) for shape in self.solids),
            cuts=tuple(shape.moved(rotation, shift) for shape in self.cuts),
            lumen=lumen,
        )

    def bounds(self) -> tuple[Vector, Vector]:
        """Corners of a box around the solids with room for their undulation."""
        corners = [shape.bounds() for shape in self.solids]
        room = 3 * (self.wobble + self.lobulation) + self.blend / 4 + 1.5
        low = np.min([low for low, _ in corners], axis=0) - room
        return low, np.max([high for _, high in corners], axis=0) + room
