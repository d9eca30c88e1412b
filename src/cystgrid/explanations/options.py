"""What can be chosen about a map; each choice belongs to the methods that it names."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cystgrid.grids.tiling import Cells
from cystgrid.settings import Settings

HeadFusion = Literal["mean", "max", "min"]


class Options(Settings):
    """How maps are made.

    Attributes:
        head_fusion: rollout: what one layer's heads become, weight by weight.
        discard: rollout: share of each layer's smallest fused weights that is set to 0, in 0-1.
        identity: rollout: add the residual connection to each layer before its rows are normalised.
        constant_memory: rollout: carry the whole product of the layers forward, so that memory
            does not grow with depth; O(layers x tokens^3) in place of O(layers x tokens^2).
        steps: integrated gradients: points between the baseline and the input.
        cells: occlusion-cells: cells of a grid, a square number; of a stack or a volume: into how
            many slabs of slices it is divided, at most one a slice.
        patch: occlusion-patches: pixels along a patch's side.
        together: integrated gradients and occlusion: one map of all channels, not one a channel.
    """

    head_fusion: HeadFusion = "mean"
    discard: float = Field(default=0.0, ge=0, lt=1)
    identity: bool = True
    constant_memory: bool = False
    steps: int = Field(default=32, ge=2)
    cells: Cells = 9
    patch: int = Field(default=16, ge=1)
    together: bool = False
