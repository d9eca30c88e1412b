"""Class probabilities of patients: the same path for cross-validation and for a new patient."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.grids.batches import Crops
from cystgrid.models.network import Network
from cystgrid.training.device import Precision, arithmetic

GRIDS_AT_ONCE = 32
"""Grids in one forward pass: enough to fill a processor, small enough for any memory."""


def class_probabilities(
    network: Network, crops: Crops, cells: int, precision: Precision
) -> NDArray[np.float64]:
    """Softmax scores of each patient's central window.

    Args:
        network: on the crops' device.
        crops: the patients, standardised with the network's own landmarks.
        cells: slices in a grid.
        precision: arithmetic of the forward pass.

    Returns:
        ``(patient, class)`` float64; each row sums to 1.
    """
    network.eval()
    grids = crops.central(cells)
    scores = []
    with torch.inference_mode(), arithmetic(precision, grids.device):
        for batch in grids.split(GRIDS_AT_ONCE):
            scores.append(network(batch).double())
    probabilities: NDArray[np.float64] = torch.cat(scores).softmax(dim=1).cpu().numpy()
    return probabilities
