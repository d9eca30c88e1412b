"""A DICOM pair in, probabilities and a map out: cold, warm, and for a cohort.

    python benchmarks/prediction.py [--patients 6] [--rounds 3] [--json FILE]

Phantom scans of 256 x 256 x 40 pixels. Cold is the command `cystgrid predict` in a new process;
warm is preparation, answer and map in a process that holds the model, both scans at a time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring import Line, alternate, report, seconds

from cystgrid.cohort.manifest import Patient, read_manifest
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.explanations.options import Options
from cystgrid.explanations.patient_map import patient_map
from cystgrid.explanations.relevance import methods_for
from cystgrid.models.registry import CHANNELS
from cystgrid.predicting import run_predict
from cystgrid.preparation.bias import bias_field
from cystgrid.preparation.patient import prepare_patient, read_scans
from cystgrid.preparation.threads import one_itk_thread
from cystgrid.runs import run_train
from cystgrid.study import Study
from cystgrid.training.deployed import load_model
from cystgrid.training.device import reproducible
from cystgrid.training.network_member import NetworkMember

TRAINING_PATIENTS, REDUCTION, SEED, NEW_SEED = 9, 3.0, 3, 4
"""The model is trained on a few small phantoms for one epoch: its answers do not matter here."""

SCANS = 2
"""Corrected at a time where one patient is waited for."""

COMMAND = (sys.executable, "-c", "from cystgrid.cli import main; main()")


def make_model(folder: Path) -> Path:
    """A tiny transformer, deployed."""
    study = Study.parse(
        {
            "models": {"names": ("vit",), "vit": "tiny", "weights": "none", "inputs": ("early",)},
            "training": {"epochs": 1, "warmup": 0},
            "deploy": {"folds": 3, "members": 1},
        },
        "benchmark",
    )
    cohort = write_phantom_cohort(
        folder / "training", patients=TRAINING_PATIENTS, seed=SEED, reduction=REDUCTION
    )
    run_prepare(cohort, folder / "prepared", study, quiet=True)
    return run_train(folder / "prepared", folder / "model", study, workers=0, quiet=True).parent


def cold(model: Path, patient: Patient, folder: Path, rounds: int) -> Line:
    """The command for one pair, in a process of its own."""

    def predict() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        words = ["--t1", patient.t1, "--t2", patient.t2, "--roi", patient.roi]
        subprocess.run([*COMMAND, "predict", model, *words, "-o", folder, "--quiet"], check=True)

    found = [seconds(predict) for _ in range(rounds)]
    return Line(
        "cold: cystgrid predict, a DICOM pair", "s", statistics.median(found),
        low=min(found), high=max(found), goal="< 4 s on 2 cores",
    )  # fmt: skip


def warm(model_folder: Path, patient: Patient, rounds: int) -> list[Line]:
    """Preparation, answer and map with the model at hand; N4 by itself."""
    model = load_model(model_folder)
    members = tuple(each for each in model.members if isinstance(each, NetworkMember))
    method = methods_for(members[0].network)[0]

    def answer() -> None:
        prepared = prepare_patient(patient, model.preparation, threads=SCANS)
        best = int(model.probabilities([prepared])[0].argmax())
        patient_map(members, prepared, method, best, CHANNELS[model.inputs], Options())

    scans = list(read_scans(patient, model.preparation).values())

    def n4() -> None:
        with one_itk_thread(), ThreadPoolExecutor(SCANS) as pool:
            list(pool.map(lambda scan: bias_field(scan, model.preparation.n4), scans))

    with reproducible(1):
        pair = alternate(answer, n4, rounds)
    rest = [whole - part for whole, part in zip(pair.ours, pair.reference, strict=True)]
    return [
        Line("warm: preparation, answer, map", "s", statistics.median(pair.ours)),
        Line("of it N4, both scans", "s", statistics.median(pair.reference)),
        Line("warm without N4", "s", statistics.median(rest), low=min(rest), high=max(rest),
             goal="< 1 s"),
    ]  # fmt: skip


def cohorts(model: Path, cohort: Path, folder: Path, rounds: int) -> Line:
    """A cohort with two workers against one, after torch was imported."""

    def predict(workers: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        run_predict(model, cohort, folder, workers=workers, quiet=True)

    pair = alternate(lambda: predict(2), lambda: predict(1), rounds, warmup=0)
    count = len(read_manifest(cohort).patients)
    return Line.of(f"cohort of {count}, 2 workers against 1", pair, goal="saturates 2 cores")


def main() -> None:
    """Measure, print the table, write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=6, help="of the cohort")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder)
        cohort = write_phantom_cohort(
            folder / "new",
            patients=asked.patients,
            seed=NEW_SEED,
            image_format="dicom",
            workers=1,
        )
        patient = read_manifest(cohort).patients[0]
        lines = [
            cold(model, patient, folder / "cold", asked.rounds),
            *warm(model, patient, asked.rounds),
            cohorts(model, cohort, folder / "answers", asked.rounds),
        ]
    report(lines, asked.json)


if __name__ == "__main__":
    main()
