"""Verbs behind starts and benchmarks: a transformer's pretraining, lesions into real scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import (
    CohortFile,
    Debug,
    Quiet,
    StudyFile,
    Workers,
    app,
    end_with,
    read_study,
    say,
    verb,
)


@app.command(
    epilog="Example: cystgrid pretrain -o start --study studies/pretrain.toml\n\n"
    'Then, in a study: weights = "start/start.safetensors". Hours on a processor; stopped, '
    "the same command goes on where it was."
)
@verb
def pretrain(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="WEIGHTS", help="Folder.")],
    study: Annotated[
        Path | None,
        typer.Option("--study", help="Pretraining study (TOML). Default: every default."),
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Pretrain a transformer on endless random scenes, labelled to the voxel."""
    from cystgrid.pretraining.settings import PretrainSettings
    from cystgrid.starts import run_pretrain

    settings = (
        PretrainSettings()
        if study is None
        else PretrainSettings.read_toml(study, "a pretraining study").beside(study.parent)
    )
    say(quiet, run_pretrain(output, settings, study, workers=workers, quiet=quiet))


@app.command(
    epilog="Example: cystgrid insert cohort.csv -o inserted --copies 3\n\nThe new cohort.csv keeps "
    "all copies of a patient in one group: no split parts them."
)
@verb
def insert(
    cohort: CohortFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder.")],
    copies: Annotated[
        int, typer.Option(min=1, help="Of each patient; classes take turns, 3 are one of each.")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    study: StudyFile = None,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw lesions with known truth into real scans, for benchmarks on real tissue."""
    from cystgrid.cohorts import run_insert
    from cystgrid.insertion.cohort import NOTE
    from cystgrid.processes import worker_count

    report = run_insert(
        cohort,
        output,
        read_study(study),
        copies=copies,
        seed=seed,
        workers=worker_count(workers),
        quiet=quiet,
    )
    if report.left_out:
        say(quiet, f"left out: {report.left_out} patients with a lesion of their own")
    if report.written:
        say(quiet, f"{report.written} patients: {report.manifest}\n{NOTE}")
    end_with(report.refused, done=report.written)
