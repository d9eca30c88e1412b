"""Maps against lesions whose place is known: relevance should lie where the lesion lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from cystgrid.explanations.placing import Window
from cystgrid.grids.crops import ResidentCrops
from cystgrid.grids.forms import Form
from cystgrid.grids.tiling import GridSettings, untile
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.scans.volume import Array

TOLERANCE = 1 / 16
"""How far beside the lesion a peak still counts, in sides of a cell: 4 pixels of 64."""

COVERED = 0.5
"""Share of a pixel that a lesion must cover to be there."""


@dataclass(frozen=True)
class LesionScores:
    """How a map and a lesion go together.

    Attributes:
        pointing: 1 where the map's peak lies in the lesion or within the tolerance of it, in the
            same slice; where several places are the peak, the share of them that do.
        pointing_chance: the share of all places that would count.
        mass: the share of the positive relevance that lies inside the lesion.
        share: the lesion's share of the places, which is the mass that chance would have.
        average_precision: of the places, ranked by relevance; chance has the lesion's share.
    """

    pointing: float
    pointing_chance: float
    mass: float
    share: float
    average_precision: float

    @property
    def concentration(self) -> float:
        """Mass inside the lesion over the mass of chance: 1 for a map that knows nothing."""
        return self.mass / self.share


def lesion_scores(relevance: Tensor, lesion: Tensor, cells: int = 1) -> LesionScores:
    """Hold one map against one lesion.

    Args:
        relevance: ``(*spatial)``; values below 0 speak against the class and have no mass.
        lesion: the same shape, bool, true somewhere.
        cells: of the grid, where the map is one; a peak does not count across a cell's edge.

    Raises:
        ValueError: there is no lesion.
    """
    values = relevance.detach().cpu().double()
    inside = lesion.cpu()
    if not inside.any():
        raise ValueError("no lesion to hold the map against")
    near = torch.from_numpy(_near(inside, cells))
    peak = _slices(values, cells) == values.max()
    positive = values.clamp(min=0)
    share = float(inside.double().mean())
    total = float(positive.sum())
    return LesionScores(
        float(near[peak].double().mean()),
        float(near.double().mean()),
        float(positive[inside].sum()) / total if total > 0 else share,
        share,
        float(average_precision_score(inside.flatten().numpy(), values.flatten().numpy())),
    )


def _slices(values: Tensor, cells: int) -> Tensor:
    """``(slice, row, column)`` of a grid or of a stack."""
    return untile(values, cells) if values.ndim == 2 else values


def _near(lesion: Tensor, cells: int) -> NDArray[np.bool_]:
    """Places within the tolerance of a lesion in the same slice: ``(slice, row, column)``."""
    slices = _slices(lesion, cells).numpy()
    reach = TOLERANCE * slices.shape[-1]
    near = np.zeros_like(slices)
    for number, outline in enumerate(slices):
        if outline.any():
            near[number] = distance_transform_edt(~outline) <= reach
    return near


def lesion_slices(patient: PreparedPatient, window: Window) -> Array | None:
    """A patient's lesion on the slices of a window, as it was prepared.

    Returns:
        ``(slice, row, column)`` 0-1; None where no lesion is known there.
    """
    if patient.lesion is None:
        return None
    slices = patient.lesion[window.first : window.stop]
    return slices if (slices >= COVERED).any() else None


def lesion_window(patient: PreparedPatient, grid: GridSettings, form: Form) -> Tensor | None:
    """A patient's lesion in the window that a network sees, pixel by pixel as the network sees it.

    Args:
        patient: with or without a known lesion.
        grid: of the network.
        form: of the network.

    Returns:
        ``(height, width)`` or ``(slice, row, column)`` bool; None where no lesion is known there.
    """
    if patient.lesion is None:
        return None
    known = torch.from_numpy(np.array(patient.lesion, dtype=np.float32))
    coarse = adaptive_avg_pool2d(known[None], grid.pixels or known.shape[-1])
    crops = ResidentCrops(coarse[None], torch.tensor([len(known)]))
    window = crops.central(grid.cells, form)[0, 0] >= COVERED
    return window if window.any() else None
