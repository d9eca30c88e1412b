"""Seconds and peak resident memory against the number of prepared patients.

    python benchmarks/memory.py -o DIR [--patients 100,1000,10000] [--model vit] [--cells 9]

A few phantoms are prepared once; each cohort is made of copies of them under new names, whose crops
are hard links, so that the disk holds one. Their files therefore lie in the system's cache: times
are without a disk's. Each stage runs in a process of its own, with one thread, and its memory is
all that the process ever held, libraries and mapped files included:

    opening     the index and every card
    windows     one random window of each patient, standardised and augmented, in batches
    epoch       a training of one epoch on nine tenths, selected on the rest
    prediction  every patient's probabilities

Writes memory.csv and memory.png into DIR.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

PHANTOMS, SEED = 12, 5
THREADS = 1
LIMIT_MB = 2000
"""What 10,000 patients may take on one worker."""

STAGES = ("opening", "windows", "epoch", "prediction")
BATCH = 16
HELD_OUT = 10
"""Every so-manieth patient selects the epoch."""


@dataclass(frozen=True)
class Found:
    """One measurement.

    Attributes:
        patients: of the cohort.
        stage: of ``STAGES``.
        seconds: of the stage, without imports.
        megabytes: peak resident memory of its process, 10^6 bytes.
        crops: where they lay.
    """

    patients: int
    stage: str
    seconds: float
    megabytes: float
    crops: str


def prepare_phantoms(folder: Path) -> Path:
    """The phantoms that every cohort is made of."""
    from cystgrid.cohort.manifest import read_manifest
    from cystgrid.cohort.phantom import write_phantom_cohort
    from cystgrid.preparation.cohort import prepare_cohort
    from cystgrid.preparation.settings import PreparationSettings

    prepared = folder / "phantoms-prepared"
    if not (prepared / "prepared.json").exists():
        scans = folder / "phantoms"
        cohort = write_phantom_cohort(scans, patients=PHANTOMS, seed=SEED, workers=1)
        prepare_cohort(read_manifest(cohort), prepared, PreparationSettings(), workers=1)
    return prepared


def write_copies(prepared: Path, folder: Path, patients: int) -> Path:
    """A prepared cohort of so many patients, copies of a few."""
    from cystgrid.preparation.store import (
        Store,
        patient_folder,
        read_card,
        write_card,
        write_index,
    )

    if (folder / "prepared.json").exists():
        return folder
    store = Store.open(prepared)
    cards = {}
    for number in range(patients):
        original = store.patients[number % len(store.patients)]
        name = f"C{number:06d}"
        place = patient_folder(folder, name)
        place.mkdir(parents=True, exist_ok=True)
        for array in ("crop.npy", "lesion.npy"):
            if not (place / array).exists():
                os.link(patient_folder(prepared, original) / array, place / array)
        card = read_card(prepared, original)
        cards[name] = write_card(folder, {**card, "patient": name, "group": name})
    write_index(folder, store.settings, cards)
    return folder


def run_stage(stage: str, folder: Path, model: str, cells: int) -> Found:
    """One stage, here and now."""
    from cystgrid.preparation.store import Store
    from cystgrid.training.device import reproducible

    if stage == "opening":
        seconds, store = _timed(lambda: Store.open(folder))
        return _found(len(store.patients), stage, seconds, "")
    store = Store.open(folder)
    stages = {"windows": _windows, "epoch": _epoch, "prediction": _prediction}
    with reproducible(THREADS):
        seconds, crops = stages[stage](store, model, cells)
    return _found(len(store.patients), stage, seconds, crops)


def _found(patients: int, stage: str, seconds: float, crops: str) -> Found:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return Found(patients, stage, round(seconds, 2), round(peak), crops)


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _windows(store: object, model: str, cells: int) -> tuple[float, str]:
    import torch

    from cystgrid.grids.batches import training_batch
    from cystgrid.grids.gather import gather_crops
    from cystgrid.grids.tiling import GridSettings

    standard = _standard(store)
    crops = gather_crops(store.several(store.patients), (0, 1), standard, torch.device("cpu"))
    grid, generator = GridSettings(cells=cells), torch.Generator().manual_seed(0)

    def epoch() -> None:
        for patients in torch.randperm(len(crops), generator=generator).split(BATCH):
            training_batch(crops, patients, grid, generator)

    return _timed(epoch)[0], _where(store)


def _standard(store: object) -> object:
    from cystgrid.training.member import standard_of

    return standard_of(list(store.entries.values()), (0, 1))


def _recipe(model: str, cells: int) -> object:
    from cystgrid.grids.tiling import GridSettings
    from cystgrid.models.registry import ModelSettings
    from cystgrid.training.recipe import Recipe
    from cystgrid.training.settings import TrainingSettings

    return Recipe(
        grid=GridSettings(cells=cells),
        models=ModelSettings(names=(model,), vit="tiny", weights="none"),
        training=TrainingSettings(epochs=1, warmup=0, batch=BATCH, precision="float32"),
    )


def _epoch(store: object, model: str, cells: int) -> tuple[float, str]:
    from cystgrid.cohort.splits import InnerFold
    from cystgrid.training.member import Task, train_member

    validation = store.patients[::HELD_OUT]
    train = tuple(sorted(set(store.patients) - set(validation)))
    task = Task(InnerFold(train, validation), _recipe(model, cells), model, "early", 0)
    return _timed(lambda: train_member(store, task))[0], _where(store)


def _prediction(store: object, model: str, cells: int) -> tuple[float, str]:
    import torch

    from cystgrid.models.network import Shape
    from cystgrid.models.registry import build_network
    from cystgrid.training.network_member import NetworkMember

    recipe = _recipe(model, cells)
    shape = Shape.of(2, len(recipe.classes), recipe.grid, store.settings.cell)
    network = build_network(recipe.models, model, "early", shape)
    member = NetworkMember(
        network, _standard(store), (0, 1), recipe.grid, "float32", torch.device("cpu")
    )
    prepared = store.several(store.patients)
    return _timed(lambda: member.probabilities(prepared))[0], _where(store)


def _where(store: object) -> str:
    """Where so many patients' crops lie."""
    from cystgrid.grids.gather import RESIDENT_BYTES, crops_bytes

    depths = [entry.shape[1] for entry in store.entries.values()]
    fits = crops_bytes(depths, 2, store.settings.cell) <= RESIDENT_BYTES
    return "memory" if fits else "disk"


