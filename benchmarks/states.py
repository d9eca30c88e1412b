"""What it costs to put a training away: seconds and bytes of one state, and the share of its time.

    python benchmarks/states.py [--networks vit_tiny,vit_base,resnet18] [--rounds 5] [--at FOLDER]

A network is trained for a step and looked at, so that the state holds weights, moments and a best
epoch; then its state is written again and again, fsync included, and read once. The share is that
of a training that writes as ``training.keeping`` does: seldom where a state takes long.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model
from cystgrid.training import keeping
from cystgrid.training.selection import Epoch
from cystgrid.training.settings import TrainingSettings
from cystgrid.training.state_file import read_state, write_state
from cystgrid.training.step import Step
from cystgrid.training.underway import Fit, Underway

CLASSES, CELLS, PIXELS = 3, 9, 64


def training(name: str) -> Underway:
    """One that has taken a step and had a look."""
    torch.manual_seed(0)
    network = build_model(name, "early", Shape(2, CLASSES, CELLS, PIXELS), "none").train()
    step = Step(network, TrainingSettings(), "float32", None, 8)
    side = Shape(2, CLASSES, CELLS, PIXELS).image
    step(torch.rand(2, 2, side, side), torch.tensor([0, 1]))
    weights = {each: tensor.clone() for each, tensor in network.state().items()}
    best = Fit(weights, 1, (Epoch(1, 1.0, 1.0, 0.5),), np.full((9, CLASSES), 1 / CLASSES))
    return Underway(network, step, torch.Generator(), 8, best=best)


def main() -> None:
    """Print a row a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default="vit_tiny,vit_base,resnet18")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at", type=Path, help="where states are written")
    options = parser.parse_args()
    sys.stdout.write(
        "| network | state | written in | read in | every | share |\n|---|---|---|---|---|---|\n"
    )
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        path = Path(folder) / "state.safetensors"
        for name in options.networks.split(","):
            under = training(name)
            written = []
            for _ in range(options.rounds):
                began = time.perf_counter()
                write_state(path, under.told(), under.tensors())
                written.append(time.perf_counter() - began)
            began = time.perf_counter()
            read_state(path)
            read = time.perf_counter() - began
            seconds = statistics.median(written)
            pause = max(keeping.EVERY_SECONDS, keeping.SHARE * seconds)
            sys.stdout.write(
                f"| {name} | {path.stat().st_size / 1e6:.0f} MB | {seconds:.2f} s "
                f"({min(written):.2f}-{max(written):.2f}) | {read:.2f} s | {pause:.0f} s | "
                f"{seconds / (pause + seconds):.1%} |\n"
            )


if __name__ == "__main__":
    main()
