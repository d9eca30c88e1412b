"""Verbs from scans on disk to prepared patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cystgrid.cli.common import (
    BAD_INPUT,
    CohortFile,
    Debug,
    Quiet,
    StudyFile,
    Workers,
    app,
    end_with,
    fail,
    read_study,
    say,
    verb,
)

cohort_app = typer.Typer(
    name="cohort",
    help="Build and check a cohort.csv.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(cohort_app)


@cohort_app.command("series", epilog="Example: cystgrid cohort series export/patient7")
@verb
def series(
    tree: Annotated[Path, typer.Argument(metavar="FOLDER", help="DICOM files, at any depth.")],
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
    debug: Debug = False,
) -> None:
    """List the DICOM series of a folder: what each is, why, and the UID to name it by."""
    from cystgrid.cohorts import run_series

    typer.echo(run_series(tree, quiet=quiet))


@cohort_app.command("rules", epilog="Example: cystgrid cohort rules > rules.toml")
@verb
def rules(quiet: Quiet = False, debug: Debug = False) -> None:
    """Print the rules by which `import dicom` pairs T1 and T2, for you to edit."""
    from cystgrid.cohort.pairing_rules import DEFAULT_RULES_TOML

    typer.echo(DEFAULT_RULES_TOML, nl=False)


@cohort_app.command(
    "import",
    epilog="Examples: cystgrid cohort import cyst-x Cyst-X -o cohort.csv ; "
    "cystgrid cohort import dicom export -o cohort.csv --rules rules.toml --labels labels.csv",
)
@verb
def import_(
    layout: Annotated[
        str,
        typer.Argument(
            metavar="LAYOUT",
            help="cyst-x, inn, transformer-ipmn, pansegdata, nnunet, yao, or dicom for any tree "
            "of studies.",
        ),
    ],
    src: Annotated[Path, typer.Argument(metavar="SRC", help="Folder (or file) of the data set.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="COHORT.CSV", help="Manifest to write.")
    ],
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the layout (docs/layouts.md)."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="dicom: pairing rules; see `cohort rules`.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="dicom: CSV of id,label[,roi,center,sex,age]; ids as in the headers."),
    ] = None,
    pseudonymise: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYFILE", help="Stable pseudonyms by this key; a new key if it is not there."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a manifest.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, write nothing.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Build cohort.csv from a known data set or a tree of DICOM studies."""
    from cystgrid.cohort.importer import ImportChoice, run_import

    choice = ImportChoice(_pairs(option or []), rules, labels, pseudonymise, overwrite, dry_run)
    done = run_import(layout, src, output, choice, quiet=quiet)
    say(quiet, done.text)
    if done.error is not None:
        raise done.error


def _pairs(options: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in options]
    for name, sign, _ in pairs:
        if not (name and sign):
            raise typer.BadParameter(f"--option {name!r}: expected KEY=VALUE")
    return {name: value for name, _, value in pairs}


@cohort_app.command(
    "check", epilog="Example: cystgrid cohort check cohort.csv -o check.html --study study.toml"
)
@verb
def check(
    cohort: CohortFile,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="CHECK.HTML", help="Also write a page of it."),
    ] = None,
    study: StudyFile = None,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read every file of a cohort and say all that is wrong or stands out, in one go."""
    from cystgrid.cohorts import run_check
    from cystgrid.outputs.quality.check_text import check_lines
    from cystgrid.processes import worker_count

    done = run_check(cohort, read_study(study), output, workers=worker_count(workers), quiet=quiet)
    say(quiet, check_lines(done))
    if output is not None:
        say(quiet, f"page: {output}")
    if done.problems:
        count = len(done.problems)
        fail(
            BAD_INPUT,
            f"error: {cohort}: got {count} problem{'s' if count > 1 else ''}, expected none; "
            "mend what is listed under Problems and check again",
        )


@app.command(epilog="Example: cystgrid prepare cohort.csv -o prepared --pictures pictures")
@verb
def prepare(
    cohort: CohortFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PREPARED", help="Folder.")],
    study: StudyFile = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Also draw here every scan before and after N4, and how T1 lies on T2."),
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Scans to prepared patients; run again, it does only what is missing or changed."""
    from cystgrid.cohorts import QUALITY_PAGE, run_prepare
    from cystgrid.processes import worker_count

    report, manifest = run_prepare(
        cohort,
        output,
        read_study(study),
        pictures=pictures,
        workers=worker_count(workers),
        quiet=quiet,
    )
    labels = [f"{count} {label} left out" for label, count in manifest.excluded.items()]
    labels += map(str, manifest.merged)
    lacking = [f"{count} without {name}" for name, count in report.lacking.items()]
    told = "".join(f", {each}" for each in (*lacking, *labels))
    say(
        quiet,
        f"{report.prepared} prepared, {report.unchanged} unchanged, "
        f"{len(report.refused)} refused{told}: {output}\nquality page: {output / QUALITY_PAGE}",
    )
    end_with(report.refused, done=report.prepared + report.unchanged)
