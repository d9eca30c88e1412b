"""Quality against compute: what each way to choose epochs and settings costs, and what it reaches.

    python benchmarks/compute.py -o DIR [--patients 144] [--folds 4] [--epochs 30]
                                 [--models vit_tiny,resnet18] [--weights FOLDER] [--workers N]

runs the same nested cross-validation of phantoms by each recipe and prints a Markdown table: the
table of docs/recipes.md. The paper's recipe is not run: its time is that of the plan. With
``--weights``, a folder of ``vit_tiny_patch16_224.safetensors``, the ViT starts from it. Run again,
it goes on where it was, but counts the time of what it did not run no more.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from plan import prepared_phantoms

from cystgrid.planning import plan_crossval
from cystgrid.processes import worker_count
from cystgrid.runs import run_crossval
from cystgrid.study import Study, shipped_study

RATES = (1e-4, 3e-4, 1e-3)
"""That compete; the middle one is the default recipe's."""

HEAD = """| model | recipe | trainings | epochs | hours | balanced accuracy (95 %) | other epoch |
|---|---|---|---|---|---|---|
"""
SHARE_OF_PATIENCE = 5
"""Patience is this part of the epochs."""


@dataclass(frozen=True)
class Row:
    """One recipe of one model.

    Attributes:
        model, recipe: names.
        trainings: of the outer and inner folds.
        epochs: of all trainings and candidates together, as they were trained.
        seconds: of the whole command.
        accuracy, low, high: balanced accuracy of all folds together, with its 95 % interval.
        moved: share of the trainings that chose another epoch than the default recipe's.
    """

    model: str
    recipe: str
    trainings: int
    epochs: int
    seconds: float
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    moved: float | None = None

    def cells(self) -> str:
        """As a row of Markdown."""
        found = "not run"
        if self.accuracy is not None:
            found = f"{self.accuracy:.3f} ({self.low:.3f} to {self.high:.3f})"
        moved = "" if self.moved is None else f"{self.moved:.0%}"
        return (
            f"| {self.model} | {self.recipe} | {self.trainings} | {self.epochs} | "
            f"{self.seconds / 3600:.3f} | {found} | {moved} |\n"
        )


def recipes(epochs: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Sections of a study, by the name of the recipe."""
    base = {"epochs": epochs, "warmup": min(3, epochs - 1), "precision": "auto"}
    space = {"learning_rate": RATES}
    return {
        f"default, {epochs} epochs": {"training": base},
        "the same with patience": {
            "training": {**base, "patience": max(epochs // SHARE_OF_PATIENCE, 1)}
        },
        f"{len(RATES)} rates, all to the end": {"training": base, "search": {"space": space}},
        f"{len(RATES)} rates, halving": {
            "training": base,
            "search": {"method": "halving", "eta": len(RATES), "space": space},
        },
    }


def study_of(sections: dict[str, Any], model: str, folds: int, weights: str) -> Study:
    """The demo's preparation and grid, with other training."""
    demo = Study.read(shipped_study("demo"))
    return Study.parse(
        {
            "preparation": demo.preparation.model_dump(),
            "grid": demo.grid.model_dump(),
            "splits": {"folds": folds, "inner": 5, "turns": 1},
            "models": {"names": (model,), "weights": weights},
            **sections,
        },
        "compute",
    )


def records(run: Path) -> list[dict[str, Any]]:
    """Of every training."""
    paths = sorted(run.glob("jobs/*/outer-*/inner-*/job.json"))
    return [json.loads(path.read_text("utf-8")) for path in paths]


def measured(
    prepared: Path, run: Path, study: Study, recipe: str, default: Path, workers: int
) -> Row:
    """Run one recipe; ``default`` is the run whose epochs its own are compared with."""
    start = time.perf_counter()
    run_crossval(prepared, run, study, workers=workers, quiet=True)
    seconds = time.perf_counter() - start
    table = pd.read_csv(run / "tables" / "table1.csv").iloc[0]
    done, before = records(run), records(default)
    searched = any(len(each["trials"]) > 1 for each in done)
    moved = sum(
        mine["selected_epoch"] != theirs["selected_epoch"]
        for mine, theirs in zip(done, before, strict=True)
    )
    score = "pooled_balanced_accuracy"
    return Row(
        study.models.names[0], recipe, len(done),
        sum(trial["trained"] for each in done for trial in each["trials"]), seconds,
        float(table[score]), float(table[f"{score}_low"]), float(table[f"{score}_high"]),
        None if searched or run == default else moved / len(done),
    )  # fmt: skip


def planned(prepared: Path, run: Path, study: Study, workers: int) -> Row:
    """The paper's recipe: trials of its trainings, and the rest by multiplication."""
    plan = plan_crossval(prepared, run, study, workers=workers, quiet=True)
    pair, epochs = plan.trainings.pairs[0], study.training.epochs
    name = f"the paper's, {epochs} epochs (extrapolated)"
    return Row(pair.pair[0], name, pair.left, pair.left * epochs, plan.seconds())


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=144)
    parser.add_argument("--prepared", type=Path, help="take these patients, and draw none")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--models", default="vit_tiny,resnet18")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    folder, workers = asked.output, worker_count(asked.workers)
    prepared = asked.prepared or prepared_phantoms(folder, asked.patients, workers)
    paper = Study.read(shipped_study("paper")).training.model_dump()
    rows = []
    sys.stdout.write(HEAD)
    for model in asked.models.split(","):
        start = "none"
        if asked.weights and model == "vit_tiny":
            start = str((asked.weights / "vit_tiny_patch16_224.safetensors").absolute())
        study = study_of({"training": paper}, model, asked.folds, start)
        rows.append(planned(prepared, folder / f"{model}-paper", study, workers))
        sys.stdout.write(rows[-1].cells())
        for number, (recipe, sections) in enumerate(recipes(asked.epochs).items()):
            study = study_of(sections, model, asked.folds, start)
            run, default = folder / f"{model}-{number}", folder / f"{model}-0"
            rows.append(measured(prepared, run, study, recipe, default, workers))
            sys.stdout.write(rows[-1].cells())
            sys.stdout.flush()
    text = json.dumps([asdict(row) for row in rows], indent=2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compute.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
