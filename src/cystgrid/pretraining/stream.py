"""An endless stream of labelled grids: batch ``number`` is the same wherever and whenever drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from cystgrid.grids.tiling import tile
from cystgrid.pretraining.artefacts import acquire
from cystgrid.pretraining.draws import Draws
from cystgrid.pretraining.scene import draw_scenes

AT_ONCE = 8
"""Scenes drawn together: as many as stay in a processor's cache."""


@dataclass(frozen=True)
class LabelledGrids:
    """Grids and what is known of them.

    Attributes:
        grids: ``(grid, modality, height, width)`` in 0-1.
        fractions: ``(grid, patch, tissue)`` how much of each patch is of each tissue, 0-1.
        facts: ``(grid, fact)`` in units of their scales.
    """

    grids: Tensor
    fractions: Tensor
    facts: Tensor

    def __len__(self) -> int:
        return len(self.grids)


@dataclass(frozen=True)
class Stream:
    """What is drawn.

    Attributes:
        seed: of everything random in it.
        batch: grids in each batch, a multiple of ``AT_ONCE`` or fewer.
        cells: slices in a grid.
        pixels: along a cell's side.
        patch: along a patch's side.
    """

    seed: int
    batch: int
    cells: int
    pixels: int
    patch: int

    def draw(self, number: int) -> LabelledGrids:
        """The batch of this number."""
        parts = []
        for first in range(0, self.batch, AT_ONCE):
            draws = Draws(self.seed, number * self.batch + first, min(AT_ONCE, self.batch - first))
            parts.append(self._drawn(draws))
        return LabelledGrids(
            torch.cat([part.grids for part in parts]),
            torch.cat([part.fractions for part in parts]),
            torch.cat([part.facts for part in parts]),
        )

    def _drawn(self, draws: Draws) -> LabelledGrids:
        scenes = draw_scenes(draws, self.cells, self.pixels)
        patches = avg_pool2d(tile(scenes.fractions), self.patch)  # (grid, tissue, row, column)
        return LabelledGrids(
            tile(acquire(scenes.intensities, draws)),
            patches.flatten(2).transpose(1, 2).contiguous(),
            scenes.facts,
        )
