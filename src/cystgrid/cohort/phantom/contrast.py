"""How bright each tissue is in T1 and T2: relative signals, their spread and their texture.

Fluid in T2 and fat in a T1 without fat suppression are about 1. The figures are those of
breath-held, moderately T2-weighted (echo about 80-100 ms) fast spin echo and of unenhanced spoiled
gradient echo at 1.5-3 T, set by eye against published normal abdomens, and jittered by patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

Weighting = Literal["t1", "t2"]


class Tissue(StrEnum):
    """What a voxel can be made of."""

    AIR = "air"
    LUNG = "lung"
    SKIN = "skin"
    FAT = "fat"
    VISCERAL_FAT = "visceral fat"
    MUSCLE = "muscle"
    CORTICAL_BONE = "cortical bone"
    MARROW = "marrow"
    DISC = "disc"
    CSF = "cerebrospinal fluid"
    CORD = "cord"
    LIVER = "liver"
    SPLEEN = "spleen"
    RENAL_CORTEX = "renal cortex"
    RENAL_MEDULLA = "renal medulla"
    URINE = "urine"
    ARTERY = "artery"
    VEIN = "vein"
    LIVER_VESSEL = "liver vessel"
    MYOCARDIUM = "myocardium"
    GUT_WALL = "gut wall"
    GUT_FLUID = "gut fluid"
    FOOD = "food"
    STOOL = "stool"
    GAS = "gas"
    BILE = "bile"
    ADRENAL = "adrenal"
    PANCREAS = "pancreas"
    DUCT_FLUID = "duct fluid"
    CYST_FLUID = "cyst fluid"
    SEPTUM = "septum"
    NODULE = "nodule"
    SIMPLE_CYST = "simple cyst"


# tissue: (T1, T2, jitter of the signal between patients, texture as a fraction of the signal)
_SIGNALS: dict[Tissue, tuple[float, float, float, float]] = {
    Tissue.AIR: (0.0, 0.0, 0.0, 0.0),
    Tissue.LUNG: (0.05, 0.04, 0.2, 0.3),
    Tissue.SKIN: (0.45, 0.30, 0.1, 0.05),
    Tissue.FAT: (1.0, 0.62, 0.08, 0.03),
    Tissue.VISCERAL_FAT: (0.95, 0.57, 0.08, 0.05),
    Tissue.MUSCLE: (0.38, 0.13, 0.08, 0.10),
    Tissue.CORTICAL_BONE: (0.08, 0.04, 0.2, 0.1),
    Tissue.MARROW: (0.42, 0.24, 0.15, 0.12),
    Tissue.DISC: (0.30, 0.30, 0.25, 0.15),
    Tissue.CSF: (0.12, 1.0, 0.05, 0.03),
    Tissue.CORD: (0.38, 0.42, 0.08, 0.05),
    Tissue.LIVER: (0.54, 0.25, 0.12, 0.07),
    Tissue.SPLEEN: (0.40, 0.47, 0.10, 0.06),
    Tissue.RENAL_CORTEX: (0.50, 0.46, 0.08, 0.06),
    Tissue.RENAL_MEDULLA: (0.36, 0.58, 0.08, 0.06),
    Tissue.URINE: (0.13, 0.95, 0.08, 0.04),
    Tissue.ARTERY: (0.30, 0.10, 0.25, 0.15),
    Tissue.VEIN: (0.28, 0.24, 0.2, 0.12),
    Tissue.LIVER_VESSEL: (0.36, 0.44, 0.25, 0.08),
    Tissue.MYOCARDIUM: (0.42, 0.26, 0.1, 0.15),
    Tissue.GUT_WALL: (0.42, 0.30, 0.12, 0.12),
    Tissue.GUT_FLUID: (0.16, 0.86, 0.10, 0.08),
    Tissue.FOOD: (0.40, 0.40, 0.25, 0.20),
    Tissue.STOOL: (0.50, 0.22, 0.25, 0.30),
    Tissue.GAS: (0.01, 0.01, 0.2, 0.0),
    Tissue.BILE: (0.22, 0.93, 0.08, 0.03),
    Tissue.ADRENAL: (0.40, 0.28, 0.1, 0.06),
    Tissue.PANCREAS: (0.74, 0.36, 0.10, 0.12),
    Tissue.DUCT_FLUID: (0.20, 0.95, 0.05, 0.02),
    Tissue.CYST_FLUID: (0.16, 0.97, 0.05, 0.03),
    Tissue.SEPTUM: (0.40, 0.38, 0.1, 0.05),
    Tissue.NODULE: (0.48, 0.36, 0.1, 0.10),
    Tissue.SIMPLE_CYST: (0.15, 0.97, 0.05, 0.03),
}

FAT_TISSUES = frozenset({Tissue.FAT, Tissue.VISCERAL_FAT})
FAT_LEFT_BY_SUPPRESSION = (0.12, 0.22)
"""Range of what fat suppression leaves of fat's signal."""
MARROW_LEFT_BY_SUPPRESSION = 0.6
"""Half of lumbar marrow is fat."""
BILE_T1_RANGE = (0.12, 0.75)
"""Unenhanced T1 of bile: dark when fresh, bright when concentrated by fasting."""
VEIN_T2_RANGE = (0.08, 0.55)
"""Veins in T2: flow void in spin echo, bright where slow."""


@dataclass(frozen=True)
class Contrast:
    """One scan's signal and texture by tissue."""

    signal: dict[Tissue, float]
    texture: dict[Tissue, float]


def draw_contrast(
    random: np.random.Generator, weighting: Weighting, *, fat_suppressed: bool
) -> Contrast:
    """One patient's tissue signals for one weighting.

    Args:
        random: consumed in the same order whatever the weighting and the suppression.
        weighting: which column of the table.
        fat_suppressed: whether fat is (nearly) removed.
    """
    column = 0 if weighting == "t1" else 1
    signal = {
        tissue: row[column] * float(np.exp(row[2] * random.standard_normal()))
        for tissue, row in _SIGNALS.items()
    }
    left, bile, vein = random.uniform(size=3)
    if weighting == "t1":
        signal[Tissue.BILE] = float(np.interp(bile, (0, 1), BILE_T1_RANGE))
    else:
        signal[Tissue.VEIN] = float(np.interp(vein, (0, 1), VEIN_T2_RANGE))
    if fat_suppressed:
        for tissue in FAT_TISSUES:
            signal[tissue] *= float(np.interp(left, (0, 1), FAT_LEFT_BY_SUPPRESSION))
        signal[Tissue.MARROW] *= MARROW_LEFT_BY_SUPPRESSION
    return Contrast(signal, {tissue: row[3] for tissue, row in _SIGNALS.items()})
