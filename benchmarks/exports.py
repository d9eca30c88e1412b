"""Exports against the model: largest difference, size, and ONNX Runtime's time against torch's.

    python benchmarks/exports.py [MODEL ...] [--rounds 15]

Without a MODEL, a ViT-Ti/16 and a ResNet-18 of the paper's size (9 cells of 64 pixels, T1 and T2),
trained for one epoch on a few small phantoms: what they answer does not matter here. Both run the
same arithmetic (float32) on one thread, from a prepared crop to probabilities, in turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from measuring import alternate

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.exports.export import KINDS, ExportReport, export_model
from cystgrid.exports.graph import Whole
from cystgrid.exports.onnx import INPUTS, open_session
from cystgrid.exports.source import Source
from cystgrid.runs import run_train
from cystgrid.study import Study
from cystgrid.training.device import reproducible

TRAINING_PATIENTS, REDUCTION, SEED = 9, 4.0, 3
MODELS = ("vit", "resnet18")
WARM_UP = 3
PATIENTS = (1, 8)
"""In a batch."""

SLICES = 18
"""Of the crop of each: an ordinary depth."""


def make_models(folder: Path) -> list[Path]:
    """Each deployed with one member."""
    study = Study.parse(
        {
            "preparation": {"n4": {"enabled": False}},
            "models": {"names": MODELS, "vit": "tiny", "weights": "none", "inputs": ("early",)},
            "training": {"epochs": 1, "warmup": 0},
            "deploy": {"folds": 3, "members": 1},
        },
        "benchmark",
    )
    cohort = write_phantom_cohort(
        folder / "phantoms", patients=TRAINING_PATIENTS, seed=SEED, reduction=REDUCTION
    )
    run_prepare(cohort, folder / "prepared", study, quiet=True)
    return [
        run_train(
            folder / "prepared", folder / name, study, model=(name,), workers=0, quiet=True
        ).parent
        for name in MODELS
    ]


def milliseconds(model: Path, graph: Path, patients: int, rounds: int) -> tuple[float, float]:
    """Median of ONNX Runtime and of torch, in turns."""
    source = Source.take_up(model)
    whole = Whole(source.preparation(), source.ensemble()).eval()
    one = source.tensors([source.cases[1]])
    crop = one[0][:, :, [0]].expand(patients, -1, SLICES, -1, -1).contiguous()
    crop = crop + torch.rand(crop.shape, generator=torch.Generator().manual_seed(0))
    given = (crop, one[1].expand(patients, -1, -1).contiguous(), torch.full((patients,), SLICES))
    session = open_session(graph)
    arrays = {name: each.numpy() for name, each in zip(INPUTS, given, strict=True)}
    with reproducible(threads=1), torch.inference_mode():
        pair = alternate(
            lambda: session.run(None, arrays), lambda: whole(*given), rounds, warmup=WARM_UP
        )
    return 1000 * statistics.median(pair.ours), 1000 * statistics.median(pair.reference)


def rows(model: Path, folder: Path, rounds: int) -> list[str]:
    """Of one model: a line an export."""
    lines = []
    name = Source.take_up(model).card["architecture"]
    for kind in KINDS:
        report: ExportReport = export_model(model, kind, folder / kind, quiet=True)
        times = ["", ""]
        if kind == "onnx":
            graph = folder / kind / "model.onnx"
            found = [milliseconds(model, graph, patients, rounds) for patients in PATIENTS]
            times = [f"{ours:.1f} / {torchs:.1f} ({torchs / ours:.2f} x)" for ours, torchs in found]
        check = report.check
        figures = (f"{check.largest:.1e}", f"{check.answers:.1e}", f"{report.bytes / 1e6:.1f}")
        lines.append("| " + " | ".join([name, kind, *figures, *times]) + " |")
    return lines


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    heads = [
        "model",
        "export",
        "largest difference, float32",
        "bfloat16 answers from float32",
        "MB",
    ]
    heads += [f"ms, ONNX Runtime / torch, {patients} patient(s)" for patients in PATIENTS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = asked.models or make_models(folder)
        lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for number, model in enumerate(models):
            lines += rows(model, folder / f"exports-{number}", asked.rounds)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
