"""What it took: trainings, epochs, weights, the machine and the software."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from cystgrid.outputs.report.model import Block, Facts, Prose, Section, table_of
from cystgrid.outputs.report.pictures import figure
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.training.job import CURVE, PEER
from cystgrid.training.run_card import CARD

TRAINING_ALT = (
    "For each model the training loss, the validation loss and the validation score over epochs, a "
    "line a training, with the selected epochs marked. The numbers stand in jobs/*/*/*/curve.csv."
)

NOTES = (
    "Selected epochs: median (least-greatest).",
    "Every finished training in the run's folder. Those of the protocol that chooses on the test "
    "fold, which the table of optimism alone is of, and those of models that are not in the tables "
    "stand in rows of their own.",
)

NO_TIMES = (
    "How long it took is not kept: a run has the same bytes, however fast and wherever its "
    "trainings ran. cystgrid crossval --plan measures it on a machine."
)


def compute_section(run: RunFiles) -> Section:
    """Trainings of each model, how long they went, and what they left."""
    told = {f"{method.model}-{method.inputs}" for method in run.methods}
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for job in run.jobs:
        groups[_named(job, told)].append(job)
    if not groups:
        missing = "No finished training lies in the run's folder: what it took cannot be told."
        return Section("compute", "Compute used", (Prose(missing, "warning"),), False)
    rows = [(name, *_row(jobs)) for name, jobs in groups.items()]
    heads = ("Model", "Trainings", "Epochs trained", "Selected epochs", "Answer one class only",
             "Weights MB")  # fmt: skip
    table = table_of("trainings", "Trainings", heads, rows, "jobs/*/*/*/job.json", numbers=1,
                     notes=NOTES)  # fmt: skip
    blocks: list[Block] = [
        table,
        Facts((("Device", run.card["device"]),), CARD),
        Prose(NO_TIMES),
    ]
    drawn = figure(run.folder, "training", "Training curves", TRAINING_ALT)
    return Section("compute", "Compute used", (*blocks, *([drawn] if drawn else [])))


def _named(job: dict[str, Any], told: Collection[str]) -> str:
    """The row that counts a training: its model's, which says so if no reported figure is of it."""
    name = str(job["pair"])
    if job["inner"] == PEER:
        return f"{name}, chosen on the test fold"
    return name if name in told else f"{name}, not in the tables"


def reported_trainings(run: RunFiles) -> int:
    """How many nested trainings the reported predictions are of."""
    told = {f"{method.model}-{method.inputs}" for method in run.methods}
    return sum(_named(job, told) in told for job in run.jobs)


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
