"""The whole path on a small phantom cohort: scans in, Table I out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.explaining import run_explain
from cystgrid.explaining_runs import run_figure
from cystgrid.predicting import run_predict
from cystgrid.processes import worker_count
from cystgrid.provenance import NOTICE
from cystgrid.reporting import run_report
from cystgrid.runs import run_crossval, run_train
from cystgrid.study import Study, shipped_study

PATIENTS, NEW_PATIENTS, SEED, NEW_SEED = 144, 3, 20, 21
"""Of the cohort, and of the patients that the deployed model has never seen."""

REDUCTION = 1.5
"""The demo's phantoms have in-plane pixels this much larger than real scans, to be made faster."""

WHERE_THE_TRANSFORMER_STARTS = (
    "The transformer begins from the start that comes with the package: it was taught to tell\n"
    "tissues, ducts and cysts apart in random drawn scenes, and has seen no phantom of this\n"
    "cohort, no grade and no patient. Phantoms are drawings too: it may help here more than it\n"
    "would in patients. The ResNet18 begins from random weights."
)

Say = Callable[[str], None]


def run_demo(folder: Path, *, workers: int | None, quiet: bool, say: Say) -> None:
    """Phantoms to report: every stage once, and a model with its answers and maps.

    Args:
        folder: where everything is written; run again, what is there is used.
        workers: processes; None for one a core.
        quiet: no progress bars.
        say: prints a line.
    """
    study_file = shipped_study("demo")
    study = Study.read(study_file)
    with _stage("phantom scans", say):
        cohort = write_phantom_cohort(
            folder / "phantoms",
            patients=PATIENTS,
            seed=SEED,
            reduction=REDUCTION,
            workers=worker_count(workers),
            quiet=quiet,
        )
        new = write_phantom_cohort(
            folder / "new-patients",
            patients=NEW_PATIENTS,
            seed=NEW_SEED,
            reduction=REDUCTION,
            image_format="dicom",
            workers=0,
            quiet=quiet,
        )
    with _stage("preparation", say):
        run_prepare(cohort, folder / "prepared", study, workers=worker_count(workers), quiet=quiet)
    run = folder / "run"
    with _stage("nested cross-validation", say):
        table, _ = run_crossval(
            folder / "prepared", run, study, study_file, workers=workers, quiet=quiet
        )
    with _stage("one deployable model", say):
        run_train(
            folder / "prepared",
            folder / "model",
            study,
            model=("resnet18",),
            workers=workers,
            quiet=quiet,
        )
    with _stage("answers for new patients", say):
        answers, _ = run_predict(
            folder / "model", new, folder / "answers", workers=worker_count(workers), quiet=quiet
        )
    with _stage("what the answers rest on", say):
        explained, _ = run_explain(
            folder / "model", new, folder / "maps", workers=worker_count(workers), quiet=quiet
        )
        run_figure(run, folder / "prepared", run / "figures", 3, quiet=quiet)
    with _stage("report", say):
        report = run_report(run, folder / "prepared", quiet=quiet)[-1]
    if not quiet:
        Console(width=160).print(table)
    say(WHERE_THE_TRANSFORMER_STARTS)
    say(f"\nNew patients (DICOM):\n{answers}")
    say(f"\nWhat they rest on:\n{explained}")
    say("\nPhantoms with known lesions, no clinical data. " + NOTICE)
    say(f"Tables: {run / 'tables'}  pictures: {run / 'figures'}, {folder / 'answers' / 'grids'}, "
        f"{folder / 'maps'}")  # fmt: skip
    say(f"Report, to open in a browser: {report}")


@contextmanager
def _stage(title: str, say: Say) -> Iterator[None]:
    start = time.perf_counter()
    yield
    say(f"{title}: {time.perf_counter() - start:.0f} s")