def in_own_process(stage: str, folder: Path, model: str, cells: int) -> Found:
    """One stage in a process of its own."""
    command = [sys.executable, __file__, "--stage", stage, "-o", str(folder)]
    command += ["--model", model, "--cells", str(cells)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Found(**json.loads(done.stdout.splitlines()[-1]))


def draw(found: list[Found], path: Path) -> None:
    """Seconds and memory against patients, a line a stage."""
    from matplotlib.figure import Figure

    from cystgrid.outputs.style import COLOURS, LINES, figure_style, write_figure

    with figure_style():
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        seconds, memory = figure.subplots(1, 2)
        for stage, colour, line in zip(STAGES, COLOURS, LINES, strict=False):
            rows = [each for each in found if each.stage == stage]
            counts = [each.patients for each in rows]
            for axes, values in (
                (seconds, [each.seconds for each in rows]),
                (memory, [each.megabytes for each in rows]),
            ):
                axes.plot(counts, values, color=colour, linestyle=line, marker="o", label=stage)
        memory.axhline(LIMIT_MB, color="0.5", linewidth=1)
        memory.annotate(
            "2 GB", (1, LIMIT_MB), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
        memory.set_ylim(0, LIMIT_MB * 1.15)
        seconds.set_yscale("log")
        seconds.set_ylabel("seconds")
        memory.set_ylabel("peak resident memory, MB")
        for axes in (seconds, memory):
            axes.set_xscale("log")
            axes.set_xticks(counts, [f"{count:,}" for count in counts])
            axes.set_xlabel("prepared patients")
            axes.minorticks_off()
        seconds.yaxis.set_major_formatter("{x:g}")
        figure.legend(*seconds.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        write_figure(figure, path, "Copies of phantoms; one process and one thread a stage.")


def main() -> None:
    """Measure every stage for every size, and write table and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--patients", default="100,1000,10000")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--model", default="vit", help="of the study's names")
    parser.add_argument("--cells", type=int, default=9)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stage:
        found = run_stage(asked.stage, asked.output, asked.model, asked.cells)
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        return
    asked.output.mkdir(parents=True, exist_ok=True)
    prepared = prepare_phantoms(asked.output)
    rows: list[Found] = []
    for count in map(int, asked.patients.split(",")):
        folder = write_copies(prepared, asked.output / f"copies-{count}", count)
        for stage in asked.stages.split(","):
            rows.append(in_own_process(stage, folder, asked.model, asked.cells))
            sys.stdout.write(f"{rows[-1]}\n")
            sys.stdout.flush()
    with (asked.output / "memory.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    draw(rows, asked.output / "memory.png")


if __name__ == "__main__":
    main()
