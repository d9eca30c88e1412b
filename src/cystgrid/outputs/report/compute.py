"""What it took: trainings, epochs, weights, the machine and the software."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from cystgrid.outputs.report.model import Block, Facts, Prose, Section, table_of
from cystgrid.outputs.report.pictures import figure
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.training.job import CURVE
from cystgrid.training.run_card import CARD

TRAINING_ALT = (
    "For each model the training loss, the validation loss and the validation score over epochs, a "
    "line a training, with the selected epochs marked. The numbers stand in jobs/*/*/*/curve.csv."
)

NO_TIMES = (
    "How long it took is not kept: a run has the same bytes, however fast and wherever its "
    "trainings ran. cystgrid crossval --plan measures it on a machine."
)


def compute_section(run: RunFiles) -> Section:
    """Trainings of each model, how long they went, and what they left."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for job in run.jobs:
        groups[job["pair"]].append(job)
    if not groups:
        missing = "No finished training lies in the run's folder: what it took cannot be told."
        return Section("compute", "Compute used", (Prose(missing, "warning"),), False)
    rows = [(name, *_row(jobs)) for name, jobs in groups.items()]
    heads = ("Model", "Trainings", "Epochs trained", "Selected epochs", "Answer one class only",
             "Weights MB")  # fmt: skip
    table = table_of("trainings", "Trainings", heads, rows, "jobs/*/*/*/job.json", numbers=1,
                     notes=("Selected epochs: median (least-greatest).",))  # fmt: skip
    blocks: list[Block] = [
        table,
        Facts((("Device", run.card["device"]),), CARD),
        Prose(NO_TIMES),
    ]
    drawn = figure(run.folder, "training", "Training curves", TRAINING_ALT)
    return Section("compute", "Compute used", (*blocks, *([drawn] if drawn else [])))


def _row(jobs: list[dict[str, Any]]) -> tuple[str, ...]:
    curved = [job for job in jobs if CURVE in job["files"]]
    size = sum(job["bytes"] for job in jobs) / 1e6
    if not curved:
        return (str(len(jobs)), "--", "--", "--", f"{size:.1f}")
    trained = sum(trial.get("trained", 0) for job in curved for trial in job["trials"])
    chosen = sorted(int(job["selected_epoch"]) for job in curved)
    middle = f"{statistics.median(chosen):g}"
    fallen = sum(bool(job["collapsed"]) for job in curved)
    return (
        str(len(jobs)), str(trained), f"{middle} ({chosen[0]}-{chosen[-1]})",
        f"{fallen} of {len(curved)}", f"{size:.1f}",
    )  # fmt: skip


def versions_section(run: RunFiles) -> Section:
    """Software, and the digests by which data and folds are known."""
    versions = tuple((name, str(value)) for name, value in run.card["versions"].items())
    digests = (
        ("Prepared data", run.card["prepared"]),
        ("Folds", run.card["splits"]),
        ("Source of cystgrid", run.card["source"]),
        ("Licence of the code", "Apache-2.0"),
    )
    blocks = (Facts(versions, CARD), Facts(digests, CARD))
    return Section("versions", "Software and provenance", blocks)
