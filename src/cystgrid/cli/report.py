"""The verb that tells a run to people: one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import Debug, Quiet, app, say, verb


@app.command(
    epilog="Example: cystgrid report run --prepared prepared, or: cystgrid report before after"
)
@verb
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that crossval wrote.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[RUN2]", help="Another, to compare the first with.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Page. Default: RUN/report.html; of two, RUN2/comparison.html."
        ),
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
        int | None,
        typer.Option(min=0, help="Right and wrong cases of each class with a map. Default: 2."),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write one self-contained page of a run, by the field's checklists, or of two compared."""
    from cystgrid.reporting import CASES, run_comparison, run_report

    if other is not None:
        given = {"--prepared": prepared, "--model": model or None, "--cases": cases}
        idle = [name for name, value in given.items() if value is not None]
        if idle:
            raise typer.BadParameter(f"{', '.join(idle)} does nothing with two runs; leave it out")
        say(quiet, "\n".join(run_comparison(run, other, output)))
        return
    cases = CASES if cases is None else cases
    lines = run_report(run, prepared, output, model=model, cases=cases, quiet=quiet)
    say(quiet, "\n".join(lines))
