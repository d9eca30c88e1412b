"""The verb that says what an answer rests on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cystgrid.cli.common import Debug, Quiet, Workers, app, end_with, names, say, show, verb

if TYPE_CHECKING:  # --help answers without torch
    from cystgrid.cohort.manifest import Patient
    from cystgrid.explanations.options import Options

ONE = "patient"
"""What a single patient is called who was given no name."""


@app.command(
    epilog="Example: cystgrid explain model --t1 T1-DICOM --t2 T2-DICOM "
    "--roi=-60,60,-40,40,-30,30 -o maps"
)
@verb
def explain(
    folder: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder that train wrote (or RUN).")
    ],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[COHORT.CSV]", help="Patients, one row each (or PREPARED)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Folder.")
    ] = None,
    t1: Annotated[str | None, typer.Option(help="T1: NIfTI file or DICOM folder.")] = None,
    t2: Annotated[str | None, typer.Option(help="T2: NIfTI file or DICOM folder.")] = None,
    roi: Annotated[str | None, typer.Option(help="Mask, or x0,x1,y0,y1,z0,z1 in mm, RAS+.")] = None,
    patient: Annotated[
        str | None, typer.Option(help=f"Name for the single patient. Default: {ONE}.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="How maps are made. Default: rollout, for CNNs grad-cam.")
    ] = "",
    wanted: Annotated[
        str, typer.Option("--class", help="Class to explain, or all. Default: the predicted one.")
    ] = "",
    figure: Annotated[
        int | None, typer.Option(help="With RUN PREPARED: the paper's figure 2 or 3.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="With RUN PREPARED: check its maps; Table VI.")
    ] = False,
    patients: Annotated[
        int | None, typer.Option(help="With --check: at most so many patients of each class.")
    ] = None,
    models: Annotated[
        str, typer.Option(help="With RUN: which of its networks, separated by commas.")
    ] = "",
    head_fusion: Annotated[str, typer.Option(help="rollout: heads by mean, max or min.")] = "mean",
    discard: Annotated[
        float, typer.Option(help="rollout: share of each layer's smallest weights left out.")
    ] = 0.0,
    no_identity: Annotated[
        bool, typer.Option("--no-identity", help="rollout: without the residual connections.")
    ] = False,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what answers rest on: maps in the scan's own space, pictures, shares."""
    from cystgrid.explanations.options import Options

    options = Options.parse(
        {"head_fusion": head_fusion, "discard": discard, "identity": not no_identity}, "explain"
    )
    if figure is not None and check:
        raise typer.BadParameter("--figure and --check are two questions; ask one")
    of_one = {"--t1": t1, "--t2": t2, "--roi": roi, "--patient": patient,
              "--workers": workers}  # fmt: skip
    if check:
        _refuse({**of_one, "--class": wanted or None}, "--check")
        _refuse_options(options, "--check")
        _check(folder, source, output, method, models, patients, quiet)
        return
    _refuse({"--patients": patients}, "MODEL or --figure")
    if figure is not None:
        _refuse({**of_one, "--class": wanted or None}, "--figure")
        _draw_figure(folder, source, output, figure, models, method, options, quiet)
        return
    _refuse({"--models": models or None}, "MODEL")
    if output is None:
        raise typer.BadParameter("give -o OUT")
    asked = _asked(source, patient, t1, t2, roi)
    from cystgrid.explaining import run_explain
    from cystgrid.processes import worker_count

    text, refused = run_explain(
        folder,
        asked,
        output,
        method=method,
        wanted=wanted,
        options=options,
        workers=worker_count(workers),
        quiet=quiet,
    )
    if text:
        say(quiet, text)
    end_with(refused, done=len(text))


def _draw_figure(
    run: Path,
    prepared: Path | None,
    output: Path | None,
    figure: int,
    models: str,
    method: str,
    options: Options,
    quiet: bool,
) -> None:
    from cystgrid.explaining_runs import run_figure

    text = run_figure(
        run,
        _prepared(prepared),
        output or run / "figures",
        figure,
        models=names(models),
        method=method,
        options=options,
        quiet=quiet,
    )
    say(quiet, text)


def _check(
    run: Path,
    prepared: Path | None,
    output: Path | None,
    method: str,
    models: str,
    patients: int | None,
    quiet: bool,
) -> None:
    from cystgrid.checking_explanations import run_checks

    table = run_checks(
        run,
        _prepared(prepared),
        output or run / "tables",
        methods=names(method),
        models=names(models),
        patients=patients,
        quiet=quiet,
    )
    show(quiet, table)


def _refuse_options(options: Options, beside: str) -> None:
    """Refuse choices about rollout where maps are made with the defaults."""
    if options.model_dump(exclude_defaults=True):
        raise typer.BadParameter(
            f"--head-fusion, --discard, --no-identity do nothing with {beside}; leave them out"
        )


def _prepared(source: Path | None) -> Path:
    if source is None:
        raise typer.BadParameter("give RUN PREPARED, the folder that the run was trained on")
    return source


def _asked(
    source: Path | None, patient: str | None, t1: str | None, t2: str | None, roi: str | None
) -> Path | Patient:
    """The manifest, or the patient of ``--t1 --t2 --roi``."""
    from cystgrid.cohort.cells import text_fault
    from cystgrid.predicting import single_patient

    if (source is None) == (t1 is None and t2 is None):
        raise typer.BadParameter("give either a COHORT.CSV or --t1/--t2")
    if source is not None:
        _refuse({"--roi": roi, "--patient": patient}, "COHORT.CSV")
        return source
    name = ONE if patient is None else patient
    if fault := "is empty" if not name.strip() else text_fault(name):
        raise typer.BadParameter(f"--patient {fault}")
    return single_patient(name, t1, t2, roi)


def _refuse(options: Mapping[str, object], beside: str) -> None:
    """Refuse options that would do nothing."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise typer.BadParameter(f"{', '.join(given)} does nothing with {beside}; leave it out")
