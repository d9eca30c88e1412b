"""The command line: one verb a stage, in the journey's order. No logic lives here.

Heavy imports happen inside the verbs that need them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, ParamSpec

import typer

from cystgrid import __version__
from cystgrid.errors import CystgridError

DONE_WITH_REFUSALS, BAD_INPUT, BUG, INTERRUPTED = 4, 3, 1, 130
"""Exit codes; 0 is done, 2 is wrong usage."""

P = ParamSpec("P")

app = typer.Typer(
    name="cystgrid",
    help="Grade pancreatic cysts (IPMN) from paired T1 and T2 MRI. Research use only.",
    epilog="Example: cystgrid demo -o demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars, no summary.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Worker processes; 0 works in this one. Default: one a core."),
]
StudyFile = Annotated[
    Path | None, typer.Option("--study", help="Study file (TOML). Default: every default.")
]
Prepared = Annotated[Path, typer.Argument(metavar="PREPARED", help="Folder that prepare wrote.")]
CohortFile = Annotated[Path, typer.Argument(metavar="COHORT.CSV", help="One row a patient.")]


def main() -> None:
    """Run the command line."""
    app()


def _fail(code: int, line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(code)


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Turn what goes wrong in a verb into one line on stderr and the contract's exit code."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (typer.Exit, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            _fail(INTERRUPTED, "stopped; the same command goes on where it was")
        except Exception as error:
            if kwargs.get("debug"):
                traceback.print_exc()
            if isinstance(error, CystgridError):
                _fail(BAD_INPUT, "error: " + " ".join(str(error).split()))
            if isinstance(error, OSError):
                _fail(
                    BAD_INPUT,
                    f"error: {error.filename or 'file system'}: got "
                    f"{error.strerror or error}, expected to read or write it; "
                    "check permissions and free space",
                )
            _fail(
                BUG,
                f"error: a bug in cystgrid: {type(error).__name__}: {error}; "
                "please report it with the output of --debug",
            )

    return run


def _say(quiet: bool, text: str) -> None:
    if not quiet:
        typer.echo(text)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cystgrid {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Grade pancreatic cysts (IPMN) from paired T1 and T2 MRI. Research use only."""


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

    run_demo(output, workers=workers, quiet=quiet, say=functools.partial(_say, quiet))


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
    _say(quiet, f"{patients} phantoms (no clinical data): {cohort}")


@app.command(epilog="Example: cystgrid prepare cohort.csv -o prepared --pictures pictures")
@verb
def prepare(
    cohort: CohortFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PREPARED", help="Folder.")],
    study: StudyFile = None,
    pictures: Annotated[
        Path | None,
        typer.Option(help="Also draw every scan before and after N4, with the field, here."),
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Scans to prepared patients; run again, it does only what is missing or changed."""
    from cystgrid.cohort.manifest import read_manifest
    from cystgrid.preparation.cohort import prepare_cohort
    from cystgrid.processes import worker_count

    settings = _study(study)
    manifest = read_manifest(cohort, settings.cohort)
    report = prepare_cohort(
        manifest, output, settings.preparation, workers=worker_count(workers), quiet=quiet
    )
    if pictures is not None:
        from cystgrid.outputs.preparation import draw_cohort_corrections

        draw_cohort_corrections(manifest, settings.preparation, pictures, quiet=quiet)
    excluded = "".join(f", {n} {label} left out" for label, n in manifest.excluded.items())
    _say(
        quiet,
        f"{report.prepared} prepared, {report.unchanged} unchanged, "
        f"{len(report.refused)} refused{excluded}: {output}",
    )
    _end_with(report.refused, done=report.prepared + report.unchanged)


@app.command(epilog="Example: cystgrid crossval prepared -o run --study studies/paper.toml")
@verb
def crossval(
    prepared: Prepared,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Folder.")],
    study: StudyFile = None,
    models: Annotated[
        str, typer.Option(help="Models to run, separated by commas. Default: the study's.")
    ] = "",
    inputs: Annotated[
        str, typer.Option(help="early, t1, t2, separated by commas. Default: the study's.")
    ] = "",
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Nested cross-validation; running it again resumes."""
    from cystgrid.runs import run_crossval

    table = run_crossval(
        prepared,
        output,
        _study(study),
        study,
        models=_names(models),
        inputs=_names(inputs),
        workers=workers,
        quiet=quiet,
    )
    _show(quiet, table)


@app.command(epilog="Example: cystgrid tables run, or: cystgrid tables predictions.csv -o tables")
@verb
def tables(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|PREDICTIONS.CSV", help="A run, or any predictions.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder. Default: tables/ beside the predictions."),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the tables of any predictions file, ours or not."""
    from cystgrid.evaluation.predictions import read_predictions
    from cystgrid.evaluation.tables import console_table, write_tables

    path = source / "predictions.csv" if source.is_dir() else source
    predictions = read_predictions(path)
    written = write_tables(predictions, output or path.parent / "tables")
    _show(quiet, console_table(predictions))
    _say(quiet, "\n".join(str(one) for one in written))


@app.command(epilog="Example: cystgrid train prepared -o model --study studies/demo.toml")
@verb
def train(
    prepared: Prepared,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Folder.")],
    study: StudyFile = None,
    model: Annotated[str, typer.Option(help="Which model. Default: the study's first.")] = "",
    inputs: Annotated[str, typer.Option(help="early, t1 or t2. Default: the study's.")] = "",
    workers: Workers = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train one deployable model on a whole cohort."""
    from cystgrid.runs import run_train

    path = run_train(
        prepared,
        output,
        _study(study),
        model=_names(model),
        inputs=_names(inputs),
        workers=workers,
        quiet=quiet,
    )
    _say(quiet, f"model: {path.parent}")


@app.command(
    epilog="Example: cystgrid predict model --t1 T1-DICOM --t2 T2-DICOM "
    "--roi=-60,60,-40,40,-30,30 -o answer"
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
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Grade new patients: a cohort.csv, or one pair of scans."""
    from cystgrid.runs import run_predict, single_patient

    if (cohort is None) == (t1 is None and t2 is None):
        raise typer.BadParameter("give either a COHORT.CSV or --t1/--t2")
    source = single_patient(patient, t1, t2, roi) if cohort is None else cohort
    text, refused = run_predict(model, source, output, quiet=quiet)
    if text:
        _say(quiet, text)
    _end_with(refused, done=len(text))


def _study(path: Path | None) -> Any:
    from cystgrid.study import Study

    return Study() if path is None else Study.read(path)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _show(quiet: bool, table: object) -> None:
    if quiet:
        return
    from rich.console import Console

    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(table)


def _end_with(refused: Any, *, done: int) -> None:
    """Name every refused patient; then the contract's exit code, by whether anything was done."""
    for patient, reason in refused:
        typer.echo(f"refused: {patient}: {' '.join(reason.split())}", err=True)
    if refused:
        raise typer.Exit(DONE_WITH_REFUSALS if done else BAD_INPUT)
