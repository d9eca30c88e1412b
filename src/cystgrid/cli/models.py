"""Verbs from prepared patients to runs, models and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cystgrid.cli.common import (
    Debug,
    Prepared,
    Quiet,
    StudyFile,
    Workers,
    app,
    end_with,
    names,
    read_study,
    say,
    show,
    verb,
    warn,
)
from cystgrid.cli.engines import Address, EngineOption, JobCpus, JobGpus, cluster_of
from cystgrid.errors import UsageError

Features = Annotated[
    Path | None,
    typer.Option(
        metavar="FEATURES.CSV",
        help="Table for the features models: a column patient, and the study's features.columns.",
    ),
]


@app.command(
    epilog="Example: cystgrid crossval prepared -o run --study studies/paper.toml; on a cluster: "
    "cystgrid crossval prepared -o run --engine ray --address 10.0.0.1:6379 --job-gpus 0.25"
)
@verb
def crossval(
    prepared: Prepared,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Folder.")],
    study: StudyFile = None,
    models: Annotated[
        str, typer.Option(help="Models to run, separated by commas. Default: the study's.")
    ] = "",
    inputs: Annotated[
        str,
        typer.Option(
            help="early, late, intermediate, t1, t2, separated by commas; each model takes those "
            "that it supports. Default: the study's."
        ),
    ] = "",
    features: Features = None,
    splits: Annotated[
        Path | None,
        typer.Option(help="Folds to take (splits.json of an import or a run), not the study's."),
    ] = None,
    protocol: Annotated[
        Literal["nested", "peer"],
        typer.Option(
            help="peer also lets each test fold choose its own epoch and settings, as published "
            "code does, and shows by how much that flatters."
        ),
    ] = "nested",
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Try each model for seconds and say what the run would take: time, memory, disk. "
            "Writes nothing.",
        ),
    ] = False,
    workers: Workers = None,
    engine: EngineOption = "local",
    address: Address = None,
    job_cpus: JobCpus = None,
    job_gpus: JobGpus = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Nested cross-validation; running it again resumes."""
    asked: dict[str, Any] = {
        "models": names(models),
        "inputs": names(inputs),
        "features": features,
        "splits_file": splits,
        "protocol": protocol,
        "workers": workers,
        "quiet": quiet,
    }
    cluster = cluster_of(engine, address, job_cpus, job_gpus, quiet=quiet, debug=debug)
    if plan and cluster:
        raise UsageError(
            "--plan", got="--engine ray", expected="--engine local: trials run on this machine",
            do="plan on a machine like the nodes; its table has several devices",
        )  # fmt: skip
    if plan:
        _show_plan(prepared, output, study, asked)
        return
    from cystgrid.runs import run_crossval

    table, notes = run_crossval(
        prepared, output, read_study(study), study, cluster=cluster, say=warn, **asked
    )
    show(quiet, table)
    for note in notes:
        say(quiet, f"note: {note}")
    say(quiet, f"tables: {output / 'tables'}\nfigures: {output / 'figures'}")


def _show_plan(prepared: Path, run: Path, study: Path | None, asked: dict[str, Any]) -> None:
    """Print the plan, which is what was asked for, ``--quiet`` or not."""
    from cystgrid.planning import plan_crossval, plan_notes, plan_tables

    found = plan_crossval(prepared, run, read_study(study), **asked)
    for table in plan_tables(found):
        show(quiet=False, table=table)
    for note in plan_notes(found):
        typer.echo(note)


@app.command(
    epilog="Example: cystgrid train prepared -o model --study studies/demo.toml; on a cluster: "
    "cystgrid train prepared -o model --engine ray --address 10.0.0.1:6379"
)
@verb
def train(
    prepared: Prepared,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Folder.")],
    study: StudyFile = None,
    model: Annotated[str, typer.Option(help="Which model. Default: the study's first.")] = "",
    inputs: Annotated[
        str, typer.Option(help="early, late, intermediate, t1 or t2. Default: the study's.")
    ] = "",
    features: Features = None,
    workers: Workers = None,
    engine: EngineOption = "local",
    address: Address = None,
    job_cpus: JobCpus = None,
    job_gpus: JobGpus = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train one deployable model on a whole cohort."""
    from cystgrid.runs import run_train, training_note

    settings = read_study(study)
    say(quiet, training_note(settings.recipe(names(model), names(inputs), features)))
    path = run_train(
        prepared,
        output,
        settings,
        model=names(model),
        inputs=names(inputs),
        features=features,
        workers=workers,
        cluster=cluster_of(engine, address, job_cpus, job_gpus, quiet=quiet, debug=debug),
        quiet=quiet,
        say=warn,
    )
    say(quiet, f"model: {path.parent}")


@app.command(
    epilog="Example: cystgrid predict model --t1 T1-DICOM --t2 T2-DICOM "
    "--roi=-60,60,-40,40,-30,30 -o answer --dicom-out results"
)
@verb
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that train wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Folder.")],
    cohort: Annotated[
        Path | None, typer.Argument(metavar="[COHORT.CSV]", help="Patients, one row each.")
    ] = None,
    t1: Annotated[str | None, typer.Option(help="T1: NIfTI file or DICOM folder.")] = None,
    t2: Annotated[str | None, typer.Option(help="T2: NIfTI file or DICOM folder.")] = None,
    roi: Annotated[str | None, typer.Option(help="Mask, or x0,x1,y0,y1,z0,z1 in mm, RAS+.")] = None,
    patient: Annotated[str, typer.Option(help="Name for the single patient.")] = "patient",
    dicom_out: Annotated[
        Path | None,
        typer.Option(
            "--dicom-out",
            metavar="DIR",
            help="Also write DICOM results of each study, for a viewer or a PACS: structured "
            "report, parametric map, colour pictures, the region. Scans must be DICOM.",
        ),
    ] = None,
    features: Features = None,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Grade new patients: a cohort.csv, or one pair of scans."""
    from cystgrid.cohort.cells import text_fault
    from cystgrid.predicting import run_predict, single_patient
    from cystgrid.processes import worker_count

    if (cohort is None) == (t1 is None and t2 is None):
        raise typer.BadParameter("give either a COHORT.CSV or --t1/--t2")
    if fault := "is empty" if not patient.strip() else text_fault(patient):
        raise typer.BadParameter(f"--patient {fault}")
    source = single_patient(patient, t1, t2, roi) if cohort is None else cohort
    text, refused = run_predict(
        model,
        source,
        output,
        features=features,
        dicom_out=dicom_out,
        workers=worker_count(workers),
        quiet=quiet,
    )
    if text:
        say(quiet, text)
    end_with(refused, done=len(text))
