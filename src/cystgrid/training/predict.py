"""Class probabilities of patients: the same path for cross-validation and for a new patient."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.grids.crops import Crops
from cystgrid.models.network import Network
from cystgrid.training.device import Precision, arithmetic


def class_probabilities(
    network: Network, crops: Crops, cells: int, precision: Precision
) -> NDArray[np.float64]:
    """Softmax scores of each patient's central window, or of the whole crop where it is seen whole.

    Args:
        network: that works in ``precision`` (``working_network``), on the crops' device.
        crops: the patients, standardised with the network's own landmarks.
        cells: slices in a grid.
        precision: arithmetic of the forward pass.

    Returns:
        ``(patient, class)`` float64; each row sums to 1.
    """
    network.eval()
    device = crops.device
    patients = torch.arange(len(crops), device=device)
    scores = []
    with torch.inference_mode(), arithmetic(precision, device):
        for batch in patients.split(network.form.at_once):
            scores.append(network(crops.central(cells, network.form, batch)).double())
    probabilities: NDArray[np.float64] = torch.cat(scores).softmax(dim=1).cpu().numpy()
    return probabilities
