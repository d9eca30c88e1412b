"""One step of training: ours against the peers' loop, in turn, and its share of the machine's peak.

    python benchmarks/training.py [--networks vit_base,vit_tiny,resnet18] [--rounds 5] [--threads 2]

The peers' loop reads each sample from its files at every step and prepares it by MONAI's
transforms (load, RAS, crop around the pancreas, 0-1, resize, flip, quarter turns), then passes it
in float32, eagerly, with AdamW. Ours trains on crops that were prepared once. With ``--crops`` the
peers read crops that were cut before, too. No bias field, resampling or registration is asked of
them, which ours did in preparation: this is the least that their loop can cost.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import measuring
import nibabel
import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from cystgrid.grids.batches import training_batch
from cystgrid.grids.crops import ResidentCrops
from cystgrid.grids.tiling import GridSettings, tile
from cystgrid.models.network import Network, Shape
from cystgrid.models.registry import build_model
from cystgrid.training.device import reproducible, resolve_precision, training_device
from cystgrid.training.settings import TrainingSettings
from cystgrid.training.step import Step

CELLS, BATCH, CLASSES, SLICES = 9, 8, 3, 24
SIZES = {"vit_base": 64, "vit_tiny": 64, "resnet18": 64}
"""Pixels along a cell's side: grids of 192 x 192."""

SCAN, CROPPED = (256, 256, 24), (96, 96, 24)
"""Voxels of the peers' files: a whole scan, and one that was cut around the pancreas."""

BLOCK = 4
"""Voxels of one value along each axis, so that files are as small as real ones."""

STEPS = 10_000
"""Of the rate's course; more than are taken."""


def fresh(name: str, pixels: int) -> Network:
    """The same start for both."""
    torch.manual_seed(0)
    shape = Shape(2, CLASSES, CELLS, pixels)
    return build_model(name, "early", shape, "none").train().to(training_device())


def our_step(name: str, pixels: int) -> Callable[[], object]:
    """From crops in memory to new weights."""
    settings = TrainingSettings(warmup=0)
    device = training_device()
    step = Step(fresh(name, pixels), settings, resolve_precision("auto", device), None, STEPS)
    step.working.train()
    volumes = torch.rand(BATCH, 2, SLICES, pixels, pixels, device=device)
    crops = ResidentCrops(volumes, torch.full((BATCH,), SLICES, device=device))
    patients = torch.arange(BATCH, device=device)
    generator, grid = torch.Generator().manual_seed(0), GridSettings()

    def take() -> object:
        return step(training_batch(crops, patients, grid, generator), patients % CLASSES)

    return take


def write_scans(folder: Path, size: tuple[int, int, int]) -> list[dict[str, str]]:
    """A batch of patients as files, the pancreas as a mask where the scan is whole."""
    rng = np.random.default_rng(0)
    affine = np.diag([-1.25, -1.25, 6.0, 1.0])
    rows = []
    for number in range(BATCH):
        row = {}
        for kind in ("t1", "t2", "mask"):
            coarse = rng.integers(0, 1000, tuple(s // BLOCK for s in size))
            voxels = np.kron(coarse, np.ones((BLOCK,) * 3)).astype(np.int16)
            if kind == "mask":
                voxels[:] = 0
                voxels[tuple(slice(s // 4, 3 * s // 4) for s in size)] = 1
            path = folder / f"{number}-{kind}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
            row[kind] = str(path)
        rows.append(row)
    return rows


def peers_transforms(pixels: int) -> Callable[[dict[str, str]], dict[str, torch.Tensor]]:
    """What their published loaders do to a sample, every time that it is asked for."""
    from monai import transforms as mt

    both, everything = ["t1", "t2"], ["t1", "t2", "mask"]
    return mt.Compose(
        [
            mt.LoadImaged(everything),
            mt.EnsureChannelFirstd(everything),
            mt.Orientationd(everything, axcodes="RAS", labels=None),
            mt.CropForegroundd(everything, source_key="mask", margin=4),
            mt.ScaleIntensityd(both),
            mt.Resized(both, spatial_size=(pixels, pixels, SLICES)),
            mt.RandFlipd(both, prob=0.5, spatial_axis=0),
            mt.RandRotate90d(both, prob=0.75, max_k=3),
        ]
    )


def peers_step(name: str, pixels: int, rows: list[dict[str, str]]) -> Callable[[], object]:
    """From files to new weights."""
    device = training_device()
    network = fresh(name, pixels)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4)
    transforms = peers_transforms(pixels)
    targets = torch.arange(BATCH, device=device) % CLASSES
    first = (SLICES - CELLS) // 2

    def sample(row: dict[str, str]) -> torch.Tensor:
        made = transforms(row)
        both = torch.cat([torch.as_tensor(made[kind]) for kind in ("t1", "t2")])
        return both.movedim(-1, 1)[:, first : first + CELLS]

    def take() -> object:
        grids = tile(torch.stack([sample(row) for row in rows])).to(device)
        optimizer.zero_grad()
        loss = cross_entropy(network(grids), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return take


def flops(name: str, pixels: int) -> int:
    """Of the products of one step, forward and backward; a multiply-add counts as two."""
    network = fresh(name, pixels)
    side = network.absent.new_tensor(CELLS).sqrt().int().item() * pixels
    shown = torch.rand(BATCH, 2, side, side, device=training_device())
    with FlopCounterMode(display=False) as counter:
        network(shown).sum().backward()
    return int(counter.get_total_flops())


def lines_of(name: str, pixels: int, rows: list[dict[str, str]], rounds: int) -> measuring.Line:
    """One network's row."""
    device = training_device()
    ours = our_step(name, pixels)
    bfloat16 = resolve_precision("auto", device) == "bfloat16"
    kind = torch.bfloat16 if bfloat16 else torch.float32
    pair = measuring.alternate(ours, peers_step(name, pixels, rows), rounds)
    share = measuring.share_of_peak(ours, flops(name, pixels), kind, device, rounds)
    goal = "4 times the peers' loop, 50 % of the peak" if name == "vit_base" else ""
    side = 3 * pixels
    return measuring.Line.of(
        f"training step, {name}, {side} x {side} x 2, batch {BATCH}",
        pair,
        peak=share,
        goal=goal,
        note=f"ours {str(kind).removeprefix('torch.')}",
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", default=",".join(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--crops", action="store_true", help="the peers' files are crops, too")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")  # MONAI's and torch's remarks on each other
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, reproducible(asked.threads):
        rows = write_scans(Path(folder), CROPPED if asked.crops else SCAN)
        lines = []
        for name in asked.networks.split(","):
            lines.append(lines_of(name, SIZES[name], rows, asked.rounds))
            sys.stderr.write(f"{name}: {lines[-1].ratio:.2f} times the peers' loop\n")
        measuring.report(lines, asked.json)


if __name__ == "__main__":
    main()
