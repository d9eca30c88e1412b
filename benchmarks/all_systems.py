"""Tables I and II with every system, on a phantom cohort: every code path, at sizes for two cores.

    python benchmarks/all_systems.py -o DIR [--patients 60] [--weights FOLDER] [--models A,B]

draws and prepares phantoms, measures a few numbers in each crop (the table of features), runs
``studies/all-systems.toml`` by the nested and by the peers' protocol, writes all tables and
figures, and says what took how long. Phantoms, few epochs: no figure says anything of patients.

With ``--weights``, a folder of ``vit_tiny_patch16_224.safetensors`` and of
``mobilenet_v2.safetensors``, these two start from them. Run again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.preparation.store import Store
from cystgrid.processes import worker_count
from cystgrid.runs import run_crossval
from cystgrid.study import Study, shipped_study

MEASURES = {
    "mean": np.mean,
    "deviation": np.std,
    "p10": lambda values: np.percentile(values, 10),
    "p90": lambda values: np.percentile(values, 90),
}
PRETRAINED = {
    "vit_tiny": "vit_tiny_patch16_224.safetensors",
    "mobilenet_v2": "mobilenet_v2.safetensors",
}


def write_features(prepared: Path, path: Path) -> None:
    """First-order measures of each crop, its scan's own landmarks taken as 0 and 1."""
    store = Store.open(prepared)
    names = [f"{modality}_{measure}" for modality in store.modalities for measure in MEASURES]
    lines = [",".join(["patient", *names])]
    for name in store.patients:
        patient = store.load(name)
        values = []
        for crop, landmarks in zip(patient.crop, patient.percentiles, strict=True):
            scaled = (crop - landmarks[0]) / (landmarks[-1] - landmarks[0])
            values += [f"{measure(scaled):.6f}" for measure in MEASURES.values()]
        lines.append(",".join([name, *values]))
    path.write_text("\n".join(lines) + "\n", "utf-8")


def started(study: Study, weights: Path | None) -> Study:
    """The study, with the pretrained starts that there are."""
    if weights is None:
        return study
    files = {name: str((weights / file).absolute()) for name, file in PRETRAINED.items()}
    models = {
        "weights": {**files, "default": "none"},
        "normalisation": {"mobilenet_v2": "unit", "default": "imagenet"},
    }
    recipes = {**study.recipes, "mobilenet_v2": {"batch_norm": "frozen"}}  # its norms are folded in
    changed = study.models.model_copy(update=models)
    return study.model_copy(update={"models": changed, "recipes": recipes})


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--models", default="", help="of the study's, separated by commas")
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    study_file = shipped_study("all-systems")
    study = started(Study.read(study_file), asked.weights)
    workers, begin = worker_count(asked.workers), time.perf_counter()
    cohort = write_phantom_cohort(
        asked.output / "phantoms", patients=asked.patients, seed=20, reduction=1.5, workers=workers
    )
    run_prepare(cohort, asked.output / "prepared", study, workers=workers)
    write_features(asked.output / "prepared", asked.output / "features.csv")
    ready = time.perf_counter()
    table, notes = run_crossval(
        asked.output / "prepared",
        asked.output / "run",
        study,
        study_file,
        models=tuple(filter(None, asked.models.split(","))),
        features=asked.output / "features.csv",
        protocol="peer",
        workers=asked.workers,
    )
    Console(width=160).print(table)
    done = time.perf_counter()
    sys.stdout.write("".join(f"note: {note}\n" for note in notes))
    sys.stdout.write(f"phantoms and preparation {ready - begin:.0f} s, ")
    sys.stdout.write(f"cross-validation, tables and figures {done - ready:.0f} s\n")


if __name__ == "__main__":
    main()
