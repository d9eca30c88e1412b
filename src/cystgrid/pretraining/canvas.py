"""Scenes while they are painted, layer upon layer."""

from __future__ import annotations

import torch
from torch import Tensor

from cystgrid.pretraining.tissues import Tissue

MODALITIES = 2
"""T1 and T2, in this order."""


class Canvas:
    """Intensities and fractions of many scenes.

    Args:
        ground: ``(scene, modality, slice, row, column)`` intensities of what is painted upon.

    Attributes:
        layers: ``(scene, modality + tissue, slice, row, column)``.
    """

    def __init__(self, ground: Tensor) -> None:
        scenes, _, *size = ground.shape
        self.layers = torch.cat([ground, torch.zeros(scenes, len(Tissue), *size)], dim=1)

    @property
    def intensities(self) -> Tensor:
        """``(scene, modality, slice, row, column)``."""
        return self.layers[:, :MODALITIES]

    @property
    def fractions(self) -> Tensor:
        """``(scene, tissue, slice, row, column)``."""
        return self.layers[:, MODALITIES:]

    def paint(self, cover: Tensor, contrast: Tensor, tissue: Tissue | None = None) -> None:
        """Lay something over all that is there.

        Args:
            cover: ``(scene, slice, row, column)`` how much of a voxel it takes, 0-1.
            contrast: ``(scene, modality)`` its intensities.
            tissue: what it is; None for what is not asked for.
        """
        self.layers *= (1.0 - cover)[:, None]
        for modality in range(MODALITIES):
            self.layers[:, modality].addcmul_(cover, contrast[:, modality, None, None, None])
        if tissue is not None:
            self.layers[:, MODALITIES + tissue] += cover
