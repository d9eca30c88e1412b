"""What ``crossval --plan`` says against what then happens, for three studies.

    python benchmarks/plan.py -o DIR [--patients 144] [--studies demo,cnns,estimators] [--workers N]

draws and prepares phantoms once, then for each study: the plan in a process of its own, the whole
command in another, from start to end. Prints a table and writes DIR/plan.json. Other work on the
machine makes either figure wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from all_systems import write_features

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.planning import plan_crossval
from cystgrid.processes import worker_count
from cystgrid.study import Study, shipped_study

FOLDS = """
[splits]
folds = 3
inner = 5
turns = 1

[grid]
pixels = 32

[training]
epochs = 6
warmup = 1
"""
CNNS = """
[models]
names = ["alexnet", "densenet121", "resnet18", "mobilenet_v2", "efficientnet_b5"]
weights = "none"
"""
ESTIMATORS = """
[models]
names = ["hussein-cca", "cnn-svm", "features", "site-only", "majority"]
weights = "none"

[models.features]
file = "features.csv"
columns = [
  "t1_mean", "t1_deviation", "t1_p10", "t1_p90", "t2_mean", "t2_deviation", "t2_p10", "t2_p90",
]
"""
STUDIES = {"cnns": FOLDS + CNNS, "estimators": FOLDS + ESTIMATORS}
HEAD = """| study | planning | planned | real | planned / real | disk planned | real |
|---|---|---|---|---|---|---|
"""
REDUCTION = 1.5
"""In-plane pixels of the phantoms are this much larger than a real scan's, to be made faster."""


@dataclass(frozen=True)
class Row:
    """One study: what was planned, and what happened.

    Attributes:
        study: its name.
        planning: seconds that the plan took.
        seconds, disk: planned; the trainings' part of the disk.
        real_seconds, real_disk: as it went.
    """

    study: str
    planning: float
    seconds: float
    real_seconds: float
    disk: int
    real_disk: int

    def cells(self) -> str:
        """As a row of Markdown."""
        return (
            f"| {self.study} | {self.planning:.0f} s | {self.seconds:.0f} s | "
            f"{self.real_seconds:.0f} s | {self.seconds / self.real_seconds:.2f} | "
            f"{self.disk / 1e6:.0f} MB | {self.real_disk / 1e6:.0f} MB |\n"
        )


def plan_to_json(prepared: Path, run: Path, study: Path, workers: int | None) -> None:
    """In a process of its own: the plan, as JSON on stdout."""
    plan = plan_crossval(prepared, run, Study.read(study), workers=workers, quiet=True)
    disk = sum(pair.disk for pair in plan.trainings.pairs)
    sys.stdout.write(json.dumps({"seconds": plan.seconds(), "disk": disk}))


def compare(name: str, prepared: Path, folder: Path, study: Path, workers: list[str]) -> Row:
    """Plan, then run."""
    run = folder / f"run-{name}"
    shutil.rmtree(run, ignore_errors=True)
    start = time.perf_counter()
    asked = [sys.executable, __file__, "-o", str(run), "--plan", str(prepared), str(study)]
    said = subprocess.run([*asked, *workers], check=True, capture_output=True, text=True).stdout
    planned, planning = json.loads(said), time.perf_counter() - start
    start = time.perf_counter()
    command = [sys.executable, "-c", "from cystgrid.cli import main; main()", "crossval"]
    options = [str(prepared), "-o", str(run), "--study", str(study), "--quiet", *workers]
    subprocess.run([*command, *options], check=True)
    real = time.perf_counter() - start
    disk = sum(path.stat().st_size for path in run.glob("jobs/*/*/*/*"))
    return Row(name, planning, planned["seconds"], real, planned["disk"], disk)


def prepared_phantoms(folder: Path, patients: int, workers: int) -> Path:
    """Draw and prepare the demo's phantoms, as far as they are not there."""
    cohort = write_phantom_cohort(
        folder / "phantoms", patients=patients, seed=20, reduction=REDUCTION, workers=workers
    )
    run_prepare(cohort, folder / "prepared", Study.read(shipped_study("demo")), workers=workers)
    return folder / "prepared"


def main() -> None:
    """Run it all, or (``--plan``) one plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=144)
    parser.add_argument("--prepared", type=Path, help="take these patients, and draw none")
    parser.add_argument("--studies", default=",".join(("demo", *STUDIES)))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--plan", type=Path, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.plan:
        plan_to_json(asked.plan[0], asked.output, asked.plan[1], asked.workers)
        return
    folder, workers = asked.output, worker_count(asked.workers)
    prepared = asked.prepared or prepared_phantoms(folder, asked.patients, workers)
    folder.mkdir(parents=True, exist_ok=True)
    write_features(prepared, folder / "features.csv")
    for name, text in STUDIES.items():
        (folder / f"{name}.toml").write_text(text, "utf-8")
    given = [] if asked.workers is None else ["--workers", str(asked.workers)]
    rows = []
    sys.stdout.write(
        "| study | planning | planned | real | planned / real | disk planned | real |\n"
    )
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    for name in asked.studies.split(","):
        study = folder / f"{name}.toml" if name in STUDIES else shipped_study(name)
        rows.append(compare(name, prepared, folder, study, given))
        sys.stdout.write(rows[-1].cells())
        sys.stdout.flush()
    (folder / "plan.json").write_text(json.dumps([asdict(row) for row in rows], indent=2), "utf-8")


if __name__ == "__main__":
    main()
