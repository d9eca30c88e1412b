"""Verbs that speak to an archive (PACS)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import Debug, Quiet, app, end_with, say, show, verb

pacs_app = typer.Typer(
    name="pacs",
    help="Studies out of an archive (PACS), results into it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(pacs_app)

Archive = Annotated[
    Path,
    typer.Option("--settings", metavar="PACS.TOML", help="How the archive is reached."),
]
ARCHIVE = Path("pacs.toml")


@pacs_app.command(
    "find", epilog="Example: cystgrid pacs find --date 20240101-20240131 --modality MR"
)
@verb
def find(
    settings: Archive = ARCHIVE,
    study: Annotated[str, typer.Option(help="StudyInstanceUID.")] = "",
    patient: Annotated[str, typer.Option(help="PatientID; * and ? are wildcards.")] = "",
    date: Annotated[str, typer.Option(help="YYYYMMDD or YYYYMMDD-YYYYMMDD, an end open.")] = "",
    modality: Annotated[str, typer.Option(help="Of which the study has a series.")] = "",
    description: Annotated[str, typer.Option(help="StudyDescription; with wildcards.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Studies listed, at most.")] = 100,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Also write them: .csv or .json."),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the studies that an archive holds."""
    from cystgrid.pacs.listing import study_table
    from cystgrid.pacs.rows import Query
    from cystgrid.pacs.verbs import run_find

    query = Query(study, patient, date, modality, description, limit)
    rows = run_find(settings, query, output)
    show(quiet, study_table(rows))
    more = f", the first {limit} that there are" if len(rows) == limit else ""
    say(quiet, f"{len(rows)} studies{more}")


@pacs_app.command(
    "fetch", epilog="Example: cystgrid pacs fetch 1.2.840.113619.2.1 -o studies --pair cohort.csv"
)
@verb
def fetch(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="StudyInstanceUIDs.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder.")],
    settings: Archive = ARCHIVE,
    pair: Annotated[
        Path | None,
        typer.Option(
            metavar="COHORT.CSV",
            help="Also choose T1 and T2 of every study in DIR, as `cohort import dicom` does.",
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Pairing rules for --pair; see `cohort rules`.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace COHORT.CSV.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch studies as DICOM folders; run again, only what is missing is fetched."""
    from cystgrid.cohort.importer import ImportChoice, run_import
    from cystgrid.pacs.verbs import run_fetch

    if rules is not None and pair is None:
        raise typer.BadParameter("--rules without --pair")
    done, refused = run_fetch(settings, studies, output, quiet=quiet)
    for folder in done:
        say(quiet, str(folder))
    if pair is not None and done:
        choice = ImportChoice(rules=rules, overwrite=overwrite)
        imported = run_import("dicom", output, pair, choice, quiet=quiet)
        say(quiet, imported.text)
        if imported.error is not None:
            raise imported.error
    end_with(refused, done=len(done))


@pacs_app.command("send", epilog="Example: cystgrid pacs send results")
@verb
def send(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="DICOM files, or folders of *.dcm.")
    ],
    settings: Archive = ARCHIVE,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Store DICOM objects, and see that they are there; what is there is not sent again."""
    from cystgrid.pacs.verbs import run_send

    report = run_send(settings, files, quiet=quiet)
    say(quiet, f"{len(report.stored)} stored, {len(report.already)} there already")
    end_with(report.refused, done=len(report.stored) + len(report.already))


@pacs_app.command("watch", epilog="Example: cystgrid pacs watch model -o watched")
@verb
def watch(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that train wrote.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="What was done, and all results."),
    ],
    settings: Archive = ARCHIVE,
    once: Annotated[
        bool,
        typer.Option("--once", help="End when every study that matches is answered or refused."),
    ] = False,
    retry_refused: Annotated[
        bool, typer.Option("--retry-refused", help="First give refused studies another try.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Answer studies that match [watch] once they are complete, and send the results back.

    Stopped or killed at any moment, the same command goes on where it was.
    """
    from cystgrid.pacs.verbs import run_watch
    from cystgrid.pacs.watch_state import Stage

    counts, refused = run_watch(
        settings, model, output, once=once, retry=retry_refused, say=lambda text: say(quiet, text)
    )
    end_with(refused, done=counts[Stage.SENT])
