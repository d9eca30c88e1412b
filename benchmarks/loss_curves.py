"""Loss curves of float32 and bfloat16 trainings over each other, several seeds of each.

    python benchmarks/loss_curves.py -o curves [--weights vit_tiny.safetensors] [--seeds 5]

Makes a small phantom cohort in DIR once, trains each network in both arithmetics from the same
seeds on the same patients, and writes DIR/loss_curves.png and DIR/loss_curves.csv; the end of every
training is printed with the differences seed by seed. Minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from cystgrid.cohort.phantom.cohort import write_phantom_cohort
from cystgrid.cohort.splits import InnerFold
from cystgrid.cohorts import run_prepare
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import ModelSettings
from cystgrid.preparation.store import Store
from cystgrid.study import Study, shipped_study
from cystgrid.training.member import Task, train_member
from cystgrid.training.recipe import Recipe
from cystgrid.training.settings import TrainingSettings

PRECISIONS = ("float32", "bfloat16")
COLOURS = {"float32": "tab:blue", "bfloat16": "tab:orange"}
LOSSES = {"train_loss": "training", "validation_loss": "validation"}
COHORT_SEED = 30

RATES = {"vit_tiny": 1e-4, "resnet18": 1e-3}
"""At which each learns in so few epochs."""


def cohort(folder: Path, patients: int) -> Store:
    """Prepared phantoms; made once."""
    study = Study.read(shipped_study("demo"))
    table = write_phantom_cohort(
        folder / "phantoms", patients=patients, seed=COHORT_SEED, reduction=2.0, workers=2
    )
    run_prepare(table, folder / "prepared", study, workers=2)
    return Store.open(folder / "prepared")


def fold_of(store: Store, patients: int) -> InnerFold:
    """Of the first patients every fourth validates; phantoms come in turn of their classes."""
    names = sorted(store.entries)[:patients]
    held = names[::4]
    return InnerFold(tuple(n for n in names if n not in held), tuple(held))


def trainings(store: Store, asked: argparse.Namespace) -> pd.DataFrame:
    """``network, precision, seed, epoch`` and the losses, a row an epoch."""
    fold, rows = fold_of(store, asked.patients), []
    starts = {"vit_tiny": str(asked.weights) if asked.weights else "none", "resnet18": "none"}
    for network in asked.networks.split(","):
        for seed in range(asked.seeds):
            for precision in PRECISIONS:
                recipe = Recipe(
                    grid=GridSettings(pixels=32, gamma=0.3),
                    models=ModelSettings(names=(network,), weights=starts[network]),
                    training=TrainingSettings(
                        epochs=asked.epochs,
                        warmup=1,
                        learning_rate=RATES[network],
                        layer_decay=1.0,
                        select="loss",
                        precision=precision,
                    ),
                )
                trained = train_member(store, Task(fold, recipe, network, "early", seed))
                for epoch in trained.curve:
                    rows.append(
                        (network, precision, seed, epoch.epoch, epoch.train_loss,
                         epoch.validation_loss)
                    )  # fmt: skip
                sys.stderr.write(f"{network} {precision} seed {seed}: {rows[-1][-2]:.3f}\n")
    columns = ["network", "precision", "seed", "epoch", *LOSSES]
    return pd.DataFrame(rows, columns=columns)


def draw(curves: pd.DataFrame, path: Path) -> None:
    """A column a network, a row a loss; lines are means over seeds, bands their range."""
    networks = list(dict.fromkeys(curves["network"]))
    size = (4.2 * len(networks), 6.0)
    figure, axes = plt.subplots(len(LOSSES), len(networks), squeeze=False, figsize=size)
    for row, (loss, name) in zip(axes, LOSSES.items(), strict=True):
        for axis, network in zip(row, networks, strict=True):
            for precision in PRECISIONS:
                chosen = curves.query("network == @network and precision == @precision")
                over = chosen.groupby("epoch")[loss]
                colour, epochs = COLOURS[precision], list(over.groups)
                axis.fill_between(epochs, over.min(), over.max(), color=colour, alpha=0.25, lw=0)
                axis.plot(epochs, over.mean(), color=colour, label=precision)
            axis.set(title=f"{network}, {name}", xlabel="epoch", ylabel="cross-entropy (nats)")
    axes[0, 0].legend(frameon=False)
    figure.suptitle(f"{curves['seed'].nunique()} seeds each: mean and range")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def ends(curves: pd.DataFrame) -> str:
    """The losses after the last epoch, and how the two arithmetics differ seed by seed."""
    last = curves[curves["epoch"] == curves["epoch"].max()]
    rows = ["| network | loss | float32 | bfloat16 | difference, mean (sd of seeds) |",
            "|---|---|---|---|---|"]  # fmt: skip
    for network in dict.fromkeys(last["network"]):
        for loss, name in LOSSES.items():
            table = last[last["network"] == network].pivot(index="seed", columns="precision")[loss]
            exact, rounded = (table[precision].to_numpy() for precision in PRECISIONS)
            apart = rounded - exact
            said = [f"{np.mean(v):.3f} ({np.std(v, ddof=1):.3f})" for v in (exact, rounded)]
            said.append(f"{apart.mean():+.3f} ({apart.std(ddof=1):.3f})")
            rows.append(f"| {network} | {name} | {' | '.join(said)} |")
    return "\n".join(rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--networks", default="vit_tiny,resnet18")
    parser.add_argument("--weights", type=Path, help="of vit_tiny; none: from scratch")
    parser.add_argument("--patients", type=int, default=48)
    parser.add_argument("--prepared", type=Path, help="phantoms that were prepared before")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    made = Store.open(asked.prepared) if asked.prepared else cohort(asked.output, asked.patients)
    curves = trainings(made, asked)
    curves.to_csv(asked.output / "loss_curves.csv", index=False)
    draw(curves, asked.output / "loss_curves.png")
    sys.stdout.write(ends(curves) + "\n")


if __name__ == "__main__":
    main()
