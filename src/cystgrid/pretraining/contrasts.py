"""How bright each tissue of a scene is in T1 and T2: fluid as it mostly is, all else at random.

Far wider than reality (Billot et al., SynthSeg, Med Image Anal 86 (2023) 102789): what a network
learns from it must not rest on one scanner's contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cystgrid.pretraining.draws import Draws
from cystgrid.pretraining.tissues import ORGANS

USUAL_FLUID = 0.95
"""Of the scenes: fluid is bright in T2 and dark in T1, as water is; else it is anything."""


@dataclass(frozen=True)
class Contrasts:
    """Intensities ``(scene, modality)``, 0-1 before all artefacts.

    Attributes:
        organs: ``(scene, organ, modality)``.
        cyst, duct: fluid, now and then clouded (mucin, blood).
        fluids: of bowel, stomach, gall bladder: near the cysts' own, so that only form and place
            tell them apart.
    """

    organs: Tensor
    pancreas: Tensor
    cyst: Tensor
    duct: Tensor
    fluids: Tensor
    wall: Tensor
    nodule: Tensor
    bright_vessel: Tensor
    dark_vessel: Tensor


def draw_contrasts(draws: Draws) -> Contrasts:
    """One set a scene."""
    organs = draws.uniform(0.05, 0.6, ORGANS, 2)
    usual = draws.happens(USUAL_FLUID, 1)
    typical = torch.cat([draws.uniform(0.0, 0.2, 1), draws.uniform(0.75, 1.0, 1)], dim=1)
    water = torch.where(usual, typical, draws.uniform(0, 1, 2))
    pancreas = organs[:, 0] + 0.12 * draws.normal(2)
    clouded = draws.happens(0.15, 1).float() * draws.uniform(0, 0.5, 1)
    solid = pancreas + 0.1 * draws.normal(2)
    return Contrasts(
        organs,
        pancreas.clamp(0, 1),
        _near(torch.lerp(water, pancreas, clouded), draws, 0.05),
        _near(water, draws, 0.08),
        _near(water, draws, 0.12),
        _near(solid, draws, 0.1),
        _near(solid, draws, 0.15),
        draws.uniform(0.5, 1.0, 2),
        draws.uniform(0.0, 0.3, 2),
    )


def _near(contrast: Tensor, draws: Draws, spread: float) -> Tensor:
    return (contrast + spread * draws.normal(2)).clamp_(0, 1)
