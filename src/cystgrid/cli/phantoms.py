"""Verbs that need no data: the demo and the phantoms."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Literal

import typer

from cystgrid.cli.common import Debug, Quiet, Workers, app, say, verb


@app.command(epilog="Example: cystgrid demo -o demo")
@verb
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write.")] = Path("demo"),
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run everything on a small phantom cohort: scans in, Table I out."""
    from cystgrid.demo import run_demo

    run_demo(output, workers=workers, quiet=quiet, say=functools.partial(say, quiet))


@app.command(epilog="Example: cystgrid phantom phantoms --patients 90 --seed 1")
@verb
def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write.")],
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    image_format: Annotated[
        Literal["nifti", "dicom"], typer.Option("--format", help="How scans are stored.")
    ] = "nifti",
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write digital phantoms with known lesions: scans, masks, cohort.csv."""
    from cystgrid.cohort.phantom import write_phantom_cohort
    from cystgrid.processes import worker_count

    cohort = write_phantom_cohort(
        folder,
        patients=patients,
        seed=seed,
        image_format=image_format,
        workers=worker_count(workers),
        quiet=quiet,
    )
    say(quiet, f"{patients} phantoms (no clinical data): {cohort}")
