"""The verb that says what an answer rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import Debug, Quiet, app, end_with, say, verb


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
    patient: Annotated[str, typer.Option(help="Name for the single patient.")] = "patient",
    method: Annotated[
        str, typer.Option(help="How maps are made. Default: rollout, for CNNs grad-cam.")
    ] = "",
    wanted: Annotated[
        str, typer.Option("--class", help="Class to explain, or all. Default: the predicted one.")
    ] = "",
    head_fusion: Annotated[str, typer.Option(help="rollout: heads by mean, max or min.")] = "mean",
    discard: Annotated[
        float, typer.Option(help="rollout: share of each layer's smallest weights left out.")
    ] = 0.0,
    no_identity: Annotated[
        bool, typer.Option("--no-identity", help="rollout: without the residual connections.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what answers rest on: maps in the scan's own space, pictures, shares."""
    from cystgrid.cohort.cells import text_fault
    from cystgrid.explaining import run_explain
    from cystgrid.explanations.options import Options
    from cystgrid.runs import single_patient

    if output is None:
        raise typer.BadParameter("give -o OUT")
    if (source is None) == (t1 is None and t2 is None):
        raise typer.BadParameter("give either a COHORT.CSV or --t1/--t2")
    if fault := "is empty" if not patient.strip() else text_fault(patient):
        raise typer.BadParameter(f"--patient {fault}")
    options = Options.parse(
        {"head_fusion": head_fusion, "discard": discard, "identity": not no_identity}, "explain"
    )
    asked = single_patient(patient, t1, t2, roi) if source is None else source
    text, refused = run_explain(
        folder, asked, output, method=method, wanted=wanted, options=options, quiet=quiet
    )
    if text:
        say(quiet, text)
    end_with(refused, done=len(text))
