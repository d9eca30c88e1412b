"""The verb that tells a run to people: one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import Debug, Quiet, app, say, verb


@app.command(epilog="Example: cystgrid report run --prepared prepared")
@verb
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that crossval wrote.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Page. Default: RUN/report.html.")
    ] = None,
    prepared: Annotated[
        Path | None,
        typer.Option(
            metavar="PREPARED",
            help="What the run was trained on, for scans and cases. "
            "Default: the folder prepared beside RUN, if it is that.",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Whose cases are shown. Default: the run's transformer.")
    ] = "",
    cases: Annotated[
        int, typer.Option(min=0, help="Right and wrong cases of each class with a map.")
    ] = 2,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write one self-contained page of a run, by the field's checklists."""
    from cystgrid.reporting import run_report

    lines = run_report(run, prepared, output, model=model, cases=cases, quiet=quiet)
    say(quiet, "\n".join(lines))
