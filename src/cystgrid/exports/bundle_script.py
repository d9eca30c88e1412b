"""Grades prepared patients with a MONAI bundle; goes with it as ``scripts/predict.py``.

It needs torch, numpy and the bundle, and no cystgrid: a folder that ``cystgrid prepare`` wrote is
``.npy`` and JSON.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def read_patient(folder: Path, channels: Sequence[int]) -> tuple[str, Tensor, Tensor, Tensor]:
    """One prepared patient: its name, and what the preprocessing takes.

    Args:
        folder: with ``crop.npy`` and ``patient.json``.
        channels: which modalities of the crop the model sees, in order.

    Returns:
        Name; crop ``(1, channel, slice, row, column)`` float32; landmarks ``(1, channel,
        landmark)`` float64; number of slices ``(1,)``.
    """
    card = json.loads((folder / "patient.json").read_text("utf-8"))
    rows = list(channels)
    crop = np.load(folder / "crop.npy", allow_pickle=False)[rows]
    percentiles = np.array(card["percentiles"], dtype=np.float64)[rows]  # None is NaN: no scan
    depth = torch.tensor([crop.shape[1]])
    return card["patient"], torch.from_numpy(crop)[None], torch.from_numpy(percentiles)[None], depth


def write_predictions(
    network: Callable[[Tensor], Tensor],
    preprocessing: Callable[[Tensor, Tensor, Tensor], Tensor],
    prepared: str,
    output: str,
    classes: Sequence[str],
    channels: Sequence[int],
    device: torch.device,
    notice: str,
) -> Path:
    """Grade every patient of a prepared folder into ``output/predictions.csv``.

    A patient without any scan that the model sees gets a line on stderr, and no row.

    Args:
        network: the members' mean probabilities of 0-1 images.
        preprocessing: prepared crops to 0-1 images, on the processor.
        prepared: folder that ``cystgrid prepare`` wrote.
        output: folder.
        classes: in the order of the network's answers.
        channels: which modalities of a crop the model sees.
        device: where the network lies.
        notice: stands in every row.

    Raises:
        FileNotFoundError: there are no prepared patients.
    """
    cards = sorted(Path(prepared).glob("patients/*/patient.json"))
    if not cards:
        raise FileNotFoundError(f"{prepared}: expected a folder that `cystgrid prepare` wrote")
    Path(output).mkdir(parents=True, exist_ok=True)
    path = Path(output) / "predictions.csv"
    with path.open("w", newline="", encoding="utf-8") as stream, torch.inference_mode():
        rows = csv.writer(stream)
        rows.writerow(["patient", "predicted", *(f"p_{name}" for name in classes), "notice"])
        for card in cards:
            name, *given = read_patient(card.parent, channels)
            if given[1].isnan().all():
                sys.stderr.write(f"refused: patient {name}: no scan that this model sees\n")
                continue
            answers = network(preprocessing(*given).to(device))[0].tolist()
            best = classes[answers.index(max(answers))]
            rows.writerow([name, best, *answers, notice])
    return path
