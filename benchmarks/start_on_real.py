"""What a transformer from the shipped start looks at on real tissue: docs/start-on-real.png.

    python benchmarks/start_on_real.py -o DIR cohort.csv [--copies 20]

``cohort.csv`` lists normal T2 scans with a region. Copies of them get lesions; ViT-Tiny from
``phantom`` learns from copies of some subjects and is asked about those of the others, three folds.
Writes DIR/run, with its tables, and DIR/run/figures/figure2.png: a right and a wrong answer. Run
again, it does what is not done.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from cystgrid.cohorts import run_insert, run_prepare
from cystgrid.explaining_runs import run_figure
from cystgrid.runs import run_crossval
from cystgrid.study import Study

SEED = 70
STUDY = """
[preparation]
modalities = ["t2"]
[preparation.n4]
shrink_mm = 20.0
iterations = [10, 8, 4]
[splits]
folds = 3
inner = 4
turns = 1
[grid]
gamma = 0.3
[models]
names = ["vit_tiny"]
inputs = ["t2"]
weights = "phantom"
[training]
epochs = 24
warmup = 2
batch = 8
evaluate_every = 2
"""


def asked_for() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=20, help="of each subject")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Insert, prepare, cross-validate, draw."""
    asked = asked_for()
    folder, workers = asked.output, asked.workers
    folder.mkdir(parents=True, exist_ok=True)
    study_file = folder / "study.toml"
    study_file.write_text(STUDY, "utf-8")
    study = Study.read(study_file)
    run_insert(
        asked.cohort, folder / "inserted", study, copies=asked.copies, seed=SEED, workers=workers
    )
    table = folder / "inserted/cohort.csv"
    run_prepare(table, folder / "prepared", study, workers=workers)
    run = folder / "run"
    found, notes = run_crossval(folder / "prepared", run, study, study_file, workers=workers)
    console = Console()
    console.print(found, *notes, sep="\n")
    console.print(run_figure(run, folder / "prepared", run / "figures", 2))


if __name__ == "__main__":
    main()
