"""Table VI on phantoms with known lesions: which maps find them, beside maps that know nothing.

    python benchmarks/explanations.py -o DIR --weights FOLDER [--patients 144] [--explained 16]

draws and prepares phantoms, cross-validates ``studies/explanations.toml`` and checks the maps of
its networks, each on patients that it never saw. FOLDER holds
``vit_tiny_patch16_224.safetensors`` and ``mobilenet_v2.safetensors``; without it both networks
start from nothing. Run again, it goes on where it was; the checks themselves are made anew.

With ``--run RUN --prepared PREPARED`` a run that there is is checked, and nothing is trained.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from cystgrid.checking_explanations import run_checks
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.processes import worker_count
from cystgrid.runs import run_crossval
from cystgrid.study import Study, shipped_study

PRETRAINED = {
    "vit_tiny": "vit_tiny_patch16_224.safetensors",
    "mobilenet_v2": "mobilenet_v2.safetensors",
}


def trained(output: Path, patients: int, weights: Path | None) -> tuple[Path, Path]:
    """RUN and PREPARED of the study on phantoms."""
    file = shipped_study("explanations")
    study = Study.read(file)
    if weights is not None:
        files = {name: str((weights / each).absolute()) for name, each in PRETRAINED.items()}
        models = study.models.model_copy(update={"weights": files})
        study = study.model_copy(update={"models": models})
    cohort = write_phantom_cohort(
        output / "phantoms", patients=patients, seed=20, reduction=1.5, workers=worker_count(None)
    )
    prepared, run = output / "prepared", output / "run"
    run_prepare(cohort, prepared, study, workers=worker_count(None))
    table, notes = run_crossval(prepared, run, study, file)
    Console(width=160).print(table)
    sys.stdout.write("".join(f"note: {note}\n" for note in notes))
    return run, prepared


def main() -> None:
    """Train where nothing is given, then check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--patients", type=int, default=144, help="phantoms")
    parser.add_argument("--explained", type=int, help="at most so many of each class")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--models", default="", help="of the run's, separated by commas")
    asked = parser.parse_args()
    if (asked.run is None) != (asked.prepared is None):
        parser.error("--run and --prepared go together")
    if asked.run is None:
        run, prepared = trained(asked.output, asked.patients, asked.weights)
    else:
        run, prepared = asked.run, asked.prepared
    begin = time.perf_counter()
    table = run_checks(
        run,
        prepared,
        asked.output / "tables",
        models=tuple(filter(None, asked.models.split(","))),
        patients=asked.explained,
    )
    Console(width=160).print(table)
    sys.stdout.write(f"checks {time.perf_counter() - begin:.0f} s\n")


if __name__ == "__main__":
    main()
