"""The verb that checks every checksum of what other verbs wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cystgrid.cli.common import BAD_INPUT, Debug, Quiet, app, show, verb

if TYPE_CHECKING:
    from cystgrid.verifying.findings import Verdict

COST = "what that costs"


@app.command(
    epilog="Example: cystgrid verify run prepared model; SHA256SUMS in a run can also be checked "
    "by: sha256sum -c SHA256SUMS"
)
@verb
def verify(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|MODEL|PREPARED|WEIGHTS...", help="Folders of any of these."),
    ],
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check every checksum; say what is damaged and what that costs. Writes nothing."""
    from cystgrid.verifying.verify import verify as look_through

    lost = 0
    for folder in folders:
        found = look_through(folder, quiet=quiet)
        _tell(folder, found, quiet=quiet)
        lost += len(found.lost)
    if lost:
        raise typer.Exit(BAD_INPUT)


def _tell(folder: Path, found: Verdict, *, quiet: bool) -> None:
    """Print what is not sound, told with ``--quiet`` too, and how much is."""
    from rich.table import Column, Table

    from cystgrid.verifying.findings import State

    told = [each for each in found.findings if each.state is not State.SOUND]
    told = [each for each in told if not quiet or each in found.lost]
    if told:
        table = Table("artefact", Column("file", overflow="fold"), "state", "seen", COST)
        for each in told:
            table.add_row(each.artefact, each.name, each.state.value, each.why, each.cost)
        show(quiet=False, table=table)
    counts = ", ".join(f"{count} {state.value}" for state in State if (count := found.count(state)))
    line = f"{folder}, {found.what}: {counts}"
    if found.locked:
        line += "; a process is writing into it now"
    if found.lost or not quiet:
        typer.echo(line)
